"""Loads a run's model and tokenizer from one of its checkpoints."""

from pathlib import Path
from typing import Any

from torch import Tensor

from modou.messages import UserError
from modou.model.gpt import GPT, with_added_tokens
from modou.model.lora import AdaptedGPT, make_gpt
from modou.model.scored import ImplicitGPT, ScoredGPT
from modou.model.step import optimize_memory_layout
from modou.runs import checkpoints
from modou.runs.folder import RunFolder, find_checkpoint
from modou.runs.record import Record
from modou.runs.stages import require_tokenizer
from modou.runs.state import CheckpointState
from modou.settings.methods import METHODS
from modou.settings.model import ModelSettings
from modou.tokenizer import loading
from modou.tokenizer.tokenizer import UNSEEN_NAME, Tokenizer


def answers(run: RunFolder) -> bool:
    """Whether a run's model answers conversations (else it continues text). UserError: not a run."""
    return Record[Any].read(run).answers


def make_model(method: str, settings: Any, shape: ModelSettings) -> GPT:
    """A newly initialised model of the class that a method with these settings trains."""
    match METHODS[method].network(settings):
        case "implicit":
            return ImplicitGPT(shape, settings.reward.beta)
        case "scored":
            return ScoredGPT(shape)
        case "adapted":
            return make_gpt(shape, settings.lora)
        case "plain":
            return GPT(shape)


def load_tokenizer(run: RunFolder, extend: bool = False) -> Tokenizer:
    """The tokenizer of a run; `extend`: see `Tokenizer.extended`. UserError: missing, or not as it was written."""
    require_tokenizer(run, f"{run.tokenizer.name}/{UNSEEN_NAME}")  # the model's own checksum is in every checkpoint
    return loading.load_tokenizer(run.tokenizer, extend)


def load_model(run: RunFolder, which: str | int = "best", extend: bool = False) -> tuple[GPT, Tokenizer, int]:
    """The model (on the CPU, in evaluation mode, with `optimize_memory_layout`), its tokenizer, and the step.

    which: see `find_checkpoint`. Adapters are merged; only reward models keep their score. extend, UserError: see
    `load_weights`.
    """
    model, tokenizer, step = load_weights(run, which, extend)
    model.eval()
    optimize_memory_layout(model)
    return model, tokenizer, step


def load_weights(run: RunFolder, which: str | int = "best", extend: bool = False) -> tuple[GPT, Tokenizer, int]:
    """As `load_model`, in training mode and with the default memory layout.

    extend: a tokenizer that lacks the marks of a conversation gets them, and the model a token for each. Files stay.
    UserError: see `load_network`.
    """
    model, tokenizer, step = load_network(run, which)
    if isinstance(model, AdaptedGPT):
        model = model.merged()
    elif isinstance(model, ScoredGPT) and answers(run):
        model = model.unscored()
    if extend:
        own, tokenizer = tokenizer, tokenizer.extended()
        added = {tokenizer.controls[name.strip("<|>")]: own.encode(name) for name in own.lacking}
        model = with_added_tokens(model, added)
    return model, tokenizer, step


def load_network(run: RunFolder, which: str | int = "best") -> tuple[GPT, Tokenizer, int]:
    """The network as it was trained, with its adapters or its score; the tokenizer and the step as `load_weights`.

    UserError: not a run, damaged, weights of another shape or that are no numbers, another tokenizer than in training.
    """
    while True:
        found = find_checkpoint(run, which)
        try:
            state = CheckpointState.read(found.path)
            tensors = checkpoints.load_group(found.path, state.weights)
            break
        except UserError:
            # Deleted by a running trainer since it was found: search again.
            if found.path.is_dir() or isinstance(which, int):
                raise
    tokenizer = load_tokenizer(run)
    if state.hashes.get("tokenizer_sha256") != tokenizer.sha256:
        raise UserError("storage.other_tokenizer", folder=run.tokenizer)
    record = Record[Any].read(run)
    model = make_model(record.method, record.settings, record.model)
    _require_same(model.state_dict(), tensors, found.path)
    _require_finite(tensors, found)
    model.load_state_dict(tensors)
    return model, tokenizer, found.step


def _require_finite(tensors: dict[str, Tensor], found: checkpoints.Found) -> None:
    """UserError where a weight is no number: all that the model computes would be none."""
    for name, tensor in tensors.items():
        if not bool(tensor.isfinite().all()):
            raise UserError("storage.not_finite", step=found.step, tensor=name, path=found.path)


def _require_same(expected: dict[str, Any], tensors: dict[str, Any], path: Path) -> None:
    """UserError unless both have the same names and shapes."""
    differences = [
        *(f"- {name}" for name in expected if name not in tensors),
        *(f"+ {name}" for name in tensors if name not in expected),
        *(
            f"{name}: {tuple(tensors[name].shape)} ≠ {tuple(expected[name].shape)}"
            for name in expected
            if name in tensors and tensors[name].shape != expected[name].shape
        ),
    ]
    if differences:
        shown = ", ".join(differences[:4]) + (f" … ({len(differences)})" if len(differences) > 4 else "")
        raise UserError("storage.tensors_differ", path=path, differences=shown)
