"""PPO and GRPO: what a round remembers, that they climb, resumed to the bit inside a round, two ranks as one."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from closeness import EXACT, assert_close_sums
from rank_helpers import record_gradients, start_two, world_of_two
from torch import Tensor
from train_helpers import WHO, assert_close, assert_same_run, model_settings, run, storage, tensors, tokenizer, trainer

from modou.data.conversation import Message, Template
from modou.generate.engine import complete
from modou.methods.grpo import Grpo
from modou.methods.policy import PolicyObjective
from modou.methods.ppo import Ppo
from modou.model.gpt import GPT
from modou.model.scored import ScoredGPT
from modou.model.scoring import score_tokens
from modou.settings.methods import GrpoSettings, PpoSettings, RolloutSettings
from modou.settings.model import ModelSettings
from modou.train.loop import Trainer
from modou.train.parallel import World
from modou.train.policy import group_advantages
from modou.train.rollouts import Answer, Credit, Question, TokenCredits, pad_answers, sample_answers, token_offsets

CONTEXT, STEPS = 48, 6
CPU = World(torch.device("cpu"))
TEMPLATE = Template(tokenizer())
TASKS = [Question(TEMPLATE.prompt([Message("user", who)]), who) for who in WHO]
ROUND = RolloutSettings(prompts=3, group=2, tokens=6, temperature=0.8, epochs=2, minibatches=2)
SHAPE = model_settings(context=CONTEXT, vocabulary=tokenizer().vocabulary)
LOGITS = 20.0
"""The size of the reference's logits at the temperature: log-probabilities near 0 are differences of such."""


def short_answers(answers: Sequence[Answer]) -> Tensor:
    """A judge that likes short answers."""
    return torch.tensor([-float(len(answer.ids)) for answer in answers])


def reference() -> GPT:
    torch.manual_seed(5)
    model = GPT(SHAPE).eval().requires_grad_(False)
    with torch.no_grad():  # sharp enough that answers end now and then
        model.embedding.weight.mul_(20)
    return model


def objective(name: str, world: World = CPU, micro_batch: int = 0, rollout: RolloutSettings = ROUND) -> PolicyObjective:
    common: dict[str, Any] = {
        "questions": TASKS[:4],
        "held_out": TASKS[4:],
        "judge": short_answers,
        "reference": reference(),
        "template": TEMPLATE,
        "rollout": rollout,
        "seed": 9,
        "world": world,
        "micro_batch": micro_batch,
    }
    if name == "ppo":
        return Ppo(**common, settings=PpoSettings(target_kl=1.0))
    return Grpo(**common, settings=GrpoSettings(kl_weight=0.05))


def policy_model(name: str) -> Callable[[ModelSettings], GPT]:
    def make(shape: ModelSettings) -> GPT:
        model = ScoredGPT(shape) if name == "ppo" else GPT(shape)
        model.load_state_dict(reference().state_dict(), strict=False)
        return model

    return make


def training(
    folder: Path,
    name: str,
    world: World = CPU,
    steps: int = STEPS,
    rate: float = 0.003,
    optimizer: str = "muon",
    **rollout: Any,
) -> Trainer:
    return trainer(
        folder,
        model=SHAPE,
        train={"steps": steps, "batch": 1, "micro_batch": 2, "evaluate_every": 3, "average": 0},
        optimizer={"name": optimizer, "matrix_lr": rate, "embedding_lr": rate, "norm_lr": rate, "clip": 0},
        change=lambda made: objective(name, world, made.micro_batch, ROUND.changed(**rollout)),
        make=policy_model(name),
        world=world,
    )


METHODS = ("ppo", "grpo")

# -- what a round remembers --


@pytest.fixture(scope="module")
def answers() -> list[Answer]:
    made = objective("grpo", rollout=ROUND.changed(tokens=20))
    return sample_answers(reference(), TEMPLATE, TASKS, 3, made.sampling, 0, CPU)


def test_some_answers_end_and_some_do_not(answers: list[Answer]) -> None:
    assert 0 < sum(answer.ended for answer in answers) < len(answers)
    for answer in answers:
        assert answer.ended == (answer.ids[-1] in TEMPLATE.ends)


