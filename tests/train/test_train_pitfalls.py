"""Mistakes that other trainers made and had to mend, each as a test that would have caught it here.

What other tests prove exactly is not repeated (tests/train/test_train_ unless said otherwise):

    temperature forgotten in log-probabilities -> rl::test_scored_is_what_was_sampled_from, test_a_round_begins_at_...
    tokens after the end mark counted, the mark stripped -> rl::test_the_mask_covers_the_answer_with_its_end_and_...
    the score one token past the answer -> policy::test_the_score_lands_on_the_last_token_and_nowhere_else
    no loss on the end mark, loss on the question -> sft::test_the_end_of_an_answer_is_learned_and_a_question_is_not
    a prompt that the whole does not begin with, a user's text read as marks -> text/test_text_conversation (all)
    packing that loses, doubles, mixes -> text/test_text_packing, sft::test_packed_loss_equals_unpacked_loss
    a reward read off the padding -> preferences::test_a_reward_is_read_after_the_whole_answer_and_padding_...
    means of ranks' means, drifting replicas, DPO not shardable -> sft, preferences, rl::test_two_ranks_train_...
    a resume that loses digits, order, round -> sft, preferences, rl::test_resume_at_every_step_is_bit_identical
    weights that fit only in part -> tests/test_runs::test_load_model_refuses_another_shape
    a rate that rises again -> average::test_the_rate_goes_up_stays_and_comes_down, test_the_loop_follows_...
"""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from closeness import EXACT, assert_close_sums
from method_helpers import begun
from rank_helpers import record_gradients
from train_helpers import CPU, WHO, assert_close, model_settings, of_kind, run, tensors, tokenizer, trainer

from modou.data import examples
from modou.data.conversation import Encoded, Message, Template
from modou.data.examples import Question
from modou.data.packing import Packing
from modou.data.pairs import Pair, encode_pair, pair_batch
from modou.methods import dpo, grpo, method_class, ppo, reward, sft
from modou.methods import policy as rl
from modou.model.gpt import GPT
from modou.model.scored import ScoredGPT
from modou.model.scoring import score_tokens
from modou.pipeline.inputs import examples_source, run_source
from modou.runs import checkpoints
from modou.runs.folder import RunFolder
from modou.runs.record import Record, Source
from modou.settings import methods as align
from modou.settings.run import RunSettings
from modou.settings.sampling import SamplingSettings
from modou.tasks import judges
from modou.tasks.registry import EXACT as BY_ANSWER
from modou.train import policy, rollouts
from modou.train.events import Stepped
from modou.train.rollouts import Answer

DEVICE, BATCH, HEAT, SAID = CPU.device, 5, 0.8, "数着袋里三颗豆子"
ROUNDS, OBJECTIVES = ("ppo", "grpo"), ("sft", "reward", "dpo", "ppo", "grpo")
TEMPLATE, MARK = Template(tokenizer()), tokenizer().end
SHAPE = model_settings(context=64, vocabulary=tokenizer().vocabulary)
# Answers of two to seven characters: no two micro-batches hold as many tokens.
TALK = [(Message("user", who), Message("assistant", SAID[-2 - n :])) for n, who in enumerate(WHO)]
ENCODED = [TEMPLATE.encode(talk) for talk in TALK]
PAIRS = [encode_pair(TEMPLATE, talk[:1], talk[1].content, talk[1].content[::2]) for talk in TALK]
TASKS = [Question(TEMPLATE.prompt(talk[:1]), talk[0].content) for talk in TALK]


def base() -> GPT:
    torch.manual_seed(5)
    model = GPT(SHAPE).eval().requires_grad_(False)
    model.embedding.weight.mul_(20)[MARK].mul_(2)  # sharp, so that answers end now and then
    return model


def model_for(name: str) -> GPT:
    """The base, with a score drawn at random where the objective reads one."""
    torch.manual_seed(6)
    model = ScoredGPT(SHAPE) if name in ("reward", "ppo") else GPT(SHAPE)
    model.load_state_dict(base().state_dict(), strict=False)
    if isinstance(model, ScoredGPT):
        torch.nn.init.normal_(model.score.weight)
    return model


def short(answers: Any) -> torch.Tensor:
    return torch.tensor([-float(len(answer.ids)) for answer in answers])


