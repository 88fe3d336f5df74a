"""Detects a leap of the loss: training that has diverged, or a batch unlike all others."""

_TIMES, _NATS = 3.0, 3.0
_SMOOTHING = 0.9
"""Decay of the moving average that a loss is compared with: about the last ten steps."""


class Leap:
    """Compares each loss with the moving average of those before it, and tells the first leap only."""

    def __init__(self) -> None:
        self._mean: float | None = None
        self._told = False

    def take(self, loss: float) -> float | None:
        """The average so far where `loss` is above three times it, and above it by 3; else None."""
        before = self._mean
        if before is not None and loss > max(_TIMES * before, before + _NATS):  # the average stays as it was
            first, self._told = not self._told, True
            return before if first else None
        self._mean = loss if before is None else _SMOOTHING * before + (1 - _SMOOTHING) * loss
        return None
