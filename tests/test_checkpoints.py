"""Whatever goes wrong in a save, a reader finds the state before it or the state after it."""

import errno
import itertools
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from crash_helpers import Child, Crash, failing_files
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from modou import checkpoints, storage
from modou.errors import UserError

FILES = ("model.safetensors", "optimizer.safetensors", "state.json", "manifest.json")
IN_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
unix = pytest.mark.skipif(sys.platform == "win32", reason="needs fork and rlimits")


@pytest.fixture
def fast_folder() -> Iterator[Path]:
    """A folder in memory where there is one: some tests sync thousands of times."""
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as name:
        yield Path(name)


def groups(step: int, size: int = 5) -> dict[str, dict[str, Tensor]]:
    """Tensors that tell their step, so that a mixture of two states shows."""
    weight = torch.arange(size, dtype=torch.float32) + step
    return {"model": {"weight": weight, "bias": weight[:2] * 3}, "optimizer": {"weight.first": -weight}}


def save(folder: Path, step: int, keep: int = 2, best: bool = False, size: int = 5) -> Path:
    return checkpoints.save(
        folder, step, groups(step, size), {"step": step, "seen": [step, "魔豆"]}, keep, best
    )


def check(path: Path, step: int, size: int = 5) -> None:
    """The checkpoint at `path` is that of `step`, all of it."""
    tensors, state = checkpoints.load(path)
    assert state == {"step": step, "seen": [step, "魔豆"]}
    expected = groups(step, size)
    assert {g: set(t) for g, t in tensors.items()} == {g: set(t) for g, t in expected.items()}
    for group, content in expected.items():
        for name, tensor in content.items():
            assert torch.equal(tensors[group][name], tensor)


def newest_step(folder: Path, size: int = 5) -> int:
    found = checkpoints.newest(folder)
    assert found is not None
    check(found.path, found.step, size)
    return found.step


def temporaries(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if storage.is_temporary(path)]


def three(folder: Path) -> Path:
    """Steps 1 to 3, of which 1 is the best."""
    for step in (1, 2, 3):
        save(folder, step, best=step == 1)
    return folder


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
    with pytest.raises(UserError, match="holds no ema: it holds model, optimizer"):
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


