"""Whatever goes wrong in a save, a reader finds the state before it or the state after it."""

import itertools
import random
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from checkpoint_helpers import (
    FILES,
    IN_MEMORY,
    at,
    best_step,
    check,
    damage,
    newest_step,
    save,
    temporaries,
    three,
)
from crash_helpers import Child, Crash, failing_files
from hypothesis import given, settings
from hypothesis import strategies as st

from modou.messages import UserError
from modou.runs import checkpoints

unix = pytest.mark.skipif(sys.platform == "win32", reason="needs fork and rlimits")


@pytest.fixture
def fast_folder() -> Iterator[Path]:
    """A folder in memory where there is one: some tests sync thousands of times."""
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as name:
        yield Path(name)


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
    for number in itertools.count():
        folder = fast_folder / str(number)
        shutil.copytree(template, folder)
        failed = False
        with failing_files(number, crash) as failing:
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
        assert after in ((before, 4) if failed else (4,)), number
        if found:
            check(found.path, found.step)
        assert case == "first" or best_step(folder) in ((1, 4) if case == "best" else (1,)), number
        damaged = [path.name for path in folder.glob("step-*") if checkpoints.verify(path)]
        assert damaged == [] or (case == "replace" and damaged == ["step-00000004"])  # no purge half done
        checkpoints.clean_up(folder)
        save(folder, 4)
        assert newest_step(folder) == 4 and temporaries(folder) == []
        shutil.rmtree(folder)
    assert number > 20


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
            token_credit = best_step(folder) if "best" in {p.name for p in folder.iterdir()} and whole else None
            spare = [step for step in whole if step != token_credit]
            if kind in ("damage", "delete"):
                if len(whole) > 1 and spare:
                    path = at(folder, spare[number % len(spare)])
                    shutil.rmtree(path) if kind == "delete" else damage(path / FILES[number % 4], "cut in half")
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
                assert token_credit is None or best_step(folder) in ((token_credit, step) if best else (token_credit,))
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


@pytest.mark.parametrize("find", [checkpoints.newest, checkpoints.best])
def test_all_purged_between_listing_and_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, find: Callable[[Path], checkpoints.Found | None]
) -> None:
    """The race of the next test at its worst moment: what was listed is gone, and something newer is there."""
    save(tmp_path, 1, keep=1, best=True)
    verify = checkpoints.verify
    pending = [2, 3]

    def save_first(path: Path, contents: bool = True) -> checkpoints.Problem | None:
        if pending:
            step = pending.pop(0)
            with monkeypatch.context() as quiet:
                quiet.setattr(checkpoints, "verify", verify)
                save(tmp_path, step, keep=1, best=True)
        return verify(path, contents)

    monkeypatch.setattr(checkpoints, "verify", save_first)
    found = find(tmp_path)
    assert found is not None and found.step == 3 and found.problems == ()


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
