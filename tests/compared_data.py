"""A comparison of five runs with every section, invented for the tests of its page; nothing of it was measured."""

from typing import Any

import numpy as np

from modou.evaluate.answers import mean, share, wins
from modou.storage import to_json

JUDGE = "runs/tang-sft-reward"
POEMS = ("春水绕孤城，江烟暮不平。\n客来无一语，灯下听潮声。", "山中无历日，寒尽不知年。\n偶来松树下，高枕石头眠。")
QUESTIONS = (
    "写一首五绝，题目是《江楼》。",
    "以“春江花月”作一首藏头诗，要七绝。",
    "来一首五律",
    "写一首七绝。",
    "五绝，藏头：山高水长",
)
RUNS: dict[str, tuple[float, float, float, float, float]] = {
    "tang-sft": (26, 0.0, 0.42, 0.0, 0.0),
    "tang-dpo": (27, 0.9, 0.55, 1.8, 0.02),
    "tang-ppo": (41, 2.2, 0.36, 9.5, 0.31),
    "tang-grpo": (28, 1.6, 0.78, 4.1, 0.08),
    "tang": (60, -1.9, 0.04, 22.0, -0.11),
}
"""Tokens, score by the judge, rules kept, nats from the first run, bits per character forgotten."""


def comparison(count: int = 40) -> dict[str, Any]:
    """compare.json of five runs that were asked `count` questions."""
    dice = np.random.default_rng(7)
    found: dict[str, Any] = {}
    first: dict[str, list[float]] = {}
    for name, (tokens, score, kept, distance, drift) in RUNS.items():
        lengths = np.clip(dice.normal(tokens, 6, count), 3, 96).round().astype(int).tolist()
        pays = 0.09 if name == "tang-ppo" else 0.01
        scores = [
            round(score + pays * (n - tokens) + x, 4) for n, x in zip(lengths, dice.normal(0, 1, count), strict=True)
        ]
        marks = dice.random((count, 3)) < kept
        rules = [round(float(row.mean()), 4) for row in marks]
        points = {JUDGE: scores, "rules": rules}
        found[name] = {
            "method": "pretrain" if name == "tang" else name.rpartition("-")[2],
            "ended": share((dice.random(count) < 0.95).tolist()),
            "empty": share([False] * count),
            "length": mean([float(length) for length in lengths]),
            "kl": mean(dice.normal(distance, 0.3 * distance, count).tolist()),
            "distinct": {"2": 0.6 - 0.02 * distance},
            "rules": {rule: share(marks[:, n].tolist()) for n, rule in enumerate(("form", "rhyme", "no_repeat"))},
            "judges": {JUDGE: mean(scores)},
            "wins": {judge: wins(own, first[judge]) for judge, own in points.items() if first},
            "drift": {
                "bits_per_char": drift,
                "interval": [drift - 0.03, drift + 0.03],
                "before": 5.31,
                "now": 5.31 + drift,
            },
            "copied": {"longest": 10, "text": "江烟暮不平。\n客来无"},
            "samples": [{"prompt": question, "text": POEMS[n % 2]} for n, question in enumerate(QUESTIONS)],
            "by_answer": {"length": lengths, **points},
        }
        if name in ("tang-ppo", "tang-grpo"):
            history = [
                {"step": 8 * n, "reward": score * (1 - 0.6**n), "kl": distance * n / 9, "length": 30.0}
                for n in range(10)
            ]
            found[name]["training"] = {"judge": JUDGE, "history": history}
        first = first or points
    found["tang-grpo"]["samples"][2]["text"] = ""
    return to_json(
        {
            "modou": "0.1.0",
            "data": "data/poems/test.jsonl",
            "reference": "tang-sft",
            "questions": count,
            "sampling": {
                "tokens": 96,
                "temperature": 1.0,
                "top_k": 0,
                "top_p": 1.0,
                "min_p": 0.0,
                "stop": [],
                "seed": 1,
            },
            "judges": {JUDGE: "model"},
            "majority": {},
            "real": {name: share([n % 4 > 0 for n in range(count)]) for name in ("form", "rhyme", "no_repeat", "head")},
            "runs": found,
        }
    )


def questions(count: int = 40) -> dict[str, Any]:
    """The same of a task that has true answers, judged by a rule."""
    found = comparison(count)
    dice = np.random.default_rng(8)
    first: list[float] = []
    for run, rate in zip(found["runs"].values(), (0.41, 0.44, 0.6, 0.72, 0.05), strict=True):
        marks = (dice.random(count) < rate).tolist()
        points = [float(mark) for mark in marks]
        run["rules"], run["judges"] = {"exact": share(marks)}, {"exact": mean(points)}
        run["wins"] = {name: wins(points, first) for name in ("exact", "rules")} if first else {}
        run["by_answer"] = {"length": run["by_answer"]["length"], "exact": points, "rules": points}
        run["samples"] = [{"prompt": "谁在桥头？", "text": "木匠。", "truth": "铁匠。"}]
        run.pop("training", None)
        first = first or points
    return to_json(
        {
            **found,
            "judges": {"exact": "rules"},
            "real": {},
            "majority": {"exact": share([n % 5 == 0 for n in range(count)])},
        }
    )