def test_the_mask_covers_the_answer_with_its_end_and_nothing_after(answers: list[Answer]) -> None:
    padded = pad_answers(answers)
    for row, answer in enumerate(answers):
        masked = padded["target_NT"][row][padded["mask_NT"][row] > 0].tolist()
        assert tuple(masked) == answer.ids
        whole = [padded["ids_NT"][row, 0].item(), *padded["target_NT"][row].tolist()]
        assert tuple(whole[: len(answer.question.ids)]) == answer.question.ids


def test_scored_is_what_was_sampled_from(answers: list[Answer]) -> None:
    """Log-probabilities of the whole pass are those that generation drew from, at its temperature."""
    made = objective("grpo", rollout=ROUND.changed(tokens=20))
    drawn = complete(
        reference(),
        tokenizer(),
        [task.ids for task in TASKS],
        made.sampling.changed(samples=3),
        ends=TEMPLATE.ends,
        keys=[(0, place) for place in range(len(TASKS))],
    )
    padded = pad_answers(answers)
    scored_NT = score_tokens(
        reference(), padded["ids_NT"], padded["target_NT"], padded["mask_NT"], made.sampling.temperature
    )
    for row, text in enumerate(drawn):
        assert tuple(text.ids) == answers[row].ids
        found = scored_NT[row][padded["mask_NT"][row] > 0]
        assert_close_sums(found, torch.tensor(text.log_probabilities), LOGITS)


@pytest.mark.parametrize("name", METHODS)
def test_a_round_begins_at_ratio_one_and_distance_zero(name: str) -> None:
    made, model = objective(name), policy_model(name)(SHAPE).double()
    made.reference.double()
    made.prepare(model, 0)
    for rows in made.micro_batches(0, 0, 1):
        _, found = made.loss(model, rows)
        assert found["clipped"].item() == 0 and found["kl"].item() == pytest.approx(0, abs=1e-4)
        assert found["entropy"].item() > 0


@pytest.mark.parametrize("name", METHODS)
def test_every_answer_is_learned_from_once_an_epoch(name: str) -> None:
    made, model = objective(name, micro_batch=2), policy_model(name)(SHAPE)
    for step in range(2 * made.updates_per_round):
        made.prepare(model, step)
        if step % made.rollout.minibatches == 0:
            seen: list[str] = []
        for rank in range(2):
            for rows in made.micro_batches(step, rank, 2):
                seen += [str(row.tolist()) for row in rows["ids_NT"][rows["mask_NT"].sum(1) > 0]]
        if step % made.rollout.minibatches == made.rollout.minibatches - 1:
            every = [str(row.tolist()) for row in made.round_tensors["ids_NT"]]
            assert len(seen) == made.answers_per_round and all(one[:-1] in "".join(every) for one in seen)
            assert len(set(seen)) == len(set(every)), "none twice, none left out"


@pytest.mark.parametrize("name", METHODS)
def test_answers_that_are_the_same_are_read_once_and_count_as_often(name: str) -> None:
    made = objective(name, rollout=ROUND.changed(tokens=2, group=12, temperature=0.4, minibatches=1))
    made.judge = lambda answers: torch.tensor([float(sum(answer.ids) % 7) for answer in answers])
    model = policy_model(name)(SHAPE).double()
    made.reference.double()
    made.prepare(model, 0)
    for parameter in model.parameters():  # away from ratio 1 and distance 0
        parameter.data.add_(0.02 * torch.randn_like(parameter))

    def learned() -> tuple[int, int, dict[str, Tensor]]:
        model.zero_grad()
        (rows,) = made.micro_batches(0, 0, 1)
        loss, found = made.loss(model, rows)
        loss.backward()
        gradients = {name: one.grad for name, one in model.named_parameters() if one.grad is not None}
        return len(rows["ids_NT"]), rows.count, found | gradients | {"loss": loss.detach()}

    few, count, once = learned()
    assert made.round_tensors["times_N"].sum() == made.answers_per_round
    made.round_tensors["times_N"] = torch.ones(made.answers_per_round)
    every, as_many, one_by_one = learned()
    assert few < every == made.answers_per_round and count == as_many
    assert once["clipped"] > 0 and once["kl"] > 0
    assert_close(once, one_by_one, EXACT)


