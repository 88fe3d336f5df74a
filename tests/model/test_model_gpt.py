"""The whole model: causality, initial values, dropout, gradients, limits, added tokens."""

import math

import pytest
import torch
from closeness import EXACT
from hypothesis import given, settings
from hypothesis import strategies as st
from model_helpers import SHAPES, VOCABULARY, random_ids, random_model, shape

from modou.model.gpt import GPT, dropout, with_added_tokens
from modou.model.loss import next_token_loss
from modou.model.positions import sinusoid_table
from modou.settings.model import ModelSettings

MODELS = {name: random_model(shape).double() for name, shape in SHAPES.items()}


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(list(MODELS)), st.integers(1, 31), st.integers(0, 2**31))
@torch.no_grad()
def test_no_future_token_changes_a_past_score(name: str, kept: int, seed: int) -> None:
    one_BT, two_BT = random_ids(2, 32, seed), random_ids(2, 32, seed + 1)
    two_BT[:, :kept] = one_BT[:, :kept]
    two_BT[:, kept] = (one_BT[:, kept] + 1) % VOCABULARY
    one_BTV, two_BTV = MODELS[name](one_BT), MODELS[name](two_BT)
    assert torch.equal(one_BTV[:, :kept], two_BTV[:, :kept])
    assert (one_BTV[:, kept] != two_BTV[:, kept]).any(-1).all()  # and the present one does


@pytest.mark.parametrize("name", SHAPES)
def test_no_gradient_flows_from_the_past_to_the_future(name: str) -> None:
    model = MODELS[name]
    embedded: list[torch.Tensor] = []
    hook = model.embedding.register_forward_hook(lambda _module, _ids, out: embedded.append(out))
    scores_BTV = model(random_ids(2, 12))
    hook.remove()
    (grad_BTD,) = torch.autograd.grad(scores_BTV[:, 5].square().sum(), embedded)
    assert (grad_BTD[:, 6:] == 0).all()
    assert (grad_BTD[:, :6].abs().sum(-1) > 0).all()


@torch.no_grad()
def test_rows_of_a_batch_do_not_meet() -> None:
    for model in MODELS.values():
        ids_BT = random_ids(4, 16)
        assert torch.allclose(model(ids_BT)[2], model(ids_BT[2:3])[0], atol=EXACT)


@torch.no_grad()
def test_learned_positions_end_with_their_table() -> None:
    model = MODELS["learned"]
    with pytest.raises(ValueError, match="end at 32, not 33"):
        model(random_ids(1, 33))
    cache = model.new_cache(1, 40)
    model(random_ids(1, 30), cache)
    with pytest.raises(ValueError, match="end at 32, not 33"):
        model(random_ids(1, 3), cache)
    assert cache.length == 30
    assert model(random_ids(1, 2), cache).shape == (1, 2, VOCABULARY)


def expected_std(name: str, settings: ModelSettings) -> float:
    """The table in the docstring of `initialise`, written a second time."""
    if name.split(".")[0] in ("embedding", "head"):
        return 0.02
    fan_in = settings.feed_forward if ".down." in name else settings.width
    std = 1 / math.sqrt(fan_in)
    if settings.style == "classic":
        std /= 2
    if ".down." in name or ".out." in name:
        std /= math.sqrt(2 * settings.layers)
    return std


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("layout", ["learned", "rope", "modern"])
def test_initial_values_hold_the_table(layout: str, tied: bool) -> None:
    torch.manual_seed(0)
    model = GPT(shape(layout, tied=tied, width=96))
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            assert (parameter == 0).all(), name
        elif parameter.ndim == 1:
            assert (parameter == 1).all(), name
        elif name == "positions.weight":
            assert torch.equal(parameter, 0.02 * sinusoid_table(*parameter.shape))
        else:
            std = expected_std(name, model.settings)
            error = 5 / math.sqrt(parameter.numel())  # five standard errors of a mean; of a std it is more
            assert parameter.std().item() == pytest.approx(std, rel=error), name
            assert abs(parameter.mean().item()) < error * std, name


@pytest.mark.parametrize("name", SHAPES)
def test_initial_values_follow_the_seed(name: str) -> None:
    def weights(seed: int) -> list[torch.Tensor]:
        torch.manual_seed(seed)
        return list(GPT(SHAPES[name]).state_dict().values())

    assert all(torch.equal(one, two) for one, two in zip(weights(1), weights(1), strict=True))
    assert not torch.equal(weights(1)[0], weights(2)[0])


@pytest.mark.parametrize("name", SHAPES)
@torch.no_grad()
def test_a_fresh_model_knows_nothing(name: str) -> None:
    """The first loss is that of guessing among all tokens alike, ln V: a sign of sound initial values."""
    torch.manual_seed(0)
    model = GPT(SHAPES[name])
    ids_BT = random_ids(16, 32)
    loss = next_token_loss(model.hidden(ids_BT), model.head_VD, random_ids(16, 32, seed=1)) / ids_BT.numel()
    assert loss.item() == pytest.approx(math.log(VOCABULARY), abs=0.05)