def objective(name: str, micro: int = 0) -> Any:
    sampling = SamplingSettings(tokens=3, seed=2)
    if name == "sft":
        rows = Packing(ENCODED, SHAPE.context, BATCH, False, seed=4)
        return sft.Sft(rows, ENCODED[:2], [TALK[0][:1]], TEMPLATE, sampling, DEVICE, micro)
    if name == "reward":
        return reward.RewardObjective(PAIRS, PAIRS[:2], align.RewardSettings(), BATCH, 4, DEVICE, micro)
    if name == "dpo":
        return dpo.Dpo(PAIRS, PAIRS[:2], [], base(), TEMPLATE, sampling, align.DpoSettings(), BATCH, 4, DEVICE, micro)
    rounds = align.RolloutSettings(prompts=3, group=4, tokens=20, temperature=HEAT, epochs=2, minibatches=1)
    common = (TASKS[:4], TASKS[4:], short, base(), TEMPLATE, rounds, 9, CPU, micro)
    if name == "ppo":
        return ppo.Ppo(*common, settings=align.PpoSettings(target_kl=1.0))
    return grpo.Grpo(*common, settings=align.GrpoSettings(kl_weight=0.05))


def training(folder: Path, name: str, micro: int = 0, steps: int = 2, rates: Any = None, **train: Any) -> Any:
    return trainer(
        folder,
        model=SHAPE,
        train={"steps": steps, "batch": BATCH, "evaluate_every": steps, "average": 0, **train},
        optimizer=rates or {"name": "adamw", "matrix_lr": 0.003, "embedding_lr": 0.003, "norm_lr": 0.003, "clip": 0},
        change=lambda _: objective(name, micro),
        make=lambda _: model_for(name),
    )


def prepared(name: str) -> tuple[Any, GPT, rl.RolloutBatch]:
    """An objective, its model in float64, and the whole of its first update."""
    made, model = objective(name), model_for(name)
    in_float64(made, model)
    made.prepare(model, 0)
    return made, model, made.micro_batches(0, 0, 1)[0]


def in_float64(made: Any, model: GPT) -> None:
    """What is learned and what it is compared with, so that sums in any order are equal."""
    model.double()
    if hasattr(made, "reference"):
        made.reference.double()


def gradient(model: GPT, loss: Any) -> dict[str, Any]:
    named = dict(model.named_parameters())
    found = torch.autograd.grad(loss, list(named.values()), retain_graph=True, materialize_grads=True)
    return dict(zip(named, found, strict=True))


def write_rows(path: Path, *rows: dict[str, str]) -> Path:
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", OBJECTIVES)
def test_unequal_micro_batches_give_the_gradient_and_the_figures_of_one(tmp_path: Path, name: str) -> None:
    """Pitfall: a mean of the micro-batches' means; a step of the optimizer for each of them."""
    found: dict[int, Any] = {}
    for micro in (0, 1, 2):
        made = training(tmp_path / str(micro), name, micro)
        in_float64(made.objective, made.model)
        gradients = record_gradients(made)
        found[micro] = gradients, [event.metrics for event in of_kind(run(made), Stepped)]
        assert len(gradients) == 2
    assert len({batch.count for batch in made.objective.micro_batches(0, 0, 1)}) > 1
    for micro, step in ((1, 0), (2, 0), (1, 1), (2, 1)):
        assert_close(found[micro][0][step], found[0][0][step], EXACT)
        assert found[micro][1][step] == pytest.approx(found[0][1][step], rel=1e-6, abs=EXACT)  # a round's in float32


@pytest.mark.parametrize("name", OBJECTIVES)
def test_every_rank_makes_as_many_passes_and_one_without_rows_adds_nothing(name: str) -> None:
    """Pitfall: a pass that only some ranks make, for which the others wait for ever. And a figure called "loss"."""
    made, model = objective(name, micro=1), model_for(name)
    in_float64(made, model)
    made.prepare(model, 0)
    whole = made.micro_batches(0, 0, 1)
    ranks = [made.micro_batches(0, rank, len(whole) + 2) for rank in range(len(whole) + 2)]
    assert {len(batches) for batches in ranks} == {1}
    shared = [batch for (batch,) in ranks]
    assert sum(batch.count for batch in shared) == sum(batch.count for batch in whole)
    for loss, figures in (made.loss(model, batch) for batch in shared if not batch.count):
        assert not any([loss, *figures.values()])
        assert not {"loss", "gradient_norm", "learning_rate"} & figures.keys()
    one, many = (gradient(model, sum(made.loss(model, batch)[0] for batch in some)) for some in (whole, shared))
    assert_close(many, one, EXACT)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_last_checkpoint_holds_the_last_weights_and_the_round(tmp_path: Path, name: str) -> None:
    """Pitfall: saved before the last update, without the value's head, or without what the next update needs."""
    made = training(tmp_path, name, steps=3, evaluate_every=2)
    run(made)
    saved = {key: tensor for key, tensor in tensors(tmp_path).items() if not key.startswith("optimizer/")}
    kept = {f"objective/{key}": tensor for key, tensor in made.objective.tensors().items()}
    assert_close(saved, {f"model/{key}": p.detach() for key, p in made.model.named_parameters()} | kept, 0)
    assert ("model/score.weight" in saved) == (name in ("reward", "ppo")) and bool(kept) == (name in ROUNDS)
    state = checkpoints.read_state(tmp_path / "checkpoints" / checkpoints.folder_name(3))["objective"]
    if name in ROUNDS:
        assert (state["round"], state["kl_weight"]) == (1, made.objective.kl_weight) and state["facts"]


