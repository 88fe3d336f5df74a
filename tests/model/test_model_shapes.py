"""Sizes of heads, epsilons and rotary bases as pretrained models have them: refused where they have no effect, and
the same model as ever where they are not set. (test_model_layouts compares them with transformers.)"""

from pathlib import Path

import pytest
import torch
from closeness import ROUNDING
from model_helpers import SHAPES, random_ids, random_model, shape

from modou.messages import UserError
from modou.model.gpt import GPT
from modou.settings.base import read_toml, write_toml
from modou.settings.model import ModelSettings


@pytest.mark.parametrize(
    ("layout", "option", "value"),
    [
        ("learned", "norm_eps", 1e-3),
        ("rope", "norm_eps", 1e-3),
        ("modern", "norm_eps", 1e-3),
        ("rope", "rope_base", 5_000.0),
        ("modern", "rope_base", 5_000.0),
    ],
)
@torch.no_grad()
def test_each_changes_what_the_same_weights_compute(layout: str, option: str, value: float) -> None:
    ids_BT = random_ids(2, 20)
    one, other = random_model(shape(layout)), random_model(shape(layout).changed(**{option: value}))
    assert all(torch.equal(left, right) for left, right in zip(one.parameters(), other.parameters(), strict=True))
    assert not torch.allclose(one(ids_BT), other(ids_BT), rtol=0, atol=20 * ROUNDING)


@pytest.mark.parametrize("layout", ["learned", "rope", "modern"])
def test_what_is_not_set_is_as_ever(layout: str) -> None:
    settings = shape(layout)
    assert settings.head_width == settings.width // settings.heads
    assert settings.epsilon == (1e-6 if layout == "modern" else 1e-5)
    resolved = {"head_size": settings.head_width, "norm_eps": settings.epsilon, "qk_norm": True, "rope_base": 10_000}
    ids_BT = random_ids(2, 12)
    with torch.no_grad():
        assert torch.equal(random_model(settings.changed(**resolved))(ids_BT), random_model(settings)(ids_BT))


@pytest.mark.parametrize("name", SHAPES)
def test_settings_return_from_their_file(name: str, tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(write_toml({"model": SHAPES[name].model_dump()}), encoding="utf-8")
    assert ModelSettings.parse(read_toml(path)["model"]) == SHAPES[name]


REFUSED = {
    "qk_norm": ({"style": "classic", "qk_norm": False}, "has no QK-norm: remove --no-model.qk_norm"),
    "rope_base": ({"style": "classic", "position": "learned", "rope_base": 9000}, "remove --model.rope_base"),
    "heads": ({"width": 64, "heads": 5}, "64 is not divisible by 5 heads: .* give --model.head_size"),
    "odd": ({"width": 64, "heads": 4, "head_size": 15}, "not 15: give an even --model.head_size"),
    "odd-by-width": ({"width": 60, "heads": 4}, "not 15: give an even --model.head_size"),
    "eps": ({"norm_eps": -1e-5}, "norm_eps"),
    "base": ({"rope_base": 0.5}, "rope_base"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_without_effect_or_impossible_is_refused_with_the_remedy(name: str) -> None:
    values, told = REFUSED[name]
    with pytest.raises(UserError, match=told) as found:
        ModelSettings.parse(values)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize(
    ("values", "columns"),
    [
        ({"width": 65, "heads": 3, "head_size": 10}, 30),
        ({"style": "classic", "position": "learned", "width": 15, "heads": 3}, 15),
    ],
)
def test_heads_of_their_own_size_need_no_division(values: dict[str, object], columns: int) -> None:
    settings = ModelSettings.parse(values)
    assert GPT(settings).state_dict()["blocks.0.attention.out.weight"].shape == (settings.width, columns)