@pytest.mark.parametrize("layout", ["learned", "rope", "modern"])
def test_dropout_only_while_training(layout: str) -> None:
    model = GPT(shape(layout, dropout=0.3))
    ids_BT = random_ids(2, 8)
    assert not torch.equal(model.train()(ids_BT), model(ids_BT))
    quiet = GPT(shape(layout)).train()
    quiet.load_state_dict(model.state_dict())
    assert torch.equal(model.eval()(ids_BT), quiet(ids_BT))


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("layout", ["learned", "rope", "modern"])
def test_every_parameter_gets_a_gradient(layout: str, tied: bool) -> None:
    model = random_model(shape(layout, tied=tied)).train()
    ids_BT = random_ids(4, 32)
    next_token_loss(model.hidden(ids_BT), model.head_VD, ids_BT.roll(-1, 1)).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("layout", ["learned", "rope", "modern"])
def test_state_travels_to_a_new_model(layout: str) -> None:
    model = random_model(shape(layout))
    twin = GPT(model.settings).eval()
    twin.load_state_dict(model.state_dict())
    with torch.no_grad():
        assert torch.equal(twin(random_ids(2, 9)), model(random_ids(2, 9)))
    names = set(model.state_dict())
    assert names == {name for name, _ in model.named_parameters()}  # nothing but parameters is stored


# -- dropout --


def dropped(share: float, size: tuple[int, ...] = (300, 400), seed: int = 0) -> torch.Tensor:
    torch.manual_seed(seed)
    return dropout(torch.ones(size), share, training=True)


@pytest.mark.parametrize("share", [0.001, 0.1, 0.25, 0.5, 0.9, 0.999])
def test_the_share_and_the_expectation(share: float) -> None:
    y = dropped(share)
    dropped_share = min(max(round(share * 256), 1), 255) / 256
    assert abs(dropped_share - share) <= 1 / 256
    assert abs((y == 0).float().mean().item() - dropped_share) < 0.005
    assert y.unique().tolist() == pytest.approx([0.0, 1 / (1 - dropped_share)])


def test_neighbours_are_independent() -> None:
    """The eight bytes of a draw, and of the next draw, know nothing of each other."""
    y = (dropped(0.5, (100_000,)) > 0).double()
    for lag in range(1, 17):
        assert abs(torch.corrcoef(torch.stack([y[:-lag], y[lag:]]))[0, 1].item()) < 0.015, lag


def test_same_seed_same_mask_and_another_seed_another() -> None:
    assert torch.equal(dropped(0.3), dropped(0.3))
    assert not torch.equal(dropped(0.3), dropped(0.3, seed=1))


@pytest.mark.parametrize("shape", [(), (1,), (7,), (8,), (3, 5, 7)])
def test_any_shape(shape: tuple[int, ...]) -> None:
    assert dropped(0.2, shape).shape == shape


def test_what_is_dropped_gets_no_gradient() -> None:
    torch.manual_seed(0)
    x = torch.randn(50, 60, requires_grad=True)
    y = dropout(x, 0.25, training=True)
    y.sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad * x, y)


def test_nothing_outside_training() -> None:
    x = torch.randn(4, 4)
    assert dropout(x, 0.5, training=False) is x and dropout(x, 0.0, training=True) is x


# -- tokens added to a trained model --


SPELLED = [[3, 5, 7], [3, 5], [96]]


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("layout", SHAPES)
def test_old_scores_stay_and_new_ones_are_means(layout: str, tied: bool) -> None:
    model = random_model(SHAPES[layout].changed(tied=tied))
    drawn = torch.random.get_rng_state()
    larger = with_added_tokens(model, dict(enumerate(SPELLED, VOCABULARY)))
    assert torch.equal(torch.random.get_rng_state(), drawn)
    assert larger.settings == model.settings.changed(vocabulary=VOCABULARY + 3) and not larger.training
    before, after = model.state_dict(), larger.state_dict()
    assert before.keys() == after.keys()
    for name, tensor in after.items():
        assert torch.equal(tensor[: len(before[name])], before[name])
    ids_BT = torch.randint(0, VOCABULARY, (2, 20))
    with torch.no_grad():
        old_BTV, new_BTV = model(ids_BT), larger(ids_BT)
    torch.testing.assert_close(new_BTV[..., :VOCABULARY], old_BTV, rtol=0, atol=EXACT)
    means_BTV = torch.stack([old_BTV[..., ids].mean(-1) for ids in SPELLED], -1)
    torch.testing.assert_close(new_BTV[..., VOCABULARY:], means_BTV, rtol=0, atol=EXACT)


def test_nothing_to_add_is_the_model_itself() -> None:
    model = random_model(SHAPES["modern"])
    assert with_added_tokens(model, {}) is model
