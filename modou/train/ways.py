"""The ways in which this machine can compute a training step, and the choice among them by timing real steps.

All compute the same step: precision of products, kernel of attention, compiled or not, and threads differ. The quickest
is chosen whose loss and gradient agree with float32's.
"""

import shutil
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, fields, replace
from types import MethodType
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor

from modou.messages import text
from modou.model.attention import Attend, Attention, attend, attend_by_products, attend_in_float32
from modou.model.device import choose_device
from modou.model.gpt import GPT, evaluation_mode
from modou.model.lora import make_gpt
from modou.model.products import PRECISIONS, Precision, autocast, cpu_products, has_bfloat16_products
from modou.settings.run import RunSettings
from modou.settings.train import Trained
from modou.train.environment import available_cores
from modou.train.malloc import keep_freed_memory
from modou.train.measure import matrix_rate, wait
from modou.train.optim import Muon, clip_gradients, make_optimizers
from modou.train.parallel import World, parallelize

T = TypeVar("T", bound=Trained)

GAIN = 1.05
"""A way must be this much faster than the one it replaces: less is within the noise of a shared machine."""
LOSS_TOLERANCE, GRADIENT_TOLERANCE = 0.002, 0.05
"""Largest differences from float32, relative to its loss and to the norm of its gradient. bfloat16 has 8 bits: factors
rounded to it differ by up to 0.4 %, and gradients of our models by 0.5 to 1.5 %."""
TRIAL_TOKENS = 1024
"""Tokens of a timed step, at most."""
WORTH_TIMING = 60.0
"""Seconds of training up to which nothing is timed, and float32 eager is taken."""
WORTH_COMPILING = 20 * 60.0
"""Seconds of training below which compiling, up to a minute at the start, is not tried."""
MOST_WEIGHTS_MB = 256
"""Attention weights that may be kept in memory, in MiB."""
HOPELESS = 1.5
"""A way is not timed further where its first step took this many times as long as the best."""


@dataclass(frozen=True)
class Way:
    """A way to compute a training step."""

    precision: Precision = "float32"
    """Of matrix products, and of Muon's iteration."""
    attention: Literal["sdpa", "products"] = "sdpa"
    """sdpa = torch's kernel (in float32 on a CPU); products = plain products that keep the attention weights."""
    compile: bool = False
    """Whether the model is compiled with torch.compile."""
    threads: int = 0
    """CPU threads; 0 = as they are."""

    @property
    def told(self) -> str:
        """Its options, as in settings.toml."""
        return ", ".join(f"{name} = {str(getattr(self, name)).lower()}" for name in PARTS)


PARTS = tuple(field.name for field in fields(Way))
"""The options of [train] that make a way."""
REFERENCE = Way()
"""float32, eager."""
USUAL_THREADS = torch.get_num_threads()
"""What torch takes by itself, before a run sets a number."""


@dataclass(frozen=True)
class TimedWay:
    """A way, and how it compares to float32 eager on this machine."""

    way: Way
    """The way."""
    ratio: float
    """Speed relative to float32 eager: the median over rounds in which both took turns."""
    loss_difference: float
    """|loss - that of the way it was timed beside| / that: float32 eager, or for compiled ways the quickest so far."""
    gradient_difference: float
    """The same of the gradient of all parameters together, by its norm."""

    @property
    def agrees(self) -> bool:
        """Whether loss and gradient are within the tolerances."""
        return self.loss_difference <= LOSS_TOLERANCE and self.gradient_difference <= GRADIENT_TOLERANCE


def way_of(settings: Trained) -> Way:
    """The way that the settings name; what is open in them is as in REFERENCE."""
    train = settings.train
    by_default = "bfloat16" if choose_device(train.device).type == "cuda" else "float32"
    return Way(
        by_default if train.precision == "auto" else train.precision,
        "products" if train.attention == "products" else "sdpa",
        bool(getattr(train, "compile", False)),
        train.threads,
    )


def usable(way: Way, device: torch.device) -> Way:
    """The way as far as this machine offers it: a CPU without bfloat16 products would emulate Muon's iteration a
    hundred times slower, and torch.compile needs a compiler."""
    if device.type == "cpu" and way.precision == "bfloat16" and not has_bfloat16_products():
        way = replace(way, precision="float32")
    return replace(way, compile=way.compile and can_compile(device))


def use_way(model: GPT, way: Way, device: torch.device) -> None:
    """Makes the model compute its training steps in this way. The precision of products is the context's."""
    if way.threads and way.threads != torch.get_num_threads():
        torch.set_num_threads(way.threads)
    chosen: Attend = attend
    if device.type == "cpu" and way.attention == "products":
        chosen = attend_by_products
    elif device.type == "cpu" and way.precision == "bfloat16":
        chosen = attend_in_float32
    if way.compile and chosen is not attend:  # both set the precision of products, which a compiled graph cannot
        kept: Any = torch.compiler.disable(chosen)
        chosen = kept
    for module in model.modules():
        if isinstance(module, Attention):
            module.attend = chosen
    model.training_hidden = torch.compile(model.hidden) if way.compile else MethodType(type(model).hidden, model)