def test_what_is_learned_is_chosen_by_place_and_never_by_id() -> None:
    """Pitfall: all that equals the padding's id left out, an end mark or a written token with it."""
    ids = (tokenizer().pad, tokenizer().eos, MARK, tokenizer().pad)
    one = Encoded((tokenizer().bos, *ids), (False, True, True, True, True))
    for batch in (sft.packed_batch([[one], [ENCODED[0]]], DEVICE), pair_batch([Pair(one, ENCODED[0])], DEVICE)):
        assert batch.target_BT[0][batch.target_BT[0] >= 0].tolist() == [*ids]
    padded = rollouts.pad_answers(
        [Answer(Question((1,), ""), "", ids, False), Answer(Question((1,), ""), "", ids * 2, False)]
    )
    assert padded["target_NT"][0][padded["mask_NT"][0] > 0].tolist() == [*ids]


def test_a_pair_is_the_question_an_answer_and_one_end_mark() -> None:
    """Pitfall: the end mark doubled; loss on earlier answers, which both sides share."""
    asked = [Message("user", "甲"), Message("assistant", "乙"), Message("user", "丙")]
    pair, prompt = encode_pair(TEMPLATE, asked, "丁", "戊己"), TEMPLATE.prompt(asked)
    for side, answer in ((pair.chosen, "丁"), (pair.rejected, "戊己")):
        ids = (*tokenizer().encode(answer), MARK)
        assert side == Encoded((*prompt, *ids), (False,) * len(prompt) + (True,) * len(ids))


def test_the_judge_reads_the_ids_as_written_and_one_end_mark() -> None:
    """Pitfall: written ids decoded and encoded anew; the end mark doubled, missing, or another one."""
    spelled = tuple(tokenizer().pieces().index(f"<0x{byte:02X}>") for byte in "阿豆".encode())
    assert tokenizer().decode(spelled) == "阿豆" and tokenizer().encode("阿豆") != [*spelled]
    model, asked = model_for("reward").double().eval(), TASKS[0]
    written = [((*spelled, MARK), True), ((*spelled, tokenizer().eos), True), (spelled, False), (spelled * 2, False)]
    found = judges.ModelJudge(model, tokenizer())([Answer(asked, "阿豆", ids, ended) for ids, ended in written])
    read = [torch.tensor([[*asked.ids, *ids, MARK]]) for ids in (spelled, spelled, spelled, spelled * 2)]
    expected = torch.stack([model.scores(model.hidden(ids))[0, -1] for ids in read])
    torch.testing.assert_close(found, expected.detach().float())


def test_what_just_fits_is_learned_whole_and_what_does_not_is_told(tmp_path: Path) -> None:
    """Pitfall: examples cut, or emptied, where they are too long."""
    asked, whole = {"prompt": "甲乙"}, TEMPLATE.encode([Message("user", "甲乙"), Message("assistant", SAID)])
    talk = write_rows(tmp_path / "talk.jsonl", asked | {"completion": "丙"}, asked | {"completion": SAID})
    worse = asked | {"rejected": "丁"}
    pairs = write_rows(tmp_path / "pairs.jsonl", worse | {"chosen": "丙"}, worse | {"chosen": SAID})
    both = (examples.read_conversations, talk, len(whole) - 1), (examples.read_preferences, pairs, len(whole))
    for read, file, room in both:
        assert [line.split(": ")[0] for line in read(file, "", TEMPLATE, room - 1).complaints] == [f"{file.name}:2"]
        found = read(file, "", TEMPLATE, room)
        one = found.encoded[1] if file == talk else found.pairs[1].chosen
        assert one == whole and not found.complaints
        batch = sft.packed_batch([[one]], DEVICE) if file == talk else pair_batch([Pair(one, one)], DEVICE)
        assert (batch.target_BT[0] >= 0).sum() == sum(whole.trained) and batch.ids_BT.shape[1] == room


