"""What each command does: asks the pipeline, and hands its events to the console. Heavy imports stand inside."""

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modou import console
from modou.arguments import Asked, usage
from modou.errors import UserError
from modou.messages import text
from modou.signals import StopSignals

if TYPE_CHECKING:
    from modou.console_words import Event
    from modou.generate.engine import Piece
    from modou.settings.sampling import SamplingSettings

DONE, INTERRUPTED = 0, 130
_QUESTION_END = re.compile(r"[？?][”’」』\"')\]]*$|[吗呢]$")
_QUESTION_BEGIN = re.compile(
    r"(谁|什么|为什么|为何|怎么|怎样|如何|哪|几时|多少|请问|是否)"
    r"|(what|who|whom|whose|why|how|where|when|which|(can|could|would|do|did|are) you)\b",
    re.IGNORECASE,
)


def run(asked: Asked) -> int:
    """modou run."""
    book, out = asked.words.get("BOOK"), _path(asked["out"])
    settings, minutes = asked.settings(), asked.number("minutes")
    if book is None and out is None:
        raise UserError("cli.no_book")
    from modou.pipeline import run as pipeline
    from modou.pipeline.frozen import Frozen
    from modou.runs import RunFolder

    source = book if book is not None else Frozen.read(RunFolder(out or Path())).source
    extend = asked.switched("extend")
    return _trained(asked, lambda stop: pipeline.run(source, settings, out, minutes, extend, stop))


def pretrain(asked: Asked) -> int:
    """modou pretrain."""
    folder, settings, minutes = _run_folder(asked), asked.settings(), asked.number("minutes")
    from modou.pipeline import commands

    return _trained(asked, lambda stop: commands.pretrain(folder, settings, minutes, stop))


def plan(asked: Asked) -> int:
    """modou plan."""
    book, settings, minutes = asked.words["BOOK"], asked.settings(), asked.number("minutes")
    from modou.pipeline import commands

    return _shown(asked, commands.plan(book, settings, minutes, _path(asked["out"])))


def clean(asked: Asked) -> int:
    """modou clean."""
    book, settings = asked.words["BOOK"], asked.settings()
    from modou.pipeline import commands

    return _shown(asked, commands.clean(book, settings, _path(asked["out"])))


def tokenizer(asked: Asked) -> int:
    """modou tokenizer."""
    folder, settings = _run_folder(asked), asked.settings()
    from modou.pipeline import commands

    return _shown(asked, commands.tokenizer(folder, settings))


def evaluate(asked: Asked) -> int:
    """modou evaluate."""
    folder, settings, which = _run_folder(asked), asked.settings(), _checkpoint(asked)
    from modou.pipeline import commands

    return _shown(asked, commands.evaluate(folder, settings, which))


def report(asked: Asked) -> int:
    """modou report."""
    folder = _run_folder(asked)
    from modou.pipeline import commands

    return _shown(asked, commands.report(folder))


def corpus(asked: Asked) -> int:
    """modou corpus."""
    path = Path(asked.words["FILE"])
    given = {name: int(value) for name in ("size", "seed") if (value := asked.number(name)) is not None}
    if path.exists():
        raise UserError("cli.file_exists", path=path)
    from modou.pipeline import corpus as pipeline

    return _shown(asked, pipeline.write(asked.words["NAME"], path, **given))


def doctor(asked: Asked) -> int:
    """modou doctor."""
    given = asked.words.get("RUN") or asked["out"]
    if given is not None:
        from modou.runs import RunFolder

        RunFolder(Path(given)).require()
    from modou.pipeline.doctor import diagnose

    found = diagnose(_path(given))
    if asked.switched("json"):
        console.print_json(found)
    else:
        console.say_facts(found)
    return DONE


