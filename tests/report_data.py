"""A report with every section, invented for the tests of the page; nothing of it was measured."""

import math
from typing import Any


def curve(middle: float) -> dict[str, float]:
    return {str(n): 1 / (1 + math.exp(middle - n)) for n in range(1, 51)}


def history(points: int) -> list[dict[str, Any]]:
    return [
        {
            "step": 10 * i,
            "seconds": 4.5 * i,
            "tokens": 4096 * i,
            "train_bits_per_char": 4.2 + 7 * math.exp(-i / 20),
            "validation_bits_per_char": 4.9 + 7 * math.exp(-i / 20) + 1e-5 * i * i,
            "averaged_bits_per_char": None if i < 5 else 4.85 + 7 * math.exp(-i / 20),
            "learning_rate": 0.02,
        }
        for i in range(points)
    ]


SENTENCE = "铁匠把刀放进水里，河上升起一团白雾。"

REPORT: dict[str, Any] = {
    "modou": "0.1.0",
    "run": {"name": "bridge", "book": "石桥故事", "language": "zh", "finished": False},
    "settings": {"model": {"layers": 4, "width": 96, "heads": 4, "context": 128, "vocabulary": 2000}},
    "environment": {"cpu": "a machine", "matrix_gflops": {"before": 100.0, "after": 60.0}, "date": "2026-01-02"},
    "cleaning": {
        "input_characters": 120345,
        "output_characters": 119876,
        "encoding": "utf-8",
        "notes": ["一章没有标题"],
        "rules": [{"name": "headings", "count": 17, "characters": 93, "examples": ["第九回 → "]}],
    },
    "split": {
        "train": {"chapters": 38, "characters": 110000},
        "test": {"chapters": 2, "characters": 4321},
        "note": "留出的章节不多",
        "shared_passages": [{"text": SENTENCE * 2, "train_chapter": "第二回", "held_out_chapter": "第十回"}],
    },
    "tokenizer": {
        "kind": "bpe",
        "vocabulary": 2000,
        "characters_per_token": {"train": 1.437, "test": 1.392},
        "coverage": {"characters": 1800, "share_by_bytes": 0.0007},
        "longest": ["铁匠把刀"],
        "frequent": [["，", 5120], ["\n", 1733]],
        "round_trip": {"exact": True, "characters": 119876, "tokens": 83000},
        "unknown": 0,
    },
    "model": {
        "style": "modern",
        "position": "rope",
        "parameters": {"total": 640000, "embedding": 192000, "attention": 148000, "feed_forward": 300000},
        "flops_per_token": 4100000,
    },
    "plan": {
        "minutes": 5,
        "choices": [{"name": "model.layers", "value": 4, "reason": "五分钟只够四层"}],
        "expected": {"bits_per_char": 5.31},
    },
    "training": {
        "steps": 400,
        "tokens": 1638400,
        "epochs": 21.3,
        "seconds": 301.5,
        "tokens_per_second": 5434.0,
        "share_of_peak": 0.571,
        "peak_memory_mb": 711,
        "best_step": 250,
        "stopped": "budget",
        "history": history(40),
    },
    "test": {"bits_per_char": 5.2173, "interval": [5.1, 5.3349], "characters": 4321, "bits": 22544.0},
    "validation": {"bits_per_char": 5.1902, "interval": [5.08, 5.301], "characters": 4410},
    "train": {"bits_per_char": 4.4444, "interval": [4.37, 4.5], "characters": 4300},
    "gap": {"bits_per_char": 0.7729},
    "baselines": {
        "kn5": {"bits_per_char": 5.7},
        "xz": {"bits_per_char": 6.44},
    },
    "advantage": {"kn5": {"bits_per_char": 0.4827, "interval": [0.431, 0.538]}},
    "novelty": {
        "generated": {"curve": curve(5)},
        "held_out": {"curve": curve(4.5)},
        "kn5": {"curve": curve(6)},
        "longest": {"characters": 18, "text": SENTENCE, "chapter": "第七回"},
        "copied": {"k": 14, "generated": 0.031, "held_out": 0.009},
    },
    "variety": {
        "generated": {"distinct_1": 0.313, "repetition_4": 0.021, "loop_rate": 0.0, "quote_balance": None},
        "held_out": {"distinct_1": 0.344, "repetition_4": 0.012, "loop_rate": 0.0, "quote_balance": 0.99},
    },
    "samples": [
        {"step": step, "prompt": "铁匠", "seed": 3, "text": f"铁匠{SENTENCE}{step}"} for step in range(0, 400, 50)
    ],
    "final_samples": [
        {"prompt": "河上", "seed": seed, "text": f"河上{SENTENCE}", "sampler": {"temperature": 0.8}} for seed in (1, 2)
    ],
    "advice": ["再多给它一些时间"],
}
