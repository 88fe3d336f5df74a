"""What each command does: asks the pipeline, and hands its events to the console. Heavy imports stand inside."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modou.cli import console, training
from modou.cli.arguments import Asked
from modou.cli.streams import read_prompt
from modou.errors import UserError
from modou.messages import text

if TYPE_CHECKING:
    from modou.generate.engine import Piece
    from modou.generate.session import Session
    from modou.settings.sampling import SamplingSettings

DONE, MISTAKE = 0, 2


def corpus(asked: Asked) -> int:
    """modou corpus."""
    path = Path(asked.words["FILE"])
    given = {name: int(value) for name in ("size", "seed") if (value := asked.number(name)) is not None}
    if path.exists():
        raise UserError("cli.file_exists", path=path)
    from modou.pipeline import corpus as pipeline

    return console.shown(asked, pipeline.write_corpus(asked.words["NAME"], path, **given))


def doctor(asked: Asked) -> int:
    """modou doctor. Exit status 2: the run is damaged."""
    given = console.path(asked.words.get("RUN") or asked["out"])
    from modou.pipeline.doctor import diagnose

    found = diagnose(given)
    if asked.switched("json"):
        console.print_json(found)
    else:
        console.say_facts(found)
    return MISTAKE if given is not None and not found["run"]["whole"] else DONE


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
    return console.shown(
        asked, pipeline.write_task(asked.words["TASK"], folder, **({} if seed is None else {"seed": int(seed)}))
    )


def pairs(asked: Asked) -> int:
    """modou pairs."""
    run, file, out = (Path(asked.words[name]) for name in ("RUN", "DATA", "FILE"))
    settings = _open(asked)
    from modou.pipeline.pairs import write_pairs

    return console.shown(asked, write_pairs(run, file, out, asked["columns"] or "", settings))


def align(asked: Asked) -> int:
    """modou align."""
    name, minutes = asked.words["TASK"], asked.number("minutes")
    methods = tuple(part for part in (asked["methods"] or "").split(",") if part)
    from modou.pipeline.align import align as pipeline

    folder = console.path(asked["out"]) or Path("runs") / name
    return console.trained(asked, lambda stop: pipeline(name, folder, minutes, methods, stop))


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
    events = pipeline(runs, file, judges, asked["columns"] or "", count, settings, console.path(asked["out"]))
    outcome = console.watch(events, console.make_display(asked.switched("json")))
    if not asked.switched("json"):
        console.say_comparison(outcome.stages["evaluate"])
    return console.finished(asked, outcome)


COMMANDS: dict[str, Callable[[Asked], int]] = training.COMMANDS | {
    function.__name__: function
    for function in (doctor, corpus, generate, chat, task, data, pairs, compare, prefer, align)
}


def _open(asked: Asked) -> "SamplingSettings":
    """Sampling as the model believes, nothing cut off, but for what was asked otherwise."""
    settings = asked.settings().sampling
    usual = {"temperature": 1.0, "top_p": 1.0, "tokens": 96}
    return settings.changed(**{name: usual[name] for name in usual.keys() - settings.model_fields_set})


def _session(asked: Asked) -> "Session":
    """The model of RUN, as --checkpoint and --device say."""
    which, device = training.checkpoint(asked), asked["device"] or "auto"
    from modou.generate.session import Session

    return Session.load(asked.words["RUN"], which, device)


def _prompt(word: str) -> str:
    """The prompt itself, or what standard input holds."""
    return read_prompt() if word == "-" else word


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
