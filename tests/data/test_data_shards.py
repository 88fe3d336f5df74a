"""Token files hold every document; batches show every token once an epoch, ordered by (seed, step) alone."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from foreign_helpers import foreign
from hypothesis import given, settings
from hypothesis import strategies as st

from modou.data.shards import IGNORE, PADDING, Batches, Shards, write_shards
from modou.messages import UserError
from modou.settings.text import TokenizerSettings
from modou.tokenizer.sentencepiece import SentencePieceTokenizer
from modou.tokenizer.tokenizer import Tokenizer

CHARACTERS = "".join(chr(0x4E00 + i) for i in range(2000))
DOCUMENTS = [f"第{i}颗豆子种在{'东南西北'[i % 4]}边。" * (i % 5 + 1) for i in range(40)]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    """One id a character, so that a test can make every token of a corpus unique."""
    text = CHARACTERS + "".join(DOCUMENTS)
    return SentencePieceTokenizer.train([text], TokenizerSettings(kind="char", vocabulary=4000))


def written(lengths: list[int], tokenizer: Tokenizer, folder: Path, **options: int) -> Shards:
    """Shards of documents of the given numbers of characters, no character twice."""
    ends = np.cumsum(lengths)
    texts = [CHARACTERS[end - length : end] for end, length in zip(ends, lengths, strict=True)]
    return write_shards(texts, tokenizer, folder, workers=1, **options)


def document(shards: Shards, number: int) -> np.ndarray:
    """All tokens of one document, from bos to eos."""
    start = int(shards.starts_D[number])
    return shards.read(start, start + int(shards.lengths_D[number]))


def test_documents_come_back(tokenizer: Tokenizer, tmp_path: Path) -> None:
    shards = write_shards([*DOCUMENTS, ""], tokenizer, tmp_path, workers=1, shard_characters=100)
    assert len(list(tmp_path.glob("*.tokens"))) > 3
    assert shards.documents == len(DOCUMENTS)
    for number, text in enumerate(DOCUMENTS):
        tokens = document(shards, number).tolist()
        assert tokens == [tokenizer.bos, *tokenizer.encode(text), tokenizer.eos]
    whole = shards.read(0, shards.tokens)
    assert len(whole) == shards.tokens == shards.lengths_D.sum()
    assert (shards.read(17, 400) == whole[17:400]).all()
    places = np.random.default_rng(0).integers(shards.tokens, size=(5, 7))
    assert (shards.gather(places) == whole[places]).all()
    assert len(shards.read(3, 3)) == 0
    assert set(shards.unseen()) == set(range(tokenizer.vocabulary)) - set(whole.tolist())


def test_processes_write_the_same_files(tokenizer: Tokenizer, tmp_path: Path) -> None:
    write_shards(DOCUMENTS, tokenizer, tmp_path / "one", workers=1, shard_characters=200)
    write_shards(DOCUMENTS, tokenizer, tmp_path / "two", workers=2, shard_characters=200)
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert files == sorted(path.name for path in (tmp_path / "two").iterdir())
    for name in files:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_writing_goes_on_when_processes_cannot_start(tokenizer: Tokenizer, tmp_path: Path) -> None:
    tokenizer.save(tmp_path / "tokenizer")
    # Python cannot start its processes again from a program on standard input: each dies at once.
    program = f"""
