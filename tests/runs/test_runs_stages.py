"""A stage's record that says something no stage writes is refused, though its checksum is right."""

import shlex
from pathlib import Path
from typing import Any

import pytest
from method_helpers import begun

from modou.messages import UserError
from modou.methods.preparation import ShardFigures
from modou.runs.folder import RunFolder
from modou.runs.record import Record, Source
from modou.runs.seal import read_sealed_toml, write_sealed_json, write_sealed_toml
from modou.runs.stages import damage, figures, known, remedy, require_tokenizer, stage_file, write_stage


@pytest.mark.parametrize(
    "value",
    [
        {"numbers": [], "files": {}},
        {"numbers": {}, "files": []},
        {"numbers": {}},
        {"numbers": {}, "files": {"a": [-1, "0"]}},
        {"numbers": {}, "files": {"a": [1]}},
        {"numbers": {}, "files": {"a": 1}},
        {"numbers": {}, "files": {"a": [10**300, 0]}},
        {"numbers": {}, "files": {"../a": [1, "0"]}},
        {"numbers": {}, "files": {"/etc/passwd": [1, "0"]}},
    ],
)
def test_a_forged_record_is_named_and_no_file_elsewhere_is_read(tmp_path: Path, value: dict[str, Any]) -> None:
    run = RunFolder(tmp_path)
    write_sealed_json(stage_file(run, "clean"), value)
    problem = damage(run, "clean")
    assert problem is not None and str(stage_file(run, "clean")) in problem


def test_a_record_without_the_input_that_its_method_needs_is_refused(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    begun(run)
    tables = read_sealed_toml(run.settings)
    del tables["inputs"]
    write_sealed_toml(run.settings, tables)
    with pytest.raises(UserError) as error:
        Record[Any].read(run)
    assert error.value.key == "storage.seal_broken"


def test_a_table_that_is_none_is_no_older_version(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.settings.write_text("run = 1\n", encoding="utf-8")
    with pytest.raises(UserError) as error:
        run.read_settings()
    assert error.value.key == "storage.seal_broken"


def test_what_the_tokenizer_never_saw_is_vouched_for_by_the_stage_that_wrote_it(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    begun(run)
    run.tokenizer.mkdir()
    unseen = run.tokenizer / "unseen.json"
    unseen.write_text("[1, 2]", encoding="utf-8")
    write_stage(run, "shards", {}, (unseen,))
    require_tokenizer(run)
    unseen.write_text("[1, 3]", encoding="utf-8")
    with pytest.raises(UserError, match=r"unseen\.json.*modou tokenizer"):
        require_tokenizer(run)


def test_figures_come_back_as_they_were_written_and_others_are_told_with_their_file(tmp_path: Path) -> None:
    run, made = RunFolder(tmp_path), ShardFigures(tokens=3, documents=1)
    write_stage(run, "shards", made)
    assert figures(run, "shards", ShardFigures) == known(run, "shards", ShardFigures) == made
    for other in ({"tokens": 3}, {"tokens": "x", "documents": 1}):
        write_stage(run, "shards", other)
        with pytest.raises(UserError, match=r"shards\.json"):
            figures(run, "shards", ShardFigures)
        assert known(run, "shards", ShardFigures) is None


def test_a_remedy_can_be_typed_as_it_is_shown(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "my run")
    run.path.mkdir()
    names = {"base": "my base", "data": "问题 1.jsonl", "judge": "exact"}
    begun(run, None, "ppo", **{name: Source(kind="run", path=path, sha256="0" * 64) for name, path in names.items()})
    words = ["modou", "ppo", "my base", "问题 1.jsonl", "--judge", "exact", "--out", str(run.path)]
    assert shlex.split(remedy(run, "data")) == words
    assert shlex.split(remedy(run, "evaluate")) == ["modou", "evaluate", str(run.path)]
