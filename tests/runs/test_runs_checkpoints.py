"""What a save leaves, what damage does to it, and how it is told."""

import errno
import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest
import torch
from checkpoint_helpers import (
    FILES,
    check,
    damage,
    groups,
    newest_step,
    save,
    temporaries,
    three,
)
from crash_helpers import failing_files

from modou.messages import UserError
from modou.runs import checkpoints

unix = pytest.mark.skipif(sys.platform == "win32", reason="needs fork and rlimits")


def test_round_trip_and_retention(tmp_path: Path) -> None:
    folder = three(tmp_path / "deep" / "checkpoints")
    save(folder, 4)
    assert checkpoints.steps(folder) == [1, 3, 4]
    assert newest_step(folder) == 4
    assert (folder / "latest").read_text(encoding="utf-8") == "step-00000004\n"
    found = checkpoints.best(folder)
    assert found is not None and found.step == 1
    weight = checkpoints.load_group(found.path, "model")["weight"]
    assert torch.equal(weight, groups(1)["model"]["weight"])
    with pytest.raises(UserError, match="contains no ema: it contains model, optimizer"):
        checkpoints.load_group(found.path, "ema")


def test_nothing_there(tmp_path: Path) -> None:
    assert checkpoints.newest(tmp_path / "none") is None
    assert checkpoints.best(tmp_path) is None
    checkpoints.clean_up(tmp_path / "none")


def test_tensors_of_any_layout_and_type(tmp_path: Path) -> None:
    tensors = {
        "turned": torch.arange(6.0).reshape(2, 3).T,
        "every_other": torch.arange(8)[::2],
        "scalar": torch.tensor(2.5, dtype=torch.float64),
        "empty": torch.zeros(0, 3),
        "half": torch.tensor([1.5, float("nan"), float("-inf")], dtype=torch.bfloat16),
        "learned": torch.nn.Parameter(torch.ones(2)),
        "bytes": torch.tensor([0, 255], dtype=torch.uint8),
    }
    path = checkpoints.save(tmp_path, 0, {"model": tensors, "optimizer": {}}, {})
    loaded, state = checkpoints.load(path)
    assert state == {} and loaded["optimizer"] == {}
    for name, tensor in tensors.items():
        assert loaded["model"][name].dtype == tensor.dtype
        assert torch.equal(loaded["model"][name].nan_to_num(), tensor.detach().nan_to_num())


def test_loaded_tensors_outlive_the_files(tmp_path: Path) -> None:
    path = save(tmp_path, 1, size=50_000)
    tensors, _ = checkpoints.load(path)
    for file in path.glob("*.safetensors"):
        os.truncate(file, 0)
    assert torch.equal(tensors["model"]["weight"], groups(1, 50_000)["model"]["weight"])


def test_saving_a_step_again_changes_nothing(tmp_path: Path) -> None:
    path = save(tmp_path, 7)
    times = {file.name: file.stat().st_mtime_ns for file in path.iterdir()}
    checkpoints.save(tmp_path, 7, groups(8), {"other": True}, best=True)
    assert times == {file.name: file.stat().st_mtime_ns for file in path.iterdir()}
    check(path, 7)
    found = checkpoints.best(tmp_path)
    assert found is not None and found.step == 7


CUTS = ("cut to 0", "cut to 1", "cut in half", "cut by 1")
DAMAGES = ("deleted", *CUTS, "longer", "flipped first", "flipped middle", "flipped last")


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("file", FILES)
def test_damage_is_told_and_the_one_before_used(tmp_path: Path, file: str, how: str) -> None:
    folder = three(tmp_path)
    damage(folder / "step-00000003" / file, how)
    found = checkpoints.newest(folder)
    assert found is not None and found.step == 2
    check(found.path, 2)
    (problem,) = found.problems
    assert problem.path == folder / "step-00000003" and problem.file == file
    assert "step-00000003" in str(problem) and file in str(problem)
    with pytest.raises(UserError, match=file):
        checkpoints.load(folder / "step-00000003")
    save(folder, 3)  # the step is reached again: the damaged one is replaced
    assert newest_step(folder) == 3 and temporaries(folder) == []
    found = checkpoints.newest(folder)
    assert found is not None and found.problems == ()