def damage(path: Path, how: str) -> None:
    data = path.read_bytes()
    if how == "deleted":
        path.unlink()
    elif how.startswith("cut"):
        path.write_bytes(
            data[: {"cut to 0": 0, "cut to 1": 1, "cut in half": len(data) // 2, "cut by 1": -1}[how]]
        )
    elif how == "longer":
        path.write_bytes(data + b" x")
    else:
        place = {"flipped first": 0, "flipped middle": len(data) // 2, "flipped last": len(data) - 1}[how]
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])


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
    manifest.write_text(
        text.replace("model.safetensors", "../step-00000002/model.safetensors"), encoding="utf-8"
    )
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


@pytest.mark.parametrize("crash", [False, True], ids=["error", "crash"])
@pytest.mark.parametrize("case", ["plain", "best", "replace", "first"])
def test_each_file_operation_fails_once(fast_folder: Path, crash: bool, case: str) -> None:
    """At every operation of a save: an error of the system, or a power cut that drops what was not synced."""
    template = fast_folder / "template"
    template.mkdir()
    if case != "first":
        three(template)
    if case == "replace":
        save(template, 4, keep=3)
        damage(template / "step-00000004" / "optimizer.safetensors", "flipped middle")
    before = 0 if case == "first" else 3
    for at in itertools.count():
        folder = fast_folder / str(at)
        shutil.copytree(template, folder)
        failed = False
        with failing_files(at, crash) as failing:
            try:
                save(folder, 4, best=case == "best")
            except (Crash, UserError):
                failed = True
        if not failing.fired:
            break
        if failed and not crash:
            assert temporaries(folder) == []
        if crash:
            failing.power_cut(folder)
        found = checkpoints.newest(folder)
        after = found.step if found else 0
        assert after in ((before, 4) if failed else (4,)), at
        if found:
            check(found.path, found.step)
        assert case == "first" or _best(folder) in ((1, 4) if case == "best" else (1,)), at
        checkpoints.clean_up(folder)
        save(folder, 4)
        assert newest_step(folder) == 4 and temporaries(folder) == []
        shutil.rmtree(folder)
    assert at > 20


def at(folder: Path, step: int) -> Path:
    return folder / checkpoints.folder_name(step)


def _best(folder: Path) -> int:
    found = checkpoints.best(folder)
    assert found is not None and not found.problems
    return found.step


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


OPERATIONS = st.tuples(
    st.sampled_from(("save", "save", "error", "crash", "damage", "delete")),
    st.integers(0, 60),  # where it fails, or what is damaged
    st.integers(1, 3),  # keep
    st.booleans(),  # best
)


@settings(max_examples=30, deadline=None)
@given(st.lists(OPERATIONS, max_size=10))
def test_one_whole_checkpoint_always_remains(operations: list[tuple[str, int, int, bool]]) -> None:
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as name:
        folder = Path(name)
        for kind, number, keep, best in [("save", 0, 1, True), *operations]:
            whole = [step for step in checkpoints.steps(folder) if not checkpoints.verify(at(folder, step))]
            pointed = _best(folder) if "best" in {p.name for p in folder.iterdir()} and whole else None
            spare = [step for step in whole if step != pointed]
            if kind in ("damage", "delete"):
                if len(whole) > 1 and spare:
                    path = at(folder, spare[number % len(spare)])
                    shutil.rmtree(path) if kind == "delete" else damage(
                        path / FILES[number % 4], "cut in half"
                    )
            else:
                step = newest_step(folder) + 1 if whole else 1
                with failing_files(10_000 if kind == "save" else number, kind == "crash") as failing:
                    try:
                        save(folder, step, keep, best)
                        assert not failing.fired or kind == "error"
                    except (UserError, Crash):
                        assert kind != "save"
                if kind == "crash":
                    failing.power_cut(folder)
                    checkpoints.clean_up(folder)
                assert newest_step(folder) in (step, step - 1)
                assert pointed is None or _best(folder) in ((pointed, step) if best else (pointed,))
            assert newest_step(folder) > 0


@unix
@pytest.mark.parametrize("kills", [10, pytest.param(50, marks=pytest.mark.slow)])
def test_killed_at_random_moments(tmp_path: Path, kills: int) -> None:
    """A saver that does nothing but save is killed again and again; what it called saved is there, whole."""
    dice = random.Random(kills)
    size = 60_000
    saved = 0
    for _ in range(kills):

        def work(say: Callable[[str], None], start: int = saved) -> None:
            say("begin")
            for step in itertools.count(start + 1):
                save(tmp_path, step, keep=1, best=step % 3 == 0, size=size)
                say(str(step))

        with Child(work) as child:
            child.wait_for_line()
            child.kill_within(0.1, dice)
            told = [int(line) for line in child.lines() if line != "begin"]
        acknowledged = max(told, default=saved)
        found = checkpoints.newest(tmp_path)
        assert found is not None or acknowledged == 0
        if found is not None:
            assert found.problems == () and acknowledged <= found.step <= acknowledged + 1
            check(found.path, found.step, size)
            best = checkpoints.best(tmp_path)
            assert best is not None and best.problems == ()
            saved = found.step
        checkpoints.clean_up(tmp_path)
        assert temporaries(tmp_path) == []
    assert saved > 0


@unix
def test_reading_while_another_process_saves_and_purges(tmp_path: Path) -> None:
    def work(say: Callable[[str], None]) -> None:
        for step in itertools.count(1):
            save(tmp_path, step, keep=1, best=True)
            say(str(step))

    last = 0
    with Child(work) as child:
        child.wait_for_line()
        for _ in range(300):
            for find in (checkpoints.newest, checkpoints.best):
                found = find(tmp_path)
                assert found is not None and found.problems == ()
                assert found.step >= last - 1
                last = max(last, found.step)
    assert last > 1
