"""`modou align TASK`: from a task's data to models that can be compared, in one command.

    poems         base -- sft --+-- ppo     judge: a reward model, taught on what sft writes beside real verse; it
                                |           begins as "reader", sft that went on reading
                                +-- dpo     the same pairs
                                +-- grpo    judge: the rules of verse
    storyteller   base -- sft ----- grpo    judge: the whole true answer

Every part is a run folder of its own below one folder, made by the same functions as the single commands. The same
command goes on where it stopped. The settings of each part stand in modou/recipes.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

from modou import storage
from modou.corpora.named import STORYTELLERS
from modou.errors import UserError
from modou.messages import text
from modou.pipeline import task
from modou.pipeline.compare import compare
from modou.pipeline.pairs import write_pairs
from modou.pipeline.runner import Request, run
from modou.runs.record import book_source, examples_source, judge_source, run_source
from modou.settings.base import merge, read_toml
from modou.settings.methods import METHODS as METHODS_OF_TRAINING
from modou.settings.methods import RewardRun, SftRun
from modou.settings.run import RunSettings, read_preset
from modou.settings.sampling import SamplingSettings
from modou.settings.train import Trained
from modou.tasks.judges import RULES
from modou.train.events import Event, Notice, RunEnded

T = TypeVar("T", bound=Trained)
MINUTES = 60.0
"""Of training steps, where nobody says how many; what the recipes are written for."""
QUESTIONS = 1000
"""Asked of every run at the end, at most."""
METHODS = {"poems": ("ppo", "dpo", "grpo"), **dict.fromkeys(STORYTELLERS, ("grpo",))}
"""What may follow SFT."""
Start = Callable[[], Iterator[Event]]


@dataclass(frozen=True)
class Part:
    """One part of the way. `made`: the file that shows that it is done; None: it knows by itself."""

    name: str
    start: Start
    made: Path | None = None


class Recipe:
    """The parts of a task below one folder."""

    def __init__(self, name: str, folder: Path, minutes: float, should_stop: Callable[[], bool]) -> None:
        self.name, self.folder, self.should_stop = name, folder, should_stop
        self.share = minutes / MINUTES
        self.data, self.judge = folder / "data", folder / "reward"
        self.train, self.pairs = self.data / "train.jsonl", self.data / "preferences.jsonl"
        self.practice = self.train if name == "poems" else self.data / "practice.jsonl"
        self.rule = "poem" if name == "poems" else "exact"
        self.tables = read_recipe("poems" if name == "poems" else "storyteller")
        tokens = self.settings("sft", SftRun).sampling.tokens
        self.open = SamplingSettings(temperature=1.0, top_p=1.0, tokens=tokens)

    def settings(self, part: str, root: type[T], below: dict[str, Any] | None = None) -> T:
        """A part's settings, over those `below`, its minutes scaled."""
        tables = merge(below or {}, self.tables.get(part, {}))
        return root.parse(merge(tables, {"train": {"minutes": self.share * tables["train"]["minutes"]}}))

    def parts(self, methods: tuple[str, ...]) -> list[Part]:
        """All of them in order."""
        base, learned = self.folder / "base", self.folder / "sft"
        book = str(self.data / "poems.jsonl") if self.name == "poems" else self.name
        preset = read_preset("tang-poems") if self.name == "poems" else {}
        shape, teaching = self.settings("base", RunSettings, preset), self.settings("sft", SftRun)
        return [
            Part("data", partial(task.write_task, self.name, self.data), self.data / "test.jsonl"),
            Part("base", partial(self._pretrain, book, shape, base)),
            Part("sft", partial(self._train, "sft", base, self.train, teaching, learned)),
            *(self._judging(learned) if self.name == "poems" else []),
            *(Part(method, self._method(method, learned)) for method in methods),
            self._comparison(["sft", "base", *methods]),
        ]

    def _pretrain(self, book: str, settings: RunSettings, out: Path) -> Iterator[Event]:
        return run(Request("pretrain", {"book": book_source(book)}, settings, out), self.should_stop)

    def _train(
        self, method: str, base: Path, data: Path, settings: Trained, out: Path, judge: str = ""
    ) -> Iterator[Event]:
        inputs = {"base": run_source(base), "data": examples_source(data)}
        if judge:
            inputs["judge"] = judge_source(judge, RULES)
        return run(Request(method, inputs, settings, out), self.should_stop)

    def _judging(self, learned: Path) -> list[Part]:
        writing = partial(write_pairs, learned, self.data / "judge.jsonl", self.pairs, "", self.open)
        reader = self.folder / "reader"
        reading = partial(self._train, "sft", learned, self.train, self.settings("reader", SftRun), reader)
        settings = self.settings("reward", RewardRun, {"reward": {"writer": str(learned)}})
        learning = partial(self._train, "reward", reader, self.pairs, settings, self.judge)
        return [Part("pairs", writing, self.pairs), Part("reader", reading), Part("reward", learning)]

    def _method(self, method: str, learned: Path) -> Start:
        data = {"dpo": self.pairs, "ppo": self.train}.get(method, self.practice)
        judge = {"dpo": "", "ppo": str(self.judge)}.get(method, self.rule)
        settings = self.settings(method, METHODS_OF_TRAINING[method].settings)
        return partial(self._train, method, learned, data, settings, self.folder / method, judge)

    def _comparison(self, names: list[str]) -> Part:
        runs, test = [self.folder / name for name in names], self.data / "test.jsonl"
        judges = [str(self.judge), self.rule] if self.name == "poems" else [self.rule]
        start = partial(compare, runs, test, judges, "", QUESTIONS, self.open, self.folder)
        made = self.folder / "compare.json"
        # A method that was added later is compared with the others, which are asked again.
        is_whole = made.exists() and set(names) <= set(storage.read_json(made)["runs"])
        return Part("compare", start, made if is_whole else None)


def align(
    name: str,
    folder: Path,
    minutes: float | None = None,
    methods: tuple[str, ...] = (),
    should_stop: Callable[[], bool] = lambda: False,
) -> Iterator[Event]:
    """All parts of a task; what is done is skipped. UserError: no such task or method, a part was begun otherwise."""
    if name not in METHODS:
        raise UserError("align.no_such_task", name=name, names=", ".join(METHODS))
    for method in methods:
        if method not in METHODS[name]:
            raise UserError("align.no_such_method", method=method, task=name, methods=", ".join(METHODS[name]))
    parts = Recipe(name, folder, minutes or MINUTES, should_stop).parts(methods or METHODS[name])
    for number, part in enumerate(parts, 1):
        yield Notice(text("align.part", number=number, of=len(parts), name=title(part.name)))
        if part.made is not None and part.made.exists():
            yield Notice(text("align.part_done", path=part.made))
            continue
        for event in part.start():
            yield event
            if isinstance(event, RunEnded) and not event.finished:
                return
        if should_stop():
            yield RunEnded(folder, False)
            return


def title(part: str) -> str:
    """What a part is called: a method as its group of options is."""
    return text(f"help.group_{part}") if part in METHODS_OF_TRAINING else text(f"align.part_{part}")


def read_recipe(name: str) -> dict[str, Any]:
    """The tables of a recipe that ships."""
    return read_toml(Path(str(files("modou.recipes").joinpath(f"{name}.toml"))))