@pytest.mark.parametrize("name", ROUNDS)
def test_what_stands_outside_the_answers_changes_nothing(name: str) -> None:
    """Pitfall: padding counted in the entropy, the distance, the share of clipped tokens, the value's loss."""
    made, model, rows = prepared(name)
    for parameter in model.parameters():  # away from ratio 1 and distance 0
        parameter.data.add_(0.02 * torch.randn_like(parameter))
    dirty = {key: torch.cat((t, t[:, :3]), 1) if key.endswith("_NT") else t for key, t in rows.tensors.items()}
    dirty["mask_NT"][:, -3:] = 0
    outside = dirty["mask_NT"] == 0
    after = outside & (dirty["mask_NT"].cumsum(1) > 0)
    for key in dirty.keys() - {"mask_NT", "scores_N", "ended_N", "times_N"}:
        clean = dirty[key]
        noise = torch.randint_like(clean, 300) if key in ("ids_NT", "target_NT") else 3 * torch.randn_like(clean)
        dirty[key] = clean.where(~(after if key == "ids_NT" else outside), noise)
    (one, figures), (two, others) = made.loss(model, rows), made.loss(model, rl.RolloutBatch(dirty, rows.count))
    assert figures["kl"] > 0 and figures["clipped"] > 0
    assert_close(others | {"loss": two}, figures | {"loss": one}, EXACT)
    assert_close(gradient(model, two), gradient(model, one), EXACT)


@pytest.mark.parametrize("name", ROUNDS)
def test_entropy_reward_and_loss_are_those_of_the_answers(name: str) -> None:
    """Pitfalls: entropy one position off, of the prompt too, or at another temperature; a reward shown without its
    penalties, or averaged over tokens; unfinished answers left out of the loss but not of what it is divided by."""
    made, model, rows = prepared(name)
    figures, entropy = made.loss(model, rows)[1], 0.0
    for ids_T, mask_T in zip(rows["ids_NT"], rows["mask_NT"], strict=True):
        for place in mask_T.nonzero()[:, 0].tolist():
            share_V = (model(ids_T[None, : place + 1])[0, -1].detach() / HEAT).softmax(-1)
            entropy -= share_V.xlogy(share_V).sum().item()
    assert figures["entropy"].item() == pytest.approx(entropy, rel=EXACT)
    scores_N = -rows["mask_NT"].sum(1) - (1 - rows["ended_N"])
    assert 0 < rows["ended_N"].sum() < len(rows["ended_N"])
    assert figures["reward"].item() / rows.count == pytest.approx(scores_N.mean().item(), rel=1e-6)  # in float32
    alike = rows.tensors | {"advantages_NT": torch.ones_like(rows["mask_NT"])}
    alike |= {"returns_NT": alike["values_NT"]} if name == "ppo" else {}  # a value with nothing to learn
    assert made.loss(model, rl.RolloutBatch(alike, rows.count))[0].item() == pytest.approx(
        -rows.count, rel=1e-6
    )  # the old log-probabilities are kept in float32


@pytest.mark.parametrize("name", ROUNDS)
def test_the_expected_gradient_of_the_price_is_that_of_a_distance(name: str) -> None:
    """Pitfall: an estimator of KL(p || q), p the policy, whose gradient is not KL's, for want of the score function.

    PPO's price, in the reward, descends KL(p || q). GRPO's k3 in the loss, as published, has KL(p || q) for its mean,
    but what it descends is KL(q || p): the two are alike near q only."""
    made, models = objective(name), []
    for seed in range(2):
        torch.manual_seed(seed)
        kind = ScoredGPT if seed == 0 and name == "ppo" else GPT
        models.append(kind(model_settings(vocabulary=8, context=8)).double())
        models[seed].embedding.weight.data.mul_(20)
    model, made.reference = models
    p_V, q_V = ((one(torch.tensor([[1, 5, 6]]))[0, -1] / HEAT).log_softmax(-1) for one in models)
    rollout = made.make_rollout(model, [Answer(Question((1, 5, 6), ""), "", (token,), True) for token in range(8)], 1)
    kept = rollout.tensors() | made.compute_advantages(rollout, model)
    kept |= {"returns_NT": kept["values_NT"]} if name == "ppo" else {}
    losses = [made.loss(model, rl.RolloutBatch({key: t[n : n + 1] for key, t in kept.items()}, 1))[0] for n in range(8)]
    distances = [p_V.exp() @ (p_V - q_V), q_V.exp() @ (q_V - p_V)]
    found, right, wrong = (
        torch.cat([part.flatten() for part in gradient(model, loss).values()])
        for loss in (torch.stack(losses) @ p_V.exp().detach(), *distances[:: 1 if name == "ppo" else -1])
    )
    assert torch.cosine_similarity(found, right, 0) > 1 - 1e-9 and torch.cosine_similarity(found, wrong, 0) < 0.99
    if name == "grpo":  # of PPO's whitened advantages only the direction is known
        torch.testing.assert_close(found, 0.05 * right, rtol=1e-5, atol=1e-8)