from pathlib import Path
from modou.data.shards import write_shards
from modou.tokenizer.loading import load_tokenizer
from modou.tokenizer.sentencepiece import SentencePieceTokenizer
from modou.tokenizer.tokenizer import Tokenizer
folder = Path({str(tmp_path)!r})
documents = ["豆子发芽了。" * 9] * 20
print(write_shards(documents, load_tokenizer(folder / "tokenizer"), folder / "shards", 2, 100).documents)
"""
    done = subprocess.run(
        [sys.executable, "-"], input=program, capture_output=True, encoding="utf-8", check=True, timeout=120
    )
    assert done.stdout.strip() == "20"


def test_an_interrupted_writing_is_taken_up(tokenizer: Tokenizer, tmp_path: Path) -> None:
    def interrupted() -> Iterator[str]:
        yield from DOCUMENTS[:30]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_shards(interrupted(), tokenizer, tmp_path, workers=1, shard_characters=100)
    with pytest.raises(UserError, match="no token files"):
        Shards(tmp_path)
    finished = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.tokens")}
    damaged, *kept = sorted(finished)
    damaged.write_bytes(b"\0" * damaged.stat().st_size)
    (tmp_path / ".000001.tokens.tmp-1").write_bytes(b"half")
    (tmp_path / "cleaned.txt").write_text("别人的文件", encoding="utf-8")
    shards = write_shards(DOCUMENTS, tokenizer, tmp_path, workers=1, shard_characters=100)
    assert len(kept) > 2
    assert all(path.stat().st_mtime_ns == finished[path] for path in kept)
    assert not list(tmp_path.glob(".*"))
    assert (tmp_path / "cleaned.txt").exists()
    assert tokenizer.decode(document(shards, 0)) == DOCUMENTS[0]


def test_another_text_or_tokenizer_replaces_the_files(tokenizer: Tokenizer, tmp_path: Path) -> None:
    write_shards(DOCUMENTS, tokenizer, tmp_path, workers=1, shard_characters=100)
    other = SentencePieceTokenizer.train(DOCUMENTS, TokenizerSettings(vocabulary=320))
    with pytest.raises(UserError, match="another tokenizer"):
        Shards(tmp_path, other)
    shards = write_shards(DOCUMENTS[:3], other, tmp_path, workers=1)
    assert [other.decode(document(shards, i)) for i in range(3)] == DOCUMENTS[:3]
    assert len(list(tmp_path.glob("*.tokens"))) == 1
    assert Shards(tmp_path, other).tokens == shards.tokens


def test_a_large_vocabulary_takes_four_bytes(tmp_path: Path) -> None:
    many = "".join(chr(i) for start, stop in ((0x3400, 0x9FFF), (0x20000, 0x2A6DE)) for i in range(start, stop))
    tokenizer = SentencePieceTokenizer.train([many], TokenizerSettings(kind="char", vocabulary=80_000))
    assert tokenizer.vocabulary > 1 << 16
    shards = write_shards([many], tokenizer, tmp_path, workers=1)
    assert (tmp_path / "000000.tokens").stat().st_size == shards.tokens * 4
    assert tokenizer.decode(document(shards, 0)) == many


def test_what_a_user_can_get_wrong(tokenizer: Tokenizer, tmp_path: Path) -> None:
    for documents in ([], ["", ""]):
        with pytest.raises(UserError, match="corpus is empty"):
            write_shards(documents, tokenizer, tmp_path)
    with pytest.raises(UserError, match="no token files"):
        Shards(tmp_path / "nowhere")
    shards = write_shards(["豆子"], tokenizer, tmp_path)
    assert shards.tokens == 4
    with pytest.raises(UserError, match="at most 3"):
        Batches(shards, 4, 2, 0)
    (tmp_path / "000000.tokens").write_bytes(b"\0" * 8)
    (tmp_path / "000000.tokens").write_bytes(b"\0" * 6)
    with pytest.raises(UserError, match="6 ≠ 8 bytes"):
        Shards(tmp_path)
    for manifest, message in (("{}", "damaged"), ("[", "manifest.json")):
        (tmp_path / "manifest.json").write_text(manifest, encoding="utf-8")
        with pytest.raises(UserError, match=message):
            Shards(tmp_path)


def epoch_rows(batches: Batches, epoch: int) -> tuple[np.ndarray, np.ndarray]:
    """All rows of one epoch, read step by step."""
    first, count = epoch * batches.chunks_per_epoch, batches.chunks_per_epoch
    steps = range(first // batches.batch_rows, (first + count - 1) // batches.batch_rows + 1)
    parts = [batches.rows(step) for step in steps]
    inputs, targets = (np.concatenate([part[side] for part in parts]) for side in (0, 1))
    skip = first - steps.start * batches.batch_rows
    return inputs[skip : skip + count], targets[skip : skip + count]


@settings(max_examples=40, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 30), min_size=1, max_size=30),
    context=st.integers(1, 40),
    rows=st.integers(1, 9),
    seed=st.integers(-(2**63), 2**64),
    characters=st.sampled_from([7, 50, 10_000]),
)
def test_every_token_is_a_target_once_an_epoch(
    tokenizer: Tokenizer,
    tmp_path_factory: pytest.TempPathFactory,
    lengths: list[int],
    context: int,
    rows: int,
    seed: int,
    characters: int,
) -> None:
    folder = tmp_path_factory.mktemp("shards")
    shards = written(lengths, tokenizer, folder, shard_characters=characters)
    context = min(context, shards.tokens - 1)
    batches = Batches(shards, context, rows, seed)
    wanted = Counter(pair for number in range(shards.documents) for pair in pairwise(document(shards, number).tolist()))
    for epoch in range(3):
        inputs_BT, targets_BT = epoch_rows(batches, epoch)
        valid_BT = targets_BT != IGNORE
        seen = Counter(zip(inputs_BT[valid_BT].tolist(), targets_BT[valid_BT].tolist(), strict=True))
        # Within a document no token repeats, so a pair seen once is a target seen once, behind its own past.
        assert seen == wanted
        assert int(valid_BT.sum()) == shards.tokens - shards.documents
        following_BT, padding_BT = inputs_BT[:, 1:], inputs_BT == PADDING
        assert (following_BT == targets_BT[:, :-1])[valid_BT[:, :-1] & ~padding_BT[:, 1:]].all()
        assert (following_BT[~valid_BT[:, :-1] & ~padding_BT[:, 1:]] == tokenizer.bos).all()
        padded = padding_BT.any(axis=1)
        assert padded.sum() <= 1, "one chunk of an epoch at most is shorter"


def test_where_a_document_begins_with_eos_its_end_is_learned_all_the_same(tmp_path: Path) -> None:
    tokenizer = foreign()
    assert tokenizer.bos == tokenizer.eos
    shards = write_shards(DOCUMENTS, tokenizer, tmp_path, workers=1)
    inputs_BT, targets_BT = epoch_rows(Batches(shards, 10, 3, seed=1), 0)
    assert int((targets_BT != IGNORE).sum()) == shards.tokens - shards.documents
    ends_BT = targets_BT == tokenizer.eos
    assert int(ends_BT.sum()) == len(DOCUMENTS) and not (inputs_BT[ends_BT] == tokenizer.eos).any()


@settings(max_examples=25, deadline=None)
@given(rows=st.integers(1, 13), world=st.integers(1, 6), step=st.integers(0, 10_000))
def test_any_world_size_sees_the_same_batch(
    tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory, rows: int, world: int, step: int
) -> None:
    shards = written([9, 30, 4, 22], tokenizer, tmp_path_factory.mktemp("shards"))
    whole = Batches(shards, 8, rows, 5).rows(step)
    parts = [Batches(shards, 8, rows, 5).rows(step, rank, world) for rank in range(world)]
    for side in (0, 1):
        assert whole[side].shape == (rows, 8) and whole[side].dtype == np.int64
        assert (np.concatenate([part[side] for part in parts]) == whole[side]).all()


def test_a_batch_depends_on_seed_and_step_only(tokenizer: Tokenizer, tmp_path: Path) -> None:
    shards = written([20] * 30, tokenizer, tmp_path)
    forward = Batches(shards, 16, 4, 1)
    taken = [forward.rows(step) for step in range(60)]
    backward = Batches(Shards(tmp_path), 16, 4, 1)
    for step in reversed(range(60)):
        assert all((a == b).all() for a, b in zip(backward.rows(step), taken[step], strict=True))
    assert any((Batches(shards, 16, 4, 2).rows(step)[0] != taken[step][0]).any() for step in range(3))


def test_documents_and_chunks_are_shuffled_anew_each_epoch(tokenizer: Tokenizer, tmp_path: Path) -> None:
    shards = written([20] * 30, tokenizer, tmp_path)
    batches = Batches(shards, 33, 4, 1)
    chunks = [{tuple(row) for row in epoch_rows(batches, epoch)[0].tolist()} for epoch in range(3)]
    assert len(chunks[0] & chunks[1]) < 3 and len(chunks[1] & chunks[2]) < 3
    assert batches.chunks_per_epoch / 4 == 5
    assert shards.tokens - shards.documents == 30 * 21


MANIFESTS = {
    "a list": "[]",
    "nothing": "{}",
    "deep": "[" * 100_000,
    "digits": '{"vocabulary": ' + "9" * 5000 + "}",
    "a word": '{"vocabulary": "x", "tokenizer": "HASH", "shards": [SHARD]}',
    "infinite": '{"vocabulary": 1e999, "tokenizer": "HASH", "shards": [SHARD]}',
    "no shards": '{"vocabulary": 300, "tokenizer": "HASH", "shards": []}',
    "a shard that is a number": '{"vocabulary": 300, "tokenizer": "HASH", "shards": [5]}',
    "negative": '{"vocabulary": 300, "tokenizer": "HASH", "shards": [NEGATIVE]}',
    "absurd": '{"vocabulary": 300, "tokenizer": "HASH", "shards": [ABSURD]}',
    "outside": '{"vocabulary": 300, "tokenizer": "HASH", "shards": [OUTSIDE]}',
}


@pytest.mark.parametrize("kind", MANIFESTS)
def test_a_manifest_of_another_form_is_refused(tokenizer: Tokenizer, tmp_path: Path, kind: str) -> None:
    write_shards(DOCUMENTS, tokenizer, tmp_path, workers=1)
    path = tmp_path / "manifest.json"
    shard = json.loads(path.read_text(encoding="utf-8"))["shards"][0]
    changed = {"SHARD": {}, "NEGATIVE": {"tokens": -5}, "ABSURD": {"tokens": 10**30}, "OUTSIDE": {"name": "../000000"}}
    text = MANIFESTS[kind].replace("HASH", tokenizer.sha256)
    for word, values in changed.items():
        text = text.replace(word, json.dumps(shard | values))
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=r"manifest\.json"):
        Shards(tmp_path)


def test_lengths_that_add_up_but_are_none_are_refused(tokenizer: Tokenizer, tmp_path: Path) -> None:
    shards = write_shards(DOCUMENTS, tokenizer, tmp_path, workers=1)
    lengths = shards.lengths_D.copy()
    lengths[0], lengths[1] = -1, lengths[0] + lengths[1] + 1
    (tmp_path / "000000.lengths").write_bytes(lengths.astype("<i8").tobytes())
    with pytest.raises(UserError, match="lengths"):
        Shards(tmp_path)


def test_a_part_whose_description_is_damaged_is_written_again(tokenizer: Tokenizer, tmp_path: Path) -> None:
    write_shards(DOCUMENTS, tokenizer, tmp_path, workers=1)
    whole = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    for content in (b"[]", b"{}", b"[" * 5000, b"5", b""):
        (tmp_path / "000000.json").write_bytes(content)
        (tmp_path / "000000.tokens").write_bytes(b"")
        write_shards(DOCUMENTS, tokenizer, tmp_path, workers=1)
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == whole
