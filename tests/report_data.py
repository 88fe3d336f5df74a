"""A report with every section, invented for the tests of the page; nothing of it was measured."""

import math
from typing import Any


def curve(middle: float) -> list[float]:
    return [1 / (1 + math.exp(middle - n)) for n in range(1, 51)]


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

EXAMPLES = [{"before": "第九回", "after": ""}, {"before": "桥上,有人", "after": "桥上，有人"}]

REPORT: dict[str, Any] = {
    "modou": "0.1.0",
    "run": {"name": "bridge", "book": "石桥故事", "language": "zh", "finished": False},
    "settings": {
        "model": {
            "style": "modern",
            "position": "rope",
            "layers": 4,
            "width": 96,
            "heads": 4,
            "context": 128,
            "vocabulary": 2000,
        }
    },
    "environment": {"cpu": "a machine", "matrix_gflops": {"before": 100.0, "after": 60.0}, "date": "2026-01-02"},
    "cleaning": {
        "characters": {"input": 120345, "output": 119876},
        "notes": ["一章没有标题"],
        "rules": [
            {
                "name": "headings",
                "count": 17,
                "characters": 469,
                "removed": 470,
                "added": 1,
                "left_in_held_out": 2,
                "kinds": {"x": 2},
                "examples": EXAMPLES,
            }
        ],
    },
    "split": {
        "chapters": 40,
        "characters": {"train": 110000, "validation": 4410, "test": 4321},
        "shared_passages": {"count": 3, "characters": 90, "longest": [SENTENCE * 2]},
    },
    "tokenizer": {
        "vocabulary": 2000,
        "training": {"kind": "bpe"},
        "train": {"characters_per_token": 1.437, "round_trip": {"exact": True}},
        "held_out": {
            "characters_per_token": 1.392,
            "byte_fallback": 0.0007,
            "unknown_tokens": 0,
            "round_trip": {"exact": True},
        },
        "longest_pieces": ["铁匠把刀"],
        "most_frequent_pieces": [["，", 5120], ["\n", 1733]],
    },
    "model": {
        "parameters": {"embedding": 192000, "attention": 148000, "feed_forward": 300000},
        "total": 640000,
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
        "seconds": 301.5,
        "tokens_per_second": 5434.0,
        "share_of_peak": 0.571,
        "peak_memory_mb": 711,
        "best_step": 250,
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
        "generated": {
            "novel_share_by_n": curve(5),
            "longest_copy": {"length": 18, "text": SENTENCE, "chapter": 6},
            "copied": {"share": 0.031, "at_least": 14},
        },
        "held_out": {"novel_share_by_n": curve(4.5), "copied": {"share": 0.009, "at_least": 14}},
        "kn5": {"novel_share_by_n": curve(6)},
    },
    "variety": {
        "generated": {
            "distinct": {"1": 0.313},
            "seq_rep_4": 0.021,
            "loop_rate": {"share": 0.0},
            "quote_balance": None,
        },
        "held_out": {"distinct": {"1": 0.344}, "seq_rep_4": 0.012, "loop_rate": {"share": 0.0}, "quote_balance": 0.99},
    },
    "samples": [
        {"step": step, "prompt": "铁匠", "seed": 3, "text": f"铁匠{SENTENCE}{step}"} for step in range(0, 400, 50)
    ],
    "final_samples": [
        {"prompt": "河上", "seed": seed, "text": f"河上{SENTENCE}", "sampler": {"temperature": 0.8}} for seed in (1, 2)
    ],
    "advice": ["再多给它一些时间"],
}
