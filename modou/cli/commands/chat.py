"""modou chat: a conversation with a run's model."""

from modou.cli import console
from modou.cli.asked import Asked
from modou.cli.commands.generate import session
from modou.cli.spec import CHECKPOINT, DEVICE, SAMPLING, TALK, Command, seed


def run(asked: Asked) -> int:
    settings = asked.settings().sampling
    from modou.cli.chat import Chat

    Chat(session(asked), settings).run()
    return console.DONE


COMMAND = Command(
    "chat",
    run,
    ("RUN",),
    (CHECKPOINT, DEVICE, seed("sampling.seed"), *TALK),
    ("sampling",),
    ("sampling.samples",),  # one answer to a turn
    SAMPLING,
)
