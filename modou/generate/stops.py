"""Stop strings: generation ends at one, and it is not shown; text that may be the start of one is withheld."""

from collections.abc import Sequence


class StopStrings:
    """Finds the first complete stop string in a stream of text (of two that end together, the longer).

    The result does not depend on how the text is divided into pieces.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = sorted(stops, key=len, reverse=True)
        self._starts = {stop[:size] for stop in stops for size in range(1, len(stop))}
        self._longest = max((len(stop) for stop in stops), default=1) - 1
        self._held = ""

    def push(self, text: str) -> tuple[str, bool]:
        """Adds text; returns what can be shown now, and whether a stop string is complete and ends the text."""
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
            keep = self._withheld()
            shown.append(self._held[: len(self._held) - keep])
            self._held = self._held[len(self._held) - keep :]
        return "".join(shown), False

    def rest(self) -> str:
        """The withheld text, at the end of generation."""
        held, self._held = self._held, ""
        return held

    def _withheld(self) -> int:
        """Length of the longest suffix that is the start of a stop string."""
        longest = min(len(self._held), self._longest)
        return next((size for size in range(longest, 0, -1) if self._held[-size:] in self._starts), 0)
