"""A tokenizer in the terms of a GGUF file, from which llama.cpp encodes every text to the same ids.

The file has no way to say that U+2581 is a character of its own: there it becomes a space.
"""

from modou.interop.chat_template import CHAT_TEMPLATE
from modou.interop.gguf_model import Value
from modou.interop.portable import Portable
from modou.messages import UserError
from modou.tokenizer.model import model_kind
from modou.tokenizer.tokenizer import Tokenizer
from modou.tokenizer.training import NEWLINE

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)
"""Types of a token: `llama_token_type`."""


def tokenizer_keys(model: Portable) -> dict[str, Value]:
    """All keys of `tokenizer.`. UserError: a tokenizer that llama.cpp would read otherwise."""
    own = model.tokenizer
    keys: dict[str, Value] = {
        **_sentencepiece(own),
        "bos_token_id": own.bos,
        "eos_token_id": own.eos,
        "unknown_token_id": own.unk,
        "padding_token_id": own.pad,
        "add_bos_token": True,
        "add_eos_token": False,
    }
    if barred := sorted(own.unseen.difference(model.ends)):
        keys["suppress_tokens"] = barred
    found: dict[str, Value] = {f"tokenizer.ggml.{key}": value for key, value in keys.items()}
    if model.answers:
        found |= {"tokenizer.ggml.eot_token_id": own.end, "tokenizer.chat_template": CHAT_TEMPLATE}
    return found


def _sentencepiece(own: Tokenizer) -> dict[str, Value]:
    if model_kind(own.model) == "unigram":
        raise UserError("interop.gguf_unigram")
    return {
        "model": "llama",
        "pre": "default",
        "tokens": own.pieces(),
        "scores": [own.score(token) for token in range(own.vocabulary)],
        "token_type": [_type(own, token, name) for token, name in enumerate(own.pieces())],
        "add_space_prefix": False,
        "remove_extra_whitespaces": False,
    }


def _type(own: Tokenizer, token: int, name: str) -> int:
    if token == own.unk:
        return UNKNOWN
    if own.is_control(token):
        return CONTROL
    if own.is_byte(token):
        return BYTE
    return USER_DEFINED if name == NEWLINE else NORMAL
