"""Entry point: runs a command, and turns every exception into a message and an exit status.

0 success · 1 internal error (traceback, and where to report it) · 2 user error (one line with the remedy) ·
130 interrupted. Nothing heavy is imported before a command needs it.
"""

import contextlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import modou
from modou.cli import console, streams
from modou.cli.console import DONE, INTERNAL, INTERRUPTED, MISTAKE
from modou.messages import UserError, text


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Runs the command line and exits with its status."""
    sys.exit(status_of(list(sys.argv[1:] if argv is None else argv)))


def status_of(argv: list[str]) -> int:
    """Runs a command line and returns the exit status. Catches every exception."""
    streams.prepare()
    with streams.noticing():
        return _status(argv)


def _status(argv: list[str]) -> int:
    try:
        status = dispatch(argv)
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        if argv[:1] and goes_on(argv[0]):
            console.remark(text("console.interrupted"))
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of the output has exited (`| head`); Python would raise again when it flushes at exit.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except (UserError, OSError, MemoryError, RuntimeError) as error:
        message = mistake(error)
        if message is None:
            console.fail_internally()
            return INTERNAL
        console.fail(message)
        return MISTAKE
    except Exception:
        console.fail_internally()
        return INTERNAL


def goes_on(command: str) -> bool:
    """Whether an interrupted command can be resumed."""
    from modou.cli.table import COMMANDS

    return command in COMMANDS and COMMANDS[command].goes_on


def mistake(error: Exception) -> str | None:
    """The message of a user error; None for an internal error."""
    if isinstance(error, UserError):
        return str(error)
    # torch's own error is known by its name, so that torch need not be imported; on a CPU it has none.
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError" or "allocate memory" in str(error):
        return text("cli.out_of_memory")
    return text("cli.system", reason=error) if isinstance(error, OSError) else None


def dispatch(argv: list[str]) -> int:
    """Help, version, or a command."""
    choose_language(argv)
    if not argv or argv[0] in ("--help", "-h", "help") or argv == ["--lang", *argv[1:2]]:
        return show_help(argv[1:2] if argv[:1] == ["help"] else [])
    if argv[0] in ("--version", "-V"):
        console.say(f"modou {modou.__version__}")
        return DONE
    if argv[0] == "--lang" or argv[0].startswith("--lang="):  # before the command, too
        return dispatch(argv[2 if argv[0] == "--lang" else 1 :])
    from modou.cli import arguments

    command, words = argv[0], argv[1:]
    if command not in arguments.COMMANDS:
        raise unknown_command(command)
    asked = arguments.parse(command, words)
    if asked.switched("help") or asked.switched("help-all"):
        return show_help([command], asked.switched("help-all"))
    return asked.spec.run(asked)


def choose_language(argv: list[str]) -> None:
    """Applies --lang before any message. UserError: an unknown language."""
    for place, word in enumerate(argv):
        if word == "--":
            return
        name, equals, value = word.partition("=")
        if name == "--lang" and (equals or place + 1 < len(argv)):
            chosen = value if equals else argv[place + 1]
            if chosen not in ("zh", "en"):
                raise UserError("cli.bad_language", language=chosen[:60])
            os.environ["MODOU_LANG"] = chosen


def show_help(words: list[str], whole: bool = False) -> int:
    """The overview, or a command's page; `whole`: with every option."""
    from modou.cli import help as console_help

    if words and words[0] not in console_help.commands():
        raise unknown_command(words[0])
    cells = console.page_width()
    console.say(console_help.command_page(words[0], cells, whole) if words else console_help.overview(cells))
    return DONE


def unknown_command(command: str) -> UserError:
    """The error for an unknown command."""
    from modou.cli import arguments

    guess = arguments.nearest(command, list(arguments.COMMANDS))
    if guess:
        return UserError("cli.unknown_command_near", command=command[:60], nearest=guess)
    return UserError("cli.unknown_command", command=command[:60], commands=", ".join(arguments.COMMANDS))