def test_a_group_of_equal_answers_teaches_nothing() -> None:
    made, model = objective("grpo"), policy_model("grpo")(SHAPE)
    made.judge = lambda answers: torch.ones(len(answers))
    made.rollout = ROUND.changed(unfinished_penalty=0.0)
    made.prepare(model, 0)
    assert made.round_tensors["advantages_NT"].abs().sum() == 0


# -- credit by place --


def test_a_token_stands_where_its_text_begins(answers: list[Answer]) -> None:
    for answer in answers:
        places = token_offsets(TEMPLATE, answer)
        assert places[0] == 0 and list(places) == sorted(places) and len(places) == len(answer.ids)
        assert not answer.ended or places[-1] == len(answer.text)
        for token in range(1, len(places)):
            assert answer.text.startswith(TEMPLATE.answer(answer.ids[:token])[: places[token] - 1])


def token_credit(credits: TokenCredits) -> tuple[Tensor, Tensor]:
    """Advantages and mask of a round with credit by place."""
    made, model = objective("grpo"), policy_model("grpo")(SHAPE)
    assert isinstance(made, Grpo)
    made.credits = credits
    made.prepare(model, 0)
    return made.round_tensors["advantages_NT"], made.round_tensors["mask_NT"]


def test_credit_for_the_whole_is_the_whole_answers_advantage() -> None:
    found_NT, _ = token_credit(lambda answer: [Credit("short", -float(len(answer.ids)), 0, len(answer.text) + 1)])
    made, model = objective("grpo", rollout=ROUND.changed(unfinished_penalty=0.0)), policy_model("grpo")(SHAPE)
    made.prepare(model, 0)
    torch.testing.assert_close(found_NT, made.round_tensors["advantages_NT"])
    assert found_NT.abs().sum() > 0


def test_credit_goes_to_the_tokens_of_its_characters_alone() -> None:
    """The first token of each answer, by its length; and a rule that one answer of a group lacks: it earned nothing."""
    written: list[Answer] = []

    def credits(answer: Answer) -> list[Credit]:
        written.append(answer)
        last = [Credit("long", 1.0, len(answer.text), len(answer.text) + 1)] if len(written) % 2 else []
        return [Credit("short", -float(len(answer.ids)), 0, 1), *last]

    found_NT, mask_NT = token_credit(credits)
    assert len(written) == len(mask_NT) and (found_NT[mask_NT == 0] == 0).all()
    scores_PG = torch.tensor([-float(len(answer.ids)) for answer in written]).view(-1, 2)
    by_length_N = group_advantages(scores_PG).flatten()
    (lacking,) = set(group_advantages(torch.tensor([[1.0, 0.0]]))[0, :1].tolist())
    for row, answer in enumerate(written):
        expected, first = torch.zeros(found_NT.shape[1]), len(answer.question.ids) - 1
        for token, place in enumerate(token_offsets(TEMPLATE, answer)):
            expected[first + token] += by_length_N[row] if place == 0 else 0.0
            expected[first + token] += lacking if place == len(answer.text) and row % 2 == 0 else 0.0
        torch.testing.assert_close(found_NT[row], expected)


def test_paid_as_it_goes_the_best_answer_is_still_the_best() -> None:
    """With no value and no discount the returns of answers differ by their scores, and by nothing else."""
    scores_N: list[Tensor] = []

    def dense_judge(answers: Sequence[Answer]) -> tuple[Tensor, Tensor]:
        padded = pad_answers(answers)
        steps_NT = torch.rand(padded["mask_NT"].shape, generator=torch.Generator().manual_seed(1)) * padded["mask_NT"]
        scores_N.append(steps_NT.sum(1))
        return scores_N[0] + 5, steps_NT

    made, model = objective("ppo"), policy_model("ppo")(SHAPE)
    assert isinstance(made, Ppo)
    made.rollout, made.dense_judge = ROUND.changed(unfinished_penalty=0.0), dense_judge
    made.settings = made.settings.changed(gae_lambda=1.0)
    made.prepare(model, 0)
    returns_NT, mask_NT = made.round_tensors["returns_NT"], made.round_tensors["mask_NT"]
    first_N1 = mask_NT.argmax(1, keepdim=True)
    torch.testing.assert_close(returns_NT.gather(1, first_N1)[:, 0], scores_N[0])


