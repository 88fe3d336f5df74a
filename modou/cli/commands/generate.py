"""modou generate: continues a text with a run's model."""

from typing import TYPE_CHECKING, Any

from modou.cli import console
from modou.cli.asked import Asked
from modou.cli.spec import CHECKPOINT, COMMON, DEVICE, SAMPLING, Command, seed
from modou.cli.streams import read_prompt
from modou.cli.training import checkpoint
from modou.messages import tell, text

if TYPE_CHECKING:
    from modou.generate.engine import Piece
    from modou.generate.session import Session
    from modou.settings.sampling import SamplingSettings


def run(asked: Asked) -> int:
    settings, writer = _distinct(asked.settings().sampling), session(asked)
    prompt = _prompt(asked.words.get("PROMPT", ""))
    from modou.generate.engine import GenerationNotice

    notices: list[str] = []
    pieces: list[Piece] = []
    shown = prompt if writer.template is None else ""  # an answer stands by itself
    pages = None if asked.switched("json") else console.Pages(shown, settings.samples)
    for event in writer.write(prompt, settings):
        if isinstance(event, GenerationNotice):
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
        console.print_json({"step": writer.step, "prompt": prompt, "notices": notices, "samples": written})
    return console.DONE


def _distinct(settings: "SamplingSettings") -> "SamplingSettings":
    """The settings with one sample where all would be the same."""
    if settings.temperature or settings.samples == 1:
        return settings
    tell(text("generate.all_alike"))
    return settings.changed(samples=1)


def session(asked: Asked) -> "Session":
    """The model of RUN at --checkpoint on --device."""
    which, device = checkpoint(asked), asked["device"] or ""
    from modou.generate.session import Session

    return Session.load(asked.words["RUN"], which, device)


def _prompt(word: str) -> str:
    """The prompt itself, or what standard input holds."""
    return read_prompt() if word == "-" else word


def _written(pieces: "list[Piece]", settings: "SamplingSettings") -> list[dict[str, Any]]:
    """The samples: text, reason of its end, number of tokens, log-probability."""
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


COMMAND = Command(
    "generate",
    run,
    ("RUN", "[PROMPT]"),
    (CHECKPOINT, DEVICE, seed("sampling.seed"), *COMMON),
    ("sampling",),
    aliases={**SAMPLING, "--samples": "sampling.samples"},
)
