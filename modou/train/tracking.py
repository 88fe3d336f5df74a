"""Experiment tracking with TensorBoard, Weights & Biases or SwanLab, in addition to metrics.jsonl.

A tracker's package is imported only if it is selected. Login, server and offline mode are configured as its own
documentation says (WANDB_MODE=offline, SWANLAB_MODE=local and so on).
"""

import secrets
import string
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from modou import storage
from modou.messages import UserError
from modou.settings.train import Tracker
from modou.train.events import Evaluated, Event, Sampled, Started, Stepped

PROJECT = "modou"
_MODULES = {"tensorboard": "torch.utils.tensorboard", "wandb": "wandb", "swanlab": "swanlab"}


class _Sink(Protocol):
    def numbers(self, values: dict[str, float], step: int) -> None: ...
    def texts(self, texts: Mapping[str, str], step: int) -> None: ...
    def close(self) -> None: ...


def require(tracker: Tracker) -> None:
    """UserError unless the tracker's package is installed."""
    if tracker != "none":
        _module(tracker)


def tracked(
    events: Iterator[Event], tracker: Tracker, folder: Path, name: str, settings: dict[str, Any]
) -> Iterator[Event]:
    """Logs training events to `tracker` and passes them on. folder: for its files and the run's id there, by which a
    resumed run is continued; settings: logged as the run's configuration."""
    if tracker == "none":
        yield from events
        return
    sink: _Sink | None = None
    try:
        for event in events:
            if isinstance(event, Started):
                sink = _open(tracker, folder, name, settings, event.step)
            elif sink is not None:
                _log(sink, event)
            yield event
    finally:
        if sink is not None:
            sink.close()


def _log(sink: _Sink, event: Event) -> None:
    if isinstance(event, Stepped):
        speed = {"tokens_per_second": event.tokens / event.step_seconds} if event.step_seconds else {}
        sink.numbers({f"train/{key}": value for key, value in (event.metrics | speed).items()}, event.step)
    elif isinstance(event, Evaluated):
        sink.numbers(dict(_flat(event.numbers)), event.step)
    elif isinstance(event, Sampled):
        sink.texts({f"sample/{n}": f"{s.prompt}{s.text}" for n, s in enumerate(event.samples, 1)}, event.step)


def _flat(numbers: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    for key, value in numbers.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}/")
        elif isinstance(value, int | float):
            yield f"{prefix}{key}", float(value)


def _module(tracker: Tracker) -> Any:
    try:
        return import_module(_MODULES[tracker])
    except ImportError:
        raise UserError("train.tracker_missing", tracker=tracker) from None


def _open(tracker: Tracker, folder: Path, name: str, settings: dict[str, Any], step: int) -> _Sink:
    folder.mkdir(parents=True, exist_ok=True)
    if tracker == "tensorboard":
        return _TensorBoard(folder, step)
    return (_Wandb if tracker == "wandb" else _SwanLab)(folder, name, settings)


def _identity(folder: Path) -> str:
    """The run's id at the tracker, the same at every resume. 21 lower-case letters and digits are valid for both."""
    path = folder / "id"
    if not path.exists():
        alphabet = string.ascii_lowercase + string.digits
        storage.write_text_atomically(path, "".join(secrets.choice(alphabet) for _ in range(21)))
    return path.read_text(encoding="utf-8")


class _TensorBoard:
    def __init__(self, folder: Path, step: int) -> None:
        # Steps logged after the last checkpoint are hidden, since they will be repeated.
        self.writer = _module("tensorboard").SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)

    def numbers(self, values: dict[str, float], step: int) -> None:
        for key, value in values.items():
            self.writer.add_scalar(key, value, step)

    def texts(self, texts: Mapping[str, str], step: int) -> None:
        for key, value in texts.items():
            self.writer.add_text(key, value, step)

    def close(self) -> None:
        self.writer.close()


class _Wandb:
    def __init__(self, folder: Path, name: str, settings: dict[str, Any]) -> None:
        self.wandb = _module("wandb")
        self.run = self.wandb.init(
            project=PROJECT, name=name, id=_identity(folder), resume="allow", dir=str(folder), config=settings
        )

    def numbers(self, values: dict[str, float], step: int) -> None:
        self.run.log(values, step=step)

    def texts(self, texts: Mapping[str, str], step: int) -> None:
        table = self.wandb.Table(columns=["sample", "text"], data=[list(item) for item in texts.items()])
        self.run.log({"samples": table}, step=step)

    def close(self) -> None:
        self.run.finish()


class _SwanLab:
    def __init__(self, folder: Path, name: str, settings: dict[str, Any]) -> None:
        self.swanlab = _module("swanlab")
        self.swanlab.init(
            project=PROJECT,
            experiment_name=name,
            id=_identity(folder),
            resume="allow",
            logdir=str(folder / "swanlab"),
            config=settings,
        )

    def numbers(self, values: dict[str, float], step: int) -> None:
        self.swanlab.log(values, step=step)

    def texts(self, texts: Mapping[str, str], step: int) -> None:
        self.swanlab.log({key: self.swanlab.Text(value) for key, value in texts.items()}, step=step)

    def close(self) -> None:
        self.swanlab.finish()
