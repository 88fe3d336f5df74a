"""Grammaticality and consistency of texts by a model trained on a storyteller book.

    python benchmarks/storyteller.py RUN [--contexts 40] [--temperature 1.0] [--top-p 1.0] [--json FILE]

RUN is a run folder of `modou run storyteller` (or storyteller-en). Over texts of one training context each, by the
model, by a KN-5 sampler and by the generator (test chapters): share of complete sentences that the grammar parses, and
share of checkable statements that contradict an earlier one."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common import parser, print_table, write_json
from contradictions import contradictions

from modou.corpora.storyteller.language import LanguageName
from modou.evaluate.ngram import KneserNey
from modou.generate.engine import complete
from modou.messages import UserError
from modou.runs.folder import RunFolder
from modou.runs.weights import load_model
from modou.settings.sampling import SamplingSettings
from modou.text.corpus import Corpus


def whole_sentences(text: str) -> str:
    """The text without its last line, which may be truncated."""
    return text.rsplit("\n", 1)[0] if "\n" in text else ""


def tally(texts: Sequence[str], language: LanguageName) -> dict[str, Any]:
    """Counts over all texts, each a separate context."""
    counts = [contradictions(whole_sentences(text), language) for text in texts]
    sentences, parsed = sum(c.sentences for c in counts), sum(c.parsed for c in counts)
    checked, violations = sum(c.checked for c in counts), sum(c.violations for c in counts)
    return {
        "sentences": sentences,
        "parsed": {"share": parsed / max(1, sentences)},
        "contradictions": {"checked": checked, "count": violations, "share": violations / max(1, checked)},
    }


def measure(folder: RunFolder, contexts: int, sampling: SamplingSettings) -> dict[str, Any]:
    """The figures of the model, KN-5 and the generator. UserError: no trained run."""
    model, tokenizer, step = load_model(folder)
    corpus = Corpus(folder.corpus)
    name = str(corpus.summary.name)
    language: LanguageName = "en" if name.endswith("-en") else "zh"
    tokens = model.settings.context
    sampling = sampling.changed(tokens=tokens, samples=contexts)
    written = [made.text for made in complete(model, tokenizer, [""], sampling)]
    characters = max(100, sum(map(len, written)) // len(written))
    train = list(corpus.texts("train"))
    kneser_ney = KneserNey.fit(train, 5)
    return {
        "run": {"name": folder.path.name, "corpus": name, "step": step},
        "sampling": {
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "tokens": tokens,
            "contexts": contexts,
        },
        "model": tally(written, language),
        "kn5": tally([kneser_ney.sample(characters, sampling.seed + i) for i in range(contexts)], language),
        "world": tally([text[:characters] for text in corpus.texts("test")], language),
    }


def main() -> None:
    """Command line."""
    options = parser(__doc__)
    options.add_argument("run", type=Path, metavar="RUN", help="run folder")
    options.add_argument("--contexts", type=int, default=40, help="texts to write")
    options.add_argument("--temperature", type=float, default=1.0, help="of the model's sampling")
    options.add_argument("--top-p", type=float, default=1.0, help="of the model's sampling")
    options.add_argument("--seed", type=int, default=1, help="of all sampling")
    asked = options.parse_args()
    try:
        sampling = SamplingSettings(temperature=asked.temperature, top_p=asked.top_p, seed=asked.seed)
        found = measure(RunFolder(asked.run), asked.contexts, sampling)
    except UserError as error:
        raise SystemExit(str(error)) from None
    rows = [
        [who, found[who]["sentences"], found[who]["parsed"]["share"]]
        + [found[who]["contradictions"][key] for key in ("checked", "count", "share")]
        for who in ("model", "kn5", "world")
    ]
    print_table(["text of", "sentences", "parsed", "checked", "contradictions", "share"], rows)
    write_json(asked.json, {"storyteller": found})


if __name__ == "__main__":
    main()
