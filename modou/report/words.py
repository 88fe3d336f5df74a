"""Messages and number formats of the report in Chinese or English."""

from modou.messages import Language, catalogue, named
from modou.report.markup import Html, filled

DASH = "—"


class Words:
    """Messages of the report and number formats in one language; a missing number (None) is shown as a dash."""

    def __init__(self, language: Language) -> None:
        self.language: Language = language

    def __call__(self, key: str, **values: str) -> str:
        """The message `key` as text, filled in."""
        return catalogue("report")[key][self.language].format(**values)

    def rich(self, key: str, **values: str) -> Html:
        """The message `key` as markup; values that are Html stay markup."""
        return filled(catalogue("report")[key][self.language], **values)

    def named(self, prefix: str, name: str) -> str:
        """The message "prefix_name", or the name itself where the catalogue has none."""
        return named(f"report.{prefix}", name, self.language)

    def rule(self, name: str) -> str:
        """The name of a task's rule; the rule's identifier where the catalogue has none."""
        return named("tasks.rule", name, self.language)

    @property
    def gap(self) -> str:
        """The separator of two sentences."""
        return "" if self.language == "zh" else " "

    def decimal(self, value: float | None) -> str:
        """Two decimals, with a typographic minus."""
        return DASH if value is None else f"{value:z.2f}".replace("-", "−")

    def signed(self, value: float | None) -> str:
        """Two decimals with a sign, with a typographic minus."""
        return DASH if value is None else f"{value:+.2f}".replace("-", "−")

    def count(self, value: float | None) -> str:
        """A whole number with thousands separators."""
        return DASH if value is None else f"{round(value):,}"

    def share(self, value: float | None) -> str:
        """A fraction in per cent."""
        if value is None:
            return DASH
        percent = 100 * value
        return f"{percent:.2f}%" if 0 < percent < 0.1 else f"{percent:.1f}%"

    def plain(self, value: float | None) -> str:
        """Up to four significant digits, no exponent for usual sizes."""
        if value is None:
            return DASH
        return f"{value:,.0f}" if float(value).is_integer() else f"{value:.4g}"

    def size(self, value: float | None) -> str:
        """A large number with a unit: 887 万, 8.87M."""
        if value is None:
            return DASH
        units = ((1e8, " 亿"), (1e4, " 万")) if self.language == "zh" else ((1e9, "B"), (1e6, "M"), (1e3, "K"))
        for unit, name in units:
            if abs(value) >= unit:
                return f"{_three_digits(value / unit)}{name}"
        return self.plain(value)

    def kilobytes(self, bits: float) -> str:
        """Bits as kB (1,000 bytes)."""
        return f"{_three_digits(bits / 8000)}\N{NO-BREAK SPACE}kB"

    def duration(self, seconds: float | None) -> str:
        """Seconds as hours, minutes and seconds."""
        if seconds is None:
            return DASH
        if seconds < 1:
            return self("seconds", n=f"{seconds:.2f}")
        whole = round(seconds)
        hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
        parts = [("hours", hours), ("minutes", minutes), ("seconds", rest if hours == 0 else 0)]
        return " ".join(self(name, n=str(n)) for name, n in parts if n)


def _three_digits(value: float) -> str:
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f}"
