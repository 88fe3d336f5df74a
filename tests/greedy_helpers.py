"""The likeliest text of a portable model, and its comparison with what other software writes."""

import functools
from collections.abc import Sequence

import torch
from interop_helpers import CONTEXT, small, trained_tokenizer
from session_helpers import ANSWERS, QUESTIONS

from modou.data.conversation import Message, Template
from modou.interop.portable import Portable
from modou.model.gpt import GPT, plain_gpt
from modou.settings.sampling import SamplingSettings

TALKS = tuple((Message("user", q), Message("assistant", a)) for q, a in zip(QUESTIONS, ANSWERS, strict=True))


def gpt(model: Portable) -> GPT:
    return plain_gpt(model.settings, model.weights).eval()


def log_probabilities(model: Portable, ids: Sequence[int]) -> torch.Tensor:
    """Of the token after `ids`, (V,)."""
    with torch.no_grad():
        return gpt(model)(torch.tensor([ids]))[0, -1].log_softmax(-1)


def greedy(model: Portable, ids: Sequence[int], tokens: int) -> tuple[list[int], list[float]]:
    """The likeliest ids after `ids`, up to the end mark, without those that are never drawn; and at each place by how
    much the best log-probability exceeds the second."""
    network, written, gaps = gpt(model), list(ids), list[float]()
    barred = sorted(model.tokenizer.unseen.difference(model.ends))
    with torch.no_grad():
        while len(gaps) < tokens and (not gaps or written[-1] not in model.ends):
            scores = network(torch.tensor([written]))[0, -1]
            scores[barred] = -torch.inf
            best = scores.topk(2)
            written.append(int(best.indices[0]))
            gaps.append((best.values[0] - best.values[1]).item())
    return written[len(ids) :], gaps


def first_difference(ours: Sequence[int], theirs: Sequence[int]) -> int:
    """The first place where two texts differ; the length of both if they are equal."""
    pairs = zip(ours, theirs, strict=False)
    return next((place for place, (a, b) in enumerate(pairs) if a != b), min(len(ours), len(theirs)))


def assert_same_text(model: Portable, ids: Sequence[int], theirs: Sequence[int], tokens: int, error: float) -> int:
    """Their text is ours, as far as no two best tokens are closer than `error` of the log-probabilities allows.

    Returns the number of equal tokens. The end mark may be missing from theirs.
    """
    ours, gaps = greedy(model, ids, tokens)
    place = first_difference(ours, theirs)
    if place == len(ours) or (place == len(theirs) == len(ours) - 1 and ours[-1] in model.ends):
        return place
    told = f"token {place} of {len(ours)}: {ours[place]}, theirs {theirs[place : place + 1]}, gap {gaps[place]:.2g}"
    assert gaps[place] < 2 * error, told
    print("a near-tie ends the comparison at", told)
    return place


@functools.cache
def answering(layout: str) -> Portable:
    """A model that learned the answers of TALKS by heart, and that they end."""
    torch.manual_seed(5)
    own = trained_tokenizer()
    model = GPT(small(layout))
    encoded = [Template(own).encode(talk) for talk in TALKS]
    length = max(map(len, encoded))
    rows = torch.tensor([[*one.ids, *[own.pad] * (length - len(one))] for one in encoded])
    learned = torch.tensor([[*one.trained, *[False] * (length - len(one))] for one in encoded])
    targets = rows.where(learned, torch.tensor(-100))[:, 1:]
    optimizer = torch.optim.AdamW(model.parameters(), 5e-3)
    for _ in range(60):
        optimizer.zero_grad()
        (model.loss(rows[:, :-1], targets) / learned.sum()).backward()
        optimizer.step()
    weights = {name: tensor.detach() for name, tensor in model.eval().state_dict().items()}
    return Portable("talker", model.settings, weights, own, True, SamplingSettings(temperature=0, stop=("——",)))


assert CONTEXT >= 160, "room for a prompt and 128 tokens"
