"""Stop strings: text is held back for as long as it may turn out to begin one, and a stop string is never shown."""

from collections.abc import Sequence


class StopStrings:
    """Watches one text for the first stop string to be complete (of two complete at once, the longer).

    What is released does not depend on how the text was cut into pieces.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = sorted(stops, key=len, reverse=True)
        self._starts = {stop[:size] for stop in stops for size in range(1, len(stop))}
        self._longest = max((len(stop) for stop in stops), default=1) - 1
        self._held = ""

    def push(self, text: str) -> tuple[str, bool]:
        """More text: (what may be shown now, whether a stop string is complete and the text ends here)."""
        if not self._stops:
            return text, False
        shown: list[str] = []
        for character in text:
            self._held += character
            for stop in self._stops:
                if self._held.endswith(stop):
                    shown.append(self._held.removesuffix(stop))
                    self._held = ""
                    return "".join(shown), True
            keep = self._may_begin_a_stop()
            shown.append(self._held[: len(self._held) - keep])
            self._held = self._held[len(self._held) - keep :]
        return "".join(shown), False

    def rest(self) -> str:
        """The text is over: what was held back."""
        held, self._held = self._held, ""
        return held

    def _may_begin_a_stop(self) -> int:
        """How many of the last characters are the longest start of a stop string."""
        longest = min(len(self._held), self._longest)
        return next((size for size in range(longest, 0, -1) if self._held[-size:] in self._starts), 0)