def test_groups_are_the_answers_to_one_question_and_equal_scores_are_zero_to_the_last_bit() -> None:
    """Pitfalls: the batch, or every n-th answer, in place of a group; a mean's rounding over a spread of nothing."""
    made, model = objective("grpo"), model_for("grpo")
    made.rollout = made.rollout.changed(unfinished_penalty=0.0)
    made.judge = lambda few: torch.tensor([10.0 ** WHO.index(one.question.text) * (n % 4) for n, one in enumerate(few)])
    made.prepare(model, 0)
    found_N = made.round_tensors["advantages_NT"].sum(1) / made.round_tensors["mask_NT"].sum(1)
    assert found_N.tolist() == pytest.approx([-1.1619, -0.3873, 0.3873, 1.1619] * 3, abs=1e-3)
    scores_P1 = 30 * torch.randn(1000, 1)
    assert not any(policy.group_advantages(scores_P1.expand(-1, group)).any() for group in range(2, 10))


def test_answers_are_drawn_from_the_whole_vocabulary() -> None:
    """Pitfall: drawn with top-p or top-k, scored without: another policy than the one that wrote."""
    model, sampling = base(), objective("grpo").sampling.changed(tokens=1)
    answers = rollouts.sample_answers(model, TEMPLATE, TASKS[:1], 2000, sampling, 0, CPU)
    share_V, order_V = (model(torch.tensor([TASKS[0].ids]))[0, -1] / HEAT).softmax(-1).sort()
    count = int((share_V.cumsum(0) < 0.05).sum())
    found = sum(answer.ids[0] in order_V[:count] for answer in answers)
    assert found == pytest.approx(2000 * share_V[:count].sum().item(), abs=35) and found > 40


@pytest.mark.parametrize("name", ROUNDS)
@pytest.mark.filterwarnings("ignore:Mismatch dtype")  # torch's RMSNorm under autocast
def test_in_half_precision_too_a_round_begins_at_distance_zero(tmp_path: Path, name: str) -> None:
    """Pitfall: the reference scored in another precision than the policy."""
    (step,) = of_kind(run(training(tmp_path, name, steps=1, precision="bfloat16")), Stepped)
    assert step.metrics["clipped"] == 0 and abs(step.metrics["kl"]) < 1e-9


