"""Conversations that were already laid out as text, in the style of a chat template."""

import pytest
from talk_helpers import FIRST, bot, said, user

from modou.data.formats.example import BadExample, Example
from modou.data.formats.formats import read

SYSTEM = ("system", "Be brief.", False)
SECOND = [user("And\nthe cup?"), bot("The red one.")]
LAID_OUT: dict[str, tuple[str, list[tuple[str, str, bool]]]] = {
    "ChatML": (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWhich jug?<|im_end|>\n<|im_start|>assistant\n"
        "The blue one.<|im_end|>\n<|im_start|>user\nAnd\nthe cup?<|im_end|>\n<|im_start|>assistant\nThe red one."
        "<|im_end|>\n<|endoftext|>",
        [SYSTEM, *FIRST, *SECOND],
    ),
    "Llama 3": (
        "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|><|start_header_id|>user"
        "<|end_header_id|>\n\nWhich jug?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\nThe blue one."
        "<|eot_id|>",
        [SYSTEM, *FIRST],
    ),
    "Gemma": (
        "<bos><start_of_turn>user\nWhich jug?<end_of_turn>\n<start_of_turn>model\nThe blue one.<end_of_turn>\n",
        FIRST,
    ),
    "[INST]": (
        "<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nWhich jug? [/INST] The blue one. </s><s>[INST] And\nthe cup? [/INST]"
        " The red one. </s>",
        [SYSTEM, *FIRST, *SECOND],
    ),
    "[SYSTEM_PROMPT]": (
        "<s>[SYSTEM_PROMPT]Be brief.[/SYSTEM_PROMPT][INST]Which jug?[/INST]The blue one.</s>",
        [SYSTEM, *FIRST],
    ),
    "<|user|>": (
        "<|system|>\nBe brief.</s>\n<|user|>\nWhich jug?</s>\n<|assistant|>\nThe blue one.</s>",
        [SYSTEM, *FIRST],
    ),
    "<|user|> with <|end|>": ("<|user|>\nWhich jug?<|end|>\n<|assistant|>\nThe blue one.<|end|>", FIRST),
    "<｜User｜>": (
        "<｜begin▁of▁sentence｜>Be brief.<｜User｜>Which jug?<｜Assistant｜>The blue one.<｜end▁of▁sentence｜>",
        [SYSTEM, *FIRST],
    ),
    "### Human": (
        "### Human: Which jug?### Assistant: The blue one.### Human: And\nthe cup?### Assistant: The red one.",
        [*FIRST, *SECOND],
    ),
    "### User": (
        "### System:\nBe brief.\n\n### User:\nWhich jug?\n\n### Assistant:\nThe blue one.\n",
        [SYSTEM, *FIRST],
    ),
    "### Instruction": ("### Instruction:\nWhich jug?\n\n### Response:\nThe blue one.", FIRST),
    "### Question": ("### Question: Which jug?\n### Answer: The blue one.\n", FIRST),
    "### Input": (
        "Be brief.\n\n### Instruction:\nAnd\n\n### Input:\nthe cup?\n\n### Response:\nThe red one.",
        [SYSTEM, *SECOND],
    ),
    "Human:": (
        "\n\nHuman: Which jug?\n\nAssistant: The blue one.\n\nHuman: And\nthe cup?\n\nAssistant: The red one.",
        [*FIRST, *SECOND],
    ),
    "User:": ("User: Which jug?\nAssistant: The blue one.", FIRST),
    "USER:": (
        "Be brief. USER: Which jug? ASSISTANT: The blue one.</s>USER: And\nthe cup? ASSISTANT: The red one.</s>",
        [SYSTEM, *FIRST, *SECOND],
    ),
    "问：": ("问：Which jug?\n答：The blue one.", FIRST),
}


@pytest.mark.parametrize("style", LAID_OUT)
def test_a_conversation_laid_out_as_text_is_split_into_turns(style: str) -> None:
    laid_out, expected = LAID_OUT[style]
    for row in ({"text": laid_out}, laid_out, {"content": laid_out}):
        (example,) = read(row)
        assert example.kind == "conversation" and said(example) == expected
        assert [note.partition(":")[0] for note in example.notes] == ["marked"]


@pytest.mark.parametrize(
    "plain",
    [
        "Human: a word that stands at the beginning of this line, and nobody answers.",
        "The mark [INSTALL] is none, nor is ### Notes.",
        "### Instruction manual\nTurn the key.\n### Index",
        "Wren said: the kiln is hot. USER: is a word.",
        "一句话。问：没有回答。",
    ],
)
def test_a_text_in_which_one_side_speaks_stays_a_text(plain: str) -> None:
    assert read({"text": plain}) == (Example("text", text=plain),)


@pytest.mark.parametrize(
    ("laid_out", "key"),
    [
        ("<|im_start|>ferryman\nAll aboard!<|im_end|>", "marked_role"),
        ("<|im_start|>assistant\nAll aboard!<|im_end|>", "no_question"),
        ("<|im_start|>user\n<|im_end|>\n<|im_start|>assistant\nWhat?<|im_end|>", "empty_turn"),
    ],
)
def test_marks_that_make_no_conversation_are_told(laid_out: str, key: str) -> None:
    with pytest.raises(BadExample) as caught:
        read({"text": laid_out})
    assert caught.value.key == f"examples.{key}"


@pytest.mark.parametrize(
    "asked",
    [
        "<|im_start|>user\nWhich jug?<|im_end|>\n<|im_start|>assistant\n",
        "<s>[INST] Which jug? [/INST]",
        "Human: Which jug?\n\nAssistant:",
        "### Instruction:\nWhich jug?\n\n### Response:\n",
    ],
)
def test_a_prompt_laid_out_as_text_becomes_turns(asked: str) -> None:
    (prompt,) = read({"prompt": asked})
    assert prompt.kind == "prompt" and said(prompt) == [user("Which jug?")]
    assert len(prompt.notes) == 1 and prompt.notes[0].startswith("marked:")
    for answer in ("The blue one.", " The blue one.<|im_end|>\n", "The blue one.</s>"):
        (answered,) = read({"prompt": asked, "completion": answer})
        assert said(answered) == FIRST
    (pair,) = read({"prompt": asked, "chosen": "The blue one.", "rejected": "None."})
    assert said(pair) == [user("Which jug?")]


def test_a_question_about_a_dialogue_stays_one_question() -> None:
    asked = "What is the tone of this?\nHuman: Which jug?\nAssistant: The blue one.\nHuman: Thanks."
    (example,) = read({"instruction": asked, "output": "Polite."})
    assert said(example) == [user(asked), bot("Polite.")]


@pytest.mark.parametrize("style", LAID_OUT)
def test_marks_repeated_without_end_are_read(style: str) -> None:
    laid_out = LAID_OUT[style][0]
    for text in (laid_out * 2_000, laid_out[:12] * 20_000, "</s>" * 50_000 + laid_out, laid_out + " \n" * 50_000):
        try:
            assert read({"text": text})
        except BadExample as bad:
            assert bad.key.startswith("examples.")
