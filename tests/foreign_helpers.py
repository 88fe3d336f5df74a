"""Small tokenizers of other people's models: byte-level BPE made by the `tokenizers` library on an invented text."""

import json
from functools import cache
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from modou.tokenizer.byte_level import ByteLevelTokenizer, SpecialTokens

STORY = "\n".join(
    f"第{i}天，小蜗牛爬上了{i * 7 % 13}级台阶。\tThe <b>snail's</b> café, 哈哈哈!\r\n\n  —— 它说：“慢慢来。”\n"
    for i in range(40)
)
END, TURN = "<|endoftext|>", "<|im_start|>"
LINES = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""How Qwen's tokenizers cut."""
KINDS = ("gpt2", "qwen", "whole", "fallback")
"""GPT-2's cuts; Qwen's, with NFC and text among the added tokens; none at all; byte fallback without cuts."""


@cache
def definition(kind: str) -> bytes:
    """A tokenizer.json."""
    fallback = kind == "fallback"
    tokenizer = Tokenizer(models.BPE(byte_fallback=fallback, unk_token="<unk>" if fallback else None))
    special = [END, TURN]
    if fallback:
        tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
        special, alphabet = ["<unk>", END, *(f"<0x{byte:02X}>" for byte in range(256))], list[str]()
    else:
        tokenizer.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        cut = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=kind == "gpt2")
        lines = pre_tokenizers.Split(Regex(LINES), "isolated")
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([lines, cut]) if kind == "qwen" else cut
    tokenizer.train_from_iterator(
        [STORY[start : start + 200] for start in range(0, len(STORY), 200)],
        trainers.BpeTrainer(
            vocab_size=420,
            special_tokens=special,
            initial_alphabet=alphabet,
            show_progress=False,
        ),
    )
    if kind == "qwen":
        tokenizer.normalizer = normalizers.NFC()
        tokenizer.add_tokens([AddedToken("<think>", normalized=False), AddedToken("</think>", normalized=False)])
        tokenizer.add_special_tokens(["<|im_end|>"])
    value = json.loads(tokenizer.to_str())
    if fallback:  # the trainer knows byte pieces only as special tokens
        value["added_tokens"] = [token for token in value["added_tokens"] if not token["content"].startswith("<0x")]
    return json.dumps(value, ensure_ascii=False).encode()


@cache
def size(data: bytes) -> int:
    """Number of tokens of a tokenizer.json."""
    return Tokenizer.from_buffer(data).get_vocab_size()


def foreign(kind: str = "gpt2", rows: int = 0, **changed: Any) -> ByteLevelTokenizer:
    """A tokenizer of that kind for a model of `rows` rows (0: one for each token). `changed`: parts of tokenizer.json
    that are others."""
    data = definition(kind)
    if changed:
        data = json.dumps(json.loads(data) | changed, ensure_ascii=False).encode()
    return _made(data, rows or size(data))


@cache
def _made(data: bytes, rows: int) -> ByteLevelTokenizer:
    return ByteLevelTokenizer(data, SpecialTokens.named(data, {"eos": END}, rows, "it"), "it")
