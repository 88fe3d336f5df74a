"""Learning rate over a run: linear up, level, linear down (warm-up, constant, warm-down)."""

from modou.settings.train import ScheduleSettings


def learning_rate_share(step: int, steps: int, settings: ScheduleSettings) -> float:
    """Share of the peak rate at update `step` (0-based) of `steps`, in [0, 1]."""
    warm = round(settings.warmup * steps)
    cool = settings.cooldown * steps
    rising = (step + 1) / warm if step < warm else 1.0
    falling = (steps - step) / cool if steps - step < cool else 1.0
    return rising * (settings.floor + (1 - settings.floor) * falling)