def test_every_flipped_byte_of_the_manifest(tmp_path: Path) -> None:
    folder = three(tmp_path)
    manifest = folder / "step-00000003" / "manifest.json"
    data = manifest.read_bytes()
    fell_back = 0
    for place in range(len(data)):
        manifest.write_bytes(data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :])
        fell_back += newest_step(folder) == 2  # otherwise 3, checked to be whole
    assert fell_back > len(data) * 0.6  # the rest is white space


@pytest.mark.parametrize(
    "content", ["[]", "null", '{"format": 1, "files": {}}', '{"format": 9, "files": {"state.json": 1}}']
)
def test_a_manifest_of_another_shape(tmp_path: Path, content: str) -> None:
    folder = three(tmp_path)
    (folder / "step-00000003" / "manifest.json").write_text(content, encoding="utf-8")
    assert newest_step(folder) == 2


def test_a_manifest_cannot_point_outside(tmp_path: Path) -> None:
    folder = three(tmp_path)
    manifest = folder / "step-00000003" / "manifest.json"
    text = manifest.read_text(encoding="utf-8")
    manifest.write_text(text.replace("model.safetensors", "../step-00000002/model.safetensors"), encoding="utf-8")
    assert newest_step(folder) == 2


def test_all_damaged_is_an_error_and_names_each(tmp_path: Path) -> None:
    folder = three(tmp_path)
    for path in folder.glob("step-*"):
        damage(path / "state.json", "deleted")
    for find in (checkpoints.newest, checkpoints.best):
        with pytest.raises(UserError) as error:
            find(folder)
        assert all(f"step-0000000{step} lacks state.json" in str(error.value) for step in (1, 2, 3))


def test_damaged_or_lost_best_falls_back(tmp_path: Path) -> None:
    folder = three(tmp_path)
    damage(folder / "step-00000001" / "model.safetensors", "flipped middle")
    found = checkpoints.best(folder)
    assert found is not None and found.step == 3
    assert [problem.key for problem in found.problems] == ["storage.file_hash"]
    shutil.rmtree(folder / "step-00000001")
    found = checkpoints.best(folder)
    assert found is not None and found.step == 3 and len(found.problems) == 1
    (folder / "best").write_bytes(b"\xff\xfe nonsense")
    found = checkpoints.best(folder)
    assert found is not None and found.step == 3 and found.problems == ()


def test_other_names_are_no_checkpoints(tmp_path: Path) -> None:
    folder = three(tmp_path)
    for name in ("step-00000009.old", "xstep-00000009", "step-9", "step-000000009", ".step-00000009.tmp-1"):
        shutil.copytree(folder / "step-00000003", folder / name)
    (folder / "step-00000010").write_text("a file", encoding="utf-8")
    assert checkpoints.steps(folder) == [1, 2, 3]
    checkpoints.clean_up(folder)
    assert temporaries(folder) == []
    assert (folder / "step-00000009.old").is_dir()


@pytest.mark.parametrize(
    "number, word", [(errno.ENOSPC, "full"), (errno.EACCES, "permission"), (errno.EROFS, "read-only")]
)
def test_what_the_system_refuses_is_told(tmp_path: Path, number: int, word: str) -> None:
    folder = three(tmp_path)
    with failing_files(3, crash=False, number=number), pytest.raises(UserError, match=word):
        save(folder, 4)
    assert checkpoints.steps(folder) == [1, 2, 3] and temporaries(folder) == []


@unix
def test_full_disk(tmp_path: Path) -> None:
    """A real limit on the size of files stands for the full disk."""
    import resource

    folder = three(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    try:
        with pytest.raises(UserError, match="the disk is full"):
            save(folder, 4, size=100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert newest_step(folder) == 3 and checkpoints.steps(folder) == [1, 2, 3] and temporaries(folder) == []


@unix
def test_folder_without_permission() -> None:
    """Root may write anywhere, so root becomes nobody for the save."""
    with tempfile.TemporaryDirectory() as name:
        folder = three(Path(name) / "checkpoints")
        Path(name).chmod(0o755)
        folder.chmod(0o555)
        root = os.geteuid() == 0
        try:
            if root:
                os.seteuid(65534)
            with pytest.raises(UserError, match="no permission"):
                save(folder, 4)
            assert newest_step(folder) == 3
        finally:
            if root:
                os.seteuid(0)
            folder.chmod(0o755)
        assert checkpoints.steps(folder) == [1, 2, 3] and temporaries(folder) == []