@pytest.mark.parametrize("name", ["dpo", *ROUNDS])
def test_the_reference_stays_what_it_was_through_training_and_a_stop(tmp_path: Path, name: str) -> None:
    """Pitfall: reference log-probabilities from weights that have been trained."""
    for stop in (3, None):
        made = training(tmp_path, name, steps=5)
        in_float64(made.objective, made.model)
        run(made, stop)
    if name == "dpo":
        batch = pair_batch(PAIRS, DEVICE)
        now_B, then_B = (dpo.answer_log_probabilities(model, batch).detach() for model in (made.model, base().double()))
        moved = expected = 0.1 * (now_B - then_B)[: len(PAIRS)].sum()
        found = made.objective.loss(made.model, batch)[1]["reward_chosen"]
    else:
        kept, found = made.objective.round_tensors, made.objective.round_tensors["reference_NT"]
        expected = score_tokens(base().double(), kept["ids_NT"], kept["target_NT"], kept["mask_NT"], HEAT)
        moved = expected - kept["old_NT"]
    assert moved.abs().max() > 0.01
    assert_close_sums(found, expected)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with dropout and a table of positions, and for each method a file whose last question is the longest."""
    folder = tmp_path_factory.mktemp("base")
    identity = {"tokenizer_sha256": tokenizer().sha256}
    made = trainer(folder, model=model_settings("learned", context=64, dropout=0.3), identity=identity)
    run(made)
    tokenizer().save(folder / "tokenizer")
    begun(made.writer.run, made.model.settings)
    for name, more in (("dpo", {"chosen": "甲", "rejected": "乙"}), ("ppo", {}), ("grpo", {})):
        write_rows(folder / f"{name}.jsonl", *({"prompt": "豆" * n} | more for n in range(1, 5)))
    return folder


def built(folder: Path, name: str, **rollout: int) -> tuple[Any, GPT, Any]:
    """What a command makes of a run: the method, the model to train, the objective."""
    settings: Any = {"dpo": align.DpoRun(), "ppo": align.PpoRun(), "grpo": align.GrpoRun()}[name]
    settings = settings.with_values({} if name == "dpo" else {"rollout": {"rounds": 7, "tokens": 8, **rollout}})
    inputs = {"base": run_source(folder), "data": examples_source(folder / f"{name}.jsonl")}
    inputs["judge"] = Source(kind="rule", path="exact", sha256="exact")
    method: Any = method_class(name)(RunFolder(folder / name), Record(name, inputs, settings))
    model, made = method.build(settings, CPU)
    assert name == "dpo" or method.steps(settings) == 7 * made.updates_per_round, "the schedule's length"
    return method, model, made


@pytest.mark.parametrize("name", ["dpo", *ROUNDS])
def test_policy_and_reference_are_two_models_alike_without_dropout(folder: Path, name: str) -> None:
    """Pitfall: a reference in the policy's own memory; ratios of models that drop differently."""
    _, model, made = built(folder, name)
    reference = dict(made.reference.named_parameters())
    own = {key: parameter for key, parameter in model.named_parameters() if not key.startswith("score.")}
    assert_close({key: p.detach() for key, p in own.items()}, reference, 0)
    assert not {p.data_ptr() for p in own.values()} & {p.data_ptr() for p in reference.values()}
    assert model.settings.dropout == made.reference.settings.dropout == 0 and not made.reference.training
    assert all(p.requires_grad for p in own.values()) and not any(p.requires_grad for p in reference.values())


@pytest.mark.parametrize("name", ROUNDS)
def test_the_longest_question_with_the_longest_answer_fills_the_context(folder: Path, name: str) -> None:
    """Pitfall: room counted one short or one over."""
    tokens = 65 - len(TEMPLATE.prompt([Message("user", "豆" * 4)]))
    method, model, made = built(folder, name, tokens=tokens, prompts=4, group=2)
    made.questions, made.judge = method.data.items, lambda answers: torch.zeros(len(answers))
    made.prepare(model, 0)  # a table of positions refuses to be read past its end
    assert len(made.questions) == 4 and made.round_tensors["ids_NT"].shape[1] == 64
    over = built(folder, name, tokens=tokens + 1)[0].data
    assert len(over.items) == 3 and over.complaints[0].startswith(f"{name}.jsonl:4: ")


def test_value_and_logits_are_read_off_the_same_normed_state() -> None:
    """Pitfall: the last norm applied twice before the value, or not at all."""
    model, states = model_for("ppo").double(), []
    model.norm.register_forward_hook(lambda *taken: states.append(taken[2].detach()))
    values_BT = ppo.token_values(model, torch.tensor([TASKS[0].ids]))
    torch.testing.assert_close(values_BT, model.score(torch.cat(states))[..., 0].detach())


def test_a_true_answer_inside_another_is_not_the_answer() -> None:
    """Pitfall: a rule that looks for the truth anywhere in the text."""
    for answer, right in (("59", 1), (" 59\n", 1), ("1594", 0), ("59 or 60", 0), ("5", 0), ("", 0)):
        assert BY_ANSWER.score(answer, {"answer": "59"}) == right


def test_default_rates_are_a_nudge_and_move_something(tmp_path: Path) -> None:
    """Pitfalls: reinforcement at the rate of pretraining; a rate of DPO so small that the loss stays at ln 2."""
    for kind in (align.DpoRun, align.PpoRun, align.GrpoRun):
        for rate in ("matrix_lr", "embedding_lr"):
            nudge, answers, text = (getattr(one().optimizer, rate) for one in (kind, align.SftRun, RunSettings))
            assert 0 < nudge < answers < text
    made = training(tmp_path, "dpo", steps=30, rates=align.DpoRun().optimizer.model_dump())
    run(made)
    assert made.objective.loss(made.model, pair_batch(PAIRS, DEVICE))[1]["margin"] / len(PAIRS) > 0.1
