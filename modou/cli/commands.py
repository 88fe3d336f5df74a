"""What each command does: asks the pipeline, and hands its events to the console. Heavy imports stand inside."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modou.cli import console
from modou.cli.arguments import Asked, usage
from modou.cli.signals import StopSignals
from modou.errors import UserError
from modou.messages import text

if TYPE_CHECKING:
    from modou.generate.engine import Piece
    from modou.generate.session import Session
    from modou.pipeline.events import Event
    from modou.settings.sampling import SamplingSettings

DONE, INTERRUPTED = 0, 130


def run(asked: Asked) -> int:
    """modou run."""
    book, out = asked.words.get("BOOK"), _path(asked["out"])
    settings, minutes = asked.settings(), asked.number("minutes")
    if book is None and out is None:
        raise UserError("cli.no_book")
    from modou.pipeline import run as pipeline
    from modou.pipeline.frozen import Frozen
    from modou.runs.folder import RunFolder

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

    return _shown(asked, pipeline.write_corpus(asked.words["NAME"], path, **given))


def doctor(asked: Asked) -> int:
    """modou doctor."""
    given = asked.words.get("RUN") or asked["out"]
    if given is not None:
        from modou.runs.folder import RunFolder

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
    settings, session = asked.settings().sampling, _session(asked)
    prompt = _prompt(asked.words.get("PROMPT", ""))
    from modou.generate.engine import Notice

    notices: list[str] = []
    pieces: list[Piece] = []
    shown = prompt if session.template is None else ""  # an answer stands by itself
    pages = None if asked.switched("json") else console.Pages(shown, settings.samples)
    for event in session.write(prompt, settings):
        if isinstance(event, Notice):
            notices.append(str(event))
            console.remark(str(event))
            continue
        if pages is not None:
            if not pieces:
                pages.begin()
            pages.push(event.sample, event.text, event.finish is not None)
        pieces.append(event)
    if pages is None:
        written = _written(pieces, settings)
        console.print_json({"step": session.step, "prompt": prompt, "notices": notices, "samples": written})
    return DONE


def chat(asked: Asked) -> int:
    """modou chat."""
    settings = asked.settings().sampling
    if settings.samples != 1:
        raise UserError("chat.one_answer")
    from modou.cli.chat import Chat

    Chat(_session(asked), settings).run()
    return DONE


def task(asked: Asked) -> int:
    """modou task."""
    seed = asked.number("seed")
    from modou.pipeline import task as pipeline

    folder = Path(asked.words["DIR"])
    return _shown(
        asked, pipeline.write_task(asked.words["TASK"], folder, **({} if seed is None else {"seed": int(seed)}))
    )


def pairs(asked: Asked) -> int:
    """modou pairs."""
    run, file, out = (Path(asked.words[name]) for name in ("RUN", "DATA", "FILE"))
    settings = _open(asked)
    from modou.pipeline.pairs import write_pairs

    return _shown(asked, write_pairs(run, file, out, asked["columns"] or "", settings))


def align(asked: Asked) -> int:
    """modou align."""
    name, minutes = asked.words["TASK"], asked.number("minutes")
    methods = tuple(part for part in (asked["methods"] or "").split(",") if part)
    from modou.pipeline.align.recipe import align as pipeline

    folder = _path(asked["out"]) or Path("runs") / name
    return _trained(asked, lambda stop: pipeline(name, folder, minutes, methods, stop))


def data(asked: Asked) -> int:
    """modou data check."""
    action, file, given = asked.words["ACTION"], Path(asked.words["DATA"]), asked.words.get("RUN")
    if action != "check":
        raise UserError("cli.unknown_action", action=action[:60], usage="modou data check DATA [RUN]")
    from modou.pipeline.check import check

    found = check(file, asked["columns"] or "", Path(given) if given is not None else None)
    if asked.switched("json"):
        console.print_json(found.to_json())
    else:
        console.say_examples(found)
    return DONE


def sft(asked: Asked) -> int:
    """modou sft."""
    from modou.settings.align import SftRun

    base, file, settings = Path(asked.words["RUN"]), Path(asked.words["DATA"]), asked.settings_of(SftRun)
    from modou.pipeline.align.sft import sft as pipeline

    out, columns = _path(asked["out"]), asked["columns"] or ""
    return _trained(asked, lambda stop: pipeline(base, file, settings, out, columns, stop))


def prefer(asked: Asked) -> int:
    """modou prefer."""
    run, file, out = (Path(asked.words[name]) for name in ("RUN", "DATA", "FILE"))
    settings = asked.settings().sampling
    if not settings.model_fields_set & {"temperature"}:
        settings = settings.changed(temperature=1.0)  # two answers should differ
    from modou.pipeline import prefer as pipeline

    kept = 0
    for offer in pipeline.offers(run, file, out, asked["columns"] or "", settings):
        console.say_offer(offer)
        key = console.read_key("12sq")
        if key == "q":
            break
        if key in "12":
            pipeline.keep(out, offer, key == "1", run)
            kept += 1
    console.say(text("console.preferred", count=kept, path=out))
    return DONE


def compare(asked: Asked) -> int:
    """modou compare."""
    file, runs = Path(asked.words["DATA"]), [Path(word) for word in asked.rest]
    count = max(1, int(asked.number("count") or 500))
    settings = _open(asked)
    from modou.pipeline.compare import compare as pipeline

    judges = [part for part in (asked["judge"] or "").split(",") if part]
    events = pipeline(runs, file, judges, asked["columns"] or "", count, settings, _path(asked["out"]))
    outcome = console.watch(events, console.make_display(asked.switched("json")))
    if not asked.switched("json"):
        console.say_comparison(outcome.stages["evaluate"])
    return _finished(asked, outcome)


def reward(asked: Asked) -> int:
    """modou reward."""
    from modou.settings.align import RewardRun

    base, file, settings = Path(asked.words["RUN"]), Path(asked.words["DATA"]), asked.settings_of(RewardRun)
    from modou.pipeline.align.preferences import reward as pipeline

    out, columns = _path(asked["out"]), asked["columns"] or ""
    return _trained(asked, lambda stop: pipeline(base, file, settings, out, columns, stop))


def dpo(asked: Asked) -> int:
    """modou dpo."""
    from modou.settings.align import DpoRun

    base, file, settings = Path(asked.words["RUN"]), Path(asked.words["DATA"]), asked.settings_of(DpoRun)
    from modou.pipeline.align.preferences import dpo as pipeline

    out, columns = _path(asked["out"]), asked["columns"] or ""
    return _trained(asked, lambda stop: pipeline(base, file, settings, out, columns, stop))


def ppo(asked: Asked) -> int:
    """modou ppo."""
    from modou.settings.align import PpoRun

    base, file, settings = Path(asked.words["RUN"]), Path(asked.words["DATA"]), asked.settings_of(PpoRun)
    judge, out, columns = _judge(asked), _path(asked["out"]), asked["columns"] or ""
    from modou.pipeline.align.reinforcement import ppo as pipeline

    return _trained(asked, lambda stop: pipeline(base, file, settings, judge, out, columns, stop))


def grpo(asked: Asked) -> int:
    """modou grpo."""
    from modou.settings.align import GrpoRun

    base, file, settings = Path(asked.words["RUN"]), Path(asked.words["DATA"]), asked.settings_of(GrpoRun)
    judge, out, columns = _judge(asked), _path(asked["out"]), asked["columns"] or ""
    from modou.pipeline.align.reinforcement import grpo as pipeline

    return _trained(asked, lambda stop: pipeline(base, file, settings, judge, out, columns, stop))


COMMANDS: dict[str, Callable[[Asked], int]] = {
    function.__name__: function
    for function in (
        *(run, plan, doctor, corpus, clean, tokenizer, pretrain, evaluate, report, generate, chat),
        *(task, data, pairs, sft, reward, dpo, ppo, grpo, compare, prefer, align),
    )
}


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


def _judge(asked: Asked) -> str:
    judge = asked["judge"]
    if judge is None:
        raise UserError("cli.no_judge", usage=usage(asked.command))
    return judge


def _open(asked: Asked) -> "SamplingSettings":
    """Sampling as the model believes, nothing cut off, but for what was asked otherwise."""
    settings = asked.settings().sampling
    usual = {"temperature": 1.0, "top_p": 1.0, "tokens": 96}
    return settings.changed(**{name: usual[name] for name in usual.keys() - settings.model_fields_set})


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


def _session(asked: Asked) -> "Session":
    """The model of RUN, as --checkpoint and --device say."""
    which, device = _checkpoint(asked), asked["device"] or "auto"
    from modou.generate.session import Session

    return Session.load(asked.words["RUN"], which, device)


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
