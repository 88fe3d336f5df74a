"""Advice on what would improve a pretraining run most, from its report."""

from modou.messages import text
from modou.methods.text_report import TextReport

PAST_ITS_BEST = 0.9
"""A best checkpoint before this fraction of the steps is taken for overfitting."""


def advice(report: TextReport) -> list[str]:
    """Sentences in the current language, the most useful first."""
    found: list[str] = []
    training, characters = report.training, report.split.characters["train"]
    epochs = training.tokens / max(1, characters / (report.tokenizer.train.characters_per_token or 1))
    if report.split.known is not None:
        found.append(text("pipeline.advice_known", share=report.split.known))
    if characters < 100_000:
        found.append(text("pipeline.advice_text", characters=characters))
    if training.best_step < PAST_ITS_BEST * training.steps:
        found.append(text("pipeline.advice_overfit", gap=report.gap["bits_per_char"], epochs=epochs))
    elif epochs < 6:
        minutes = training.seconds / 60
        found.append(text("pipeline.advice_minutes", epochs=epochs, minutes=max(1, round(minutes * 3))))
    if report.advantage["kn5"].bits_per_char < 0 and not found:
        found.append(text("pipeline.advice_behind"))
    return found or [text("pipeline.advice_more")]