def can_compile(device: torch.device) -> bool:
    """Whether torch.compile finds what it needs: on a CPU a C++ compiler."""
    return device.type != "cpu" or any(shutil.which(name) for name in ("c++", "g++", "clang++", "cl"))


class TrialStep:
    """Training steps of a new model on random tokens, in any way."""

    def __init__(self, settings: RunSettings, most_tokens: int | None = None) -> None:
        keep_freed_memory()
        self.device = choose_device(settings.train.device)
        self.clip = settings.optimizer.clip
        context = settings.model.context
        rows = settings.train.micro_batch or settings.train.batch
        rows = rows if most_tokens is None else max(1, min(rows, most_tokens // context))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.model = parallelize(make_gpt(settings.model, settings.lora), World(self.device))
            self.ids_BT = torch.randint(0, settings.model.vocabulary, (rows, context)).to(self.device)
        self.optimizers = make_optimizers(self.model, settings.optimizer)
        self.threads = torch.get_num_threads()
        self.way: Way | None = None

    def use(self, way: Way) -> None:
        """Changes to another way."""
        if way == self.way:
            return
        self.way, way = way, usable(way, self.device)
        use_way(self.model, replace(way, threads=way.threads or self.threads), self.device)
        for optimizer in self.optimizers:
            if isinstance(optimizer, Muon):
                optimizer.iteration = torch.bfloat16 if way.precision == "bfloat16" else None

    def gradient(self, way: Way) -> tuple[float, Tensor]:
        """Mean loss in nats and the gradient of all parameters, without dropout and without an update."""
        self.use(way)
        # Compiled code is of one mode: without dropout the mode of the steps will do.
        still = evaluation_mode(self.model) if self.model.settings.dropout else nullcontext()
        with still, self._products(way):
            loss = self._backward(way)
        gradients = [parameter.grad for parameter in self.model.parameters() if parameter.grad is not None]
        whole = torch.cat([gradient.flatten() for gradient in gradients])
        self.model.zero_grad()
        return loss, whole

    def __call__(self, way: Way) -> float:
        """One whole step: loss, gradients, clipping, update. Returns its seconds."""
        self.use(way)
        wait(self.device)
        began = time.perf_counter()
        with self._products(way):
            self._backward(way)
            clip_gradients(list(self.model.parameters()), self.clip)
            for optimizer in self.optimizers:
                optimizer.step()
                optimizer.zero_grad()
        wait(self.device)
        return time.perf_counter() - began

    def _products(self, way: Way) -> AbstractContextManager[None]:
        return cpu_products(way.precision if self.device.type == "cpu" else None)

    def _backward(self, way: Way) -> float:
        with autocast(self.device, way.precision):
            loss = self.model.loss(self.ids_BT, self.ids_BT.roll(-1, 1)) / self.ids_BT.numel()
        loss.backward()
        return loss.item()


def measure_pace(settings: RunSettings, seconds: float = 2.0) -> float:
    """Training tokens per second of the settings on this machine, from steps for about `seconds`."""
    trial, way = TrialStep(settings), way_of(settings)
    trial(way)  # the first step allocates memory and chooses kernels
    done, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds or done < 2:
        trial(way)
        done += 1
    return done * trial.ids_BT.numel() / (time.perf_counter() - began)


def time_ways(settings: RunSettings, ways: Sequence[Way], seconds: float = 2.0) -> list[TimedWay]:
    """Times real steps in these ways, in turns, for about `seconds`, and compares each with the first."""
    trial = TrialStep(settings, TRIAL_TOKENS)
    ways = list(dict.fromkeys(ways))
    off = differences(trial, ways)  # this also allocates memory, chooses kernels, compiles
    first = {way: trial(way) for way in ways}
    spent = {way: [first[way]] for way in ways}
    in_play = [way for way in ways if way == ways[0] or first[way] < HOPELESS * min(first.values())]
    began = time.perf_counter()
    while time.perf_counter() - began < seconds or len(spent[ways[0]]) < 3:
        for way in in_play:
            spent[way].append(trial(way))
    return [TimedWay(way, _ratio(spent[ways[0]], spent[way]), *off[way]) for way in ways]


def differences(trial: TrialStep, ways: Sequence[Way]) -> dict[Way, tuple[float, float]]:
    """How each way differs from the first: in the loss, and in the gradient, relative to the first's; see TimedWay."""
    expected_loss, expected = trial.gradient(ways[0])
    found: dict[Way, tuple[float, float]] = {}
    for way in ways:
        loss, gradient = trial.gradient(way)
        off = (gradient - expected).norm() / expected.norm()
        found[way] = abs(loss - expected_loss) / expected_loss, float(off)
    return found


def _ratio(reference: Sequence[float], own: Sequence[float]) -> float:
    """Median over the rounds that both took part in."""
    return statistics.median(slow / quick for slow, quick in zip(reference, own, strict=False))


def choose_way(settings: RunSettings, seconds: float) -> tuple[Way, list[TimedWay]]:
    """The way for a training of about `seconds`, and what was timed for it. Options that are set are kept.

    Without a gain of GAIN it stays what the settings name; so it does, untimed, for short trainings, off the CPU, and
    where nothing is left open.
    """
    chosen = way_of(settings)
    if choose_device(settings.train.device).type != "cpu" or seconds <= WORTH_TIMING:
        return chosen, []
    offered, further = _offered(settings, chosen), _further(settings, seconds)
    if offered == [chosen] and not further:
        return chosen, []
    threads = torch.get_num_threads()
    timed = time_ways(settings, [replace(REFERENCE, threads=chosen.threads), *offered])
    now = next(found for found in timed if found.way == chosen)
    agreeing = [found for found in timed if found.agrees and found.way in offered]
    best = max(agreeing, key=lambda found: found.ratio, default=now)
    if best.ratio >= GAIN * now.ratio:
        now = best
    for change in further:
        try:
            *_, found = time_ways(settings, [now.way, change(now.way)])
        except Exception:  # a compiler that is there and does not work; whatever it raises
            continue
        timed.append(replace(found, ratio=found.ratio * now.ratio))
        if found.agrees and found.ratio >= GAIN:
            now = timed[-1]
    torch.set_num_threads(now.way.threads or threads)
    return now.way, timed


def _further(settings: RunSettings, seconds: float) -> list[Callable[[Way], Way]]:
    """What may make the quickest way quicker: compiling it; half of the threads (a core's second one seldom helps)."""
    found: list[Callable[[Way], Way]] = []
    if seconds >= WORTH_COMPILING and not settings.is_set("train", "compile") and can_compile(torch.device("cpu")):
        found.append(lambda way: replace(way, compile=True))
    threads = torch.get_num_threads()
    if threads >= 4 and not settings.train.threads:
        found.append(lambda way: replace(way, threads=threads // 2))
    return found


def _offered(settings: RunSettings, named: Way) -> list[Way]:
    """What this machine offers, as far as the settings leave it open; `named`: what they name."""
    precisions: list[Precision] = [named.precision]
    if settings.train.precision == "auto" and has_bfloat16_products():
        precisions.append("bfloat16")
    kernels: list[Literal["sdpa", "products"]] = [named.attention]
    if settings.train.attention == "auto" and may_keep_weights(settings):
        kernels.append("products")
    return [replace(named, precision=precision, attention=kernel) for precision in precisions for kernel in kernels]


def may_keep_weights(settings: RunSettings) -> bool:
    """Whether attention by products is for this training: without masks, and weights that fit in MOST_WEIGHTS_MB."""
    shape, train = settings.model, settings.train
    rows = train.micro_batch or train.batch
    mib = 4 * rows * shape.layers * shape.heads * shape.context**2 / 2**20
    return not train.document_mask and mib <= MOST_WEIGHTS_MB


def settled(settings: T, way: Way) -> T:
    """The settings with this way; nothing in it is open any more."""
    values: dict[str, object] = {"precision": way.precision, "attention": way.attention}
    values["threads"] = way.threads or torch.get_num_threads()
    if hasattr(settings.train, "compile"):
        values["compile"] = way.compile
    return settings.with_values({"train": values})


def opened(settings: T) -> T:
    """The settings with everything open again that makes a way."""
    values = settings.model_dump(exclude_unset=True)
    values["train"] = {name: value for name, value in values.get("train", {}).items() if name not in PARTS}
    return type(settings).parse(values)


def shortcomings(settings: Trained) -> list[str]:
    """What of the way in the settings this machine lacks, or does no faster than float32, a sentence each."""
    way, device = way_of(settings), choose_device(settings.train.device)
    found: list[str] = []
    if device.type == "cpu" and way.precision == "bfloat16":
        if not has_bfloat16_products():
            found.append(text("train.no_bfloat16"))
        elif (ratio := _bfloat16_ratio(device)) < GAIN:
            found.append(text("train.slow_bfloat16", ratio=ratio))
    if way.compile and not can_compile(device):
        found.append(text("train.no_compiler"))
    if way.threads > available_cores():
        found.append(text("train.fewer_cores", threads=way.threads, cores=available_cores()))
    return found


def _bfloat16_ratio(device: torch.device) -> float:
    rates: list[float] = []
    for precision in PRECISIONS:
        with cpu_products(precision):
            rates.append(matrix_rate(device, seconds=0.1))
    return rates[1] / rates[0]