def generate(asked: Asked) -> int:
    """modou generate."""
    settings, which = asked.settings().sampling, _checkpoint(asked)
    device = asked["device"] or "auto"
    if device not in ("auto", "cpu", "cuda", "mps"):
        raise UserError("settings.not_a_choice", option="--device", value=device[:60], wanted="auto, cpu, cuda, mps")
    prompt = _prompt(asked.words.get("PROMPT", ""))
    from modou.generate import engine
    from modou.runs import RunFolder, load_model
    from modou.train.parallel import choose_device

    model, own_tokenizer, step = load_model(RunFolder(Path(asked.words["RUN"])), which)
    model.to(choose_device(device))
    notices = [text("console.base_model")] if is_question(prompt) else []
    pieces: list[Piece] = []
    pages = None if asked.switched("json") else console.Pages(prompt, settings.samples)
    for line in notices:
        console.remark(line)
    begun = False
    for event in engine.generate(model, own_tokenizer, [prompt], settings):
        if isinstance(event, engine.Notice):
            notices.append(str(event))
            console.remark(str(event))
            continue
        pieces.append(event)
        if pages is not None:
            if not begun:
                pages.begin()
                begun = True
            pages.push(event.sample, event.text, event.finish is not None)
    if pages is None:
        written = _written(pieces, settings)
        console.print_json({"step": step, "prompt": prompt, "notices": notices, "samples": written})
    return DONE


COMMANDS: dict[str, Callable[[Asked], int]] = {
    function.__name__: function
    for function in (run, plan, doctor, corpus, clean, tokenizer, pretrain, evaluate, report, generate)
}


def is_question(prompt: str) -> bool:
    """Whether a prompt reads as a question, which a model that only continues text will not answer."""
    line = prompt.strip()
    return bool(_QUESTION_END.search(line) or _QUESTION_BEGIN.match(line))


def _trained(asked: Asked, start: Callable[[Callable[[], bool]], "Iterator[Event]"]) -> int:
    """Shows a command that trains; the first signal stops it with all saved."""
    display = console.make_display(asked.switched("json"))
    with StopSignals(display.stopping) as signals:
        outcome = console.watch(start(signals.requested), display, signals.requested)
    return _finished(asked, outcome)


def _shown(asked: Asked, events: "Iterator[Event]") -> int:
    return _finished(asked, console.watch(events, console.make_display(asked.switched("json"))))


def _finished(asked: Asked, outcome: console.Outcome) -> int:
    if asked.switched("json") and console.is_first_process():
        console.print_json(outcome.to_json())
    if outcome.interrupted:
        if console.is_first_process():
            console.remark(text("console.interrupted"))
        return INTERRUPTED
    return DONE


def _path(value: str | None) -> Path | None:
    return Path(value) if value is not None else None


def _run_folder(asked: Asked) -> Path:
    """RUN or --out. UserError: neither, or two that differ."""
    word, out = asked.words.get("RUN"), asked["out"]
    if word is None and out is None:
        raise UserError("cli.no_run", usage=usage(asked.command))
    if word is not None and out is not None and Path(word) != Path(out):
        raise UserError("cli.two_runs", first=word, second=out)
    return Path(word if word is not None else out or "")


def _checkpoint(asked: Asked) -> str | int:
    which = asked["checkpoint"] or "best"
    if which in ("best", "latest"):
        return which
    if which.isascii() and which.isdecimal() and len(which) < 16:
        return int(which)
    raise UserError("cli.bad_checkpoint", which=which[:60])


def _prompt(word: str) -> str:
    """The prompt itself, or what standard input holds."""
    if word != "-":
        return word
    return sys.stdin.buffer.read().decode("utf-8-sig", errors="replace").removesuffix("\n").removesuffix("\r")


def _written(pieces: "list[Piece]", settings: "SamplingSettings") -> list[dict[str, Any]]:
    """The samples whole: text, why it ended, tokens, and the mean log-probability of one."""
    found: list[dict[str, Any]] = []
    for sample in range(settings.samples):
        own = [piece for piece in pieces if piece.sample == sample]
        found.append(
            {
                "text": "".join(piece.text for piece in own),
                "finish": own[-1].finish if own else None,
                "tokens": len(own),
                "log_probability": sum(piece.log_probability for piece in own),
            }
        )
    return found