def test_an_answer_that_does_not_end_pays(answers: list[Answer]) -> None:
    made = objective("ppo")
    found = made.make_rollout(reference(), answers, 3)
    expected = [-len(answer.ids) - (0.0 if answer.ended else 1.0) for answer in answers]
    assert found.scores_N.tolist() == expected


def test_the_price_follows_the_distance() -> None:
    made = objective("ppo")
    assert isinstance(made, Ppo)
    for kl, expected in ((1.0, 0.05), (9.0, 0.05 * 1.02), (0.0, 0.05 * 0.98), (1.1, 0.05 * 1.01)):
        made.kl_weight = 0.05
        made._adapt_kl_weight(kl)  # pyright: ignore[reportPrivateUsage]
        assert made.kl_weight == pytest.approx(expected)


# -- that they climb (the sign) --


@pytest.mark.parametrize("name", METHODS)
def test_the_reward_rises(tmp_path: Path, name: str) -> None:
    """Short answers are liked: after some rounds they are written."""
    run(training(tmp_path, name, steps=60, rate=0.01, prompts=8, group=8, epochs=1, temperature=1.0))
    looks = [
        line["numbers"]["validation"]
        for line in storage.read_jsonl(tmp_path / "metrics.jsonl")
        if line["kind"] == "evaluation"
    ]
    assert looks[-1]["reward"] > looks[0]["reward"] + 1
    assert looks[-1]["length"] < looks[0]["length"]


@pytest.mark.parametrize("name", METHODS)
def test_a_distance_that_costs_is_kept_small(tmp_path: Path, name: str) -> None:
    """The price pulls back: the dearer, the nearer."""
    found: list[float] = []
    for weight in (0.0, 5.0):
        folder = tmp_path / str(weight)
        made = training(folder, name, steps=24, rate=0.01, prompts=8, group=4, epochs=1)
        own = {"kl_weight": weight, **({"target_kl": 0.0} if name == "ppo" else {})}
        assert isinstance(made.objective, Ppo | Grpo)
        made.objective.settings = made.objective.settings.changed(**own)
        made.objective.kl_weight = weight
        run(made)
        found.append(made.objective.evaluate(made.model).kl)
    assert found[1] < 0.8 * found[0]


# -- stopped, and on two processes --


@pytest.mark.parametrize("name", METHODS)
def test_resume_at_every_step_is_bit_identical(tmp_path: Path, name: str) -> None:
    run(training(tmp_path / "whole", name))
    assert objective(name).updates_per_round == 4, "steps 1 to 3 stop inside a round"
    for step in range(1, STEPS):
        folder = tmp_path / f"stopped-{step}"
        run(training(folder, name), stop_after=step)
        run(training(folder, name))
        assert_same_run(folder, tmp_path / "whole")


def work(rank: int, folder: Path) -> None:
    for strategy in ("ddp", "fsdp"):
        for name in METHODS:
            made = training(folder / strategy / name, name, world_of_two(rank, strategy), optimizer="adamw")
            gradients = record_gradients(made)
            run(made)
            if rank == 0:
                torch.save(gradients, folder / strategy / name / "gradients.pt")


@pytest.fixture(scope="module")
def two_ranks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("two")
    start_two(work, folder)
    return folder


@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
@pytest.mark.parametrize("name", METHODS)
def test_two_ranks_train_what_one_does(two_ranks: Path, tmp_path: Path, strategy: str, name: str) -> None:
    made = training(tmp_path / "one", name, optimizer="adamw")
    gradients = record_gradients(made)
    run(made)
    found = torch.load(two_ranks / strategy / name / "gradients.pt")
    assert len(found) == len(gradients) == STEPS
    for one, two in zip(gradients, found, strict=True):
        assert_close(one, two, 1e-5)
    assert_close(tensors(tmp_path / "one"), tensors(two_ranks / strategy / name), 1e-5)
