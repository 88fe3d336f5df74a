"""Advice on what would improve a pretraining run most, from its report."""

from typing import Any

from modou.messages import text

PAST_ITS_BEST = 0.9
"""A best checkpoint before this fraction of the steps is taken for overfitting."""


def advice(report: dict[str, Any]) -> list[str]:
    """Sentences in the current language, the most useful first."""
    found: list[str] = []
    characters = report["split"]["characters"]["train"]
    epochs = report["training"]["tokens"] / max(1, characters / report["tokenizer"]["train"]["characters_per_token"])
    gap = report.get("gap", {}).get("bits_per_char", 0.0)
    training = report["training"]
    gain = report.get("advantage", {}).get("kn5", {}).get("bits_per_char", 0.0)
    if characters < 100_000:
        found.append(text("pipeline.advice_text", characters=characters))
    if training["best_step"] is not None and training["best_step"] < PAST_ITS_BEST * training["steps"]:
        found.append(text("pipeline.advice_overfit", gap=gap, epochs=epochs))
    elif epochs < 6:
        minutes = training["seconds"] / 60
        found.append(text("pipeline.advice_minutes", epochs=epochs, minutes=max(1, round(minutes * 3))))
    if gain < 0 and not found:
        found.append(text("pipeline.advice_behind"))
    return found or [text("pipeline.advice_more")]
