import lzma
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modou.evaluate.baselines import baselines
from modou.evaluate.bits import CodeLength
from modou.evaluate.compress import ENCODINGS, Compressed, conditional_xz, xz_bytes
from modou.evaluate.subsample import Extent, subsample
from modou.messages import UserError


def test_a_repeated_text_costs_the_compressor_almost_nothing() -> None:
    text = "".join(chr(0x4E00 + i * i % 3571) for i in range(3000))
    known = conditional_xz([text], [text[500:2500]])
    unknown = conditional_xz(["别的。"], [text[500:2500]])
    assert known.bits_per_char < 0.3
    assert unknown.bits_per_char > 5
    assert known.bits_per_char == min(known.by_encoding.values()) == known.by_encoding[known.encoding]


def test_the_dictionary_reaches_back_over_the_whole_text() -> None:
    far = "".join(chr(0x4E00 + i * 7919 % 20000) for i in range(300))
    filling = "".join(chr(0x4E00 + (i * i * 31 + i) % 19997) for i in range(100_000))
    cost = xz_bytes(far + filling + far, "utf-16-le") - xz_bytes(far + filling, "utf-16-le")
    assert cost < 40


def test_what_is_compressed_can_be_read_back() -> None:
    # Measured without a container; the same stream with one decodes to the text.
    text = "前面有一座山，山上有一座庙。" * 50
    with_container = lzma.compress(text.encode("utf-8"), preset=9 | lzma.PRESET_EXTREME)
    assert lzma.decompress(with_container).decode("utf-8") == text
    assert abs(len(with_container) - xz_bytes(text, "utf-8")) < 100


def test_characters_without_bytes_do_not_stop_the_compressor() -> None:
    assert conditional_xz(["甲乙"], ["丙\ud800𠀀"]).characters == 3


def test_newlines_are_not_counted() -> None:
    assert conditional_xz(["甲"], ["乙\n丙\n", "丁"]).characters == 3
    with pytest.raises(UserError, match="no held-out text"):
        conditional_xz(["甲"], ["\n"])


@given(texts=st.lists(st.text(max_size=30), max_size=8), limit=st.integers(1, 200))
def test_a_portion_keeps_order_and_limit(texts: list[str], limit: int) -> None:
    part = subsample(texts, limit)
    assert part.extent.total_bytes == sum(len(text.encode()) for text in texts)
    assert part.extent.used_bytes == sum(len(text.encode()) for text in part.texts) <= limit
    assert list(part.places) == sorted(set(part.places))
    assert all(texts[at].startswith(text) for at, text in zip(part.places, part.texts, strict=True))
    assert part.extent.whole == (part.extent.total_bytes <= limit)
    assert part == subsample(texts, limit)


def test_a_single_long_text_is_cut_between_characters() -> None:
    part = subsample(["一二三四五"], 10)
    assert (part.texts, part.extent) == (("一二三",), Extent(used_bytes=9, total_bytes=15, whole=False))


def test_all_baselines_in_one_nested_result() -> None:
    train, test = ["山高水长。\n路远。"] * 9, ["山高路远。\n"]
    found = baselines(train, test)
    result, best = found.figures, found.order_5
    assert set(result) == {"kn1", "kn2", "kn3", "kn4", "kn5", "kn6", "xz", "train"}
    one, five, xz, extent = (result[name] for name in ("kn1", "kn5", "xz", "train"))
    assert isinstance(one, CodeLength) and isinstance(xz, Compressed) and isinstance(extent, Extent)
    assert five == best.figures and one.bits_per_char > best.value
    assert best.characters == xz.characters == 5
    assert set(xz.by_encoding) == set(ENCODINGS) and extent.whole
    assert found.kneser_ney.of_order(5).every_order(test)[5].bits == best.bits


def test_baselines_of_a_text_without_characters_are_refused() -> None:
    with pytest.raises(UserError):
        baselines(["山高水长。"], ["\n"])


@pytest.mark.slow
def test_xz_on_the_real_novel(shuihu_path: Path) -> None:
    lines = shuihu_path.read_text(encoding="utf-8-sig").split("\n")
    chapters = [line.partition("  ")[2] or line for line in lines if line.strip()]
    train = [c for i, c in enumerate(chapters, 1) if i % 20 not in (0, 10)]
    test = [c for i, c in enumerate(chapters, 1) if i % 20 == 10]
    result = conditional_xz(train, test)
    assert result.encoding == "utf-16-le"
    assert result.bits_per_char == pytest.approx(6.27, abs=0.05)
