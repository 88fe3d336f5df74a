"""Hard-wrapped lines of every script are joined; text of lines that are units is not."""

import pytest
from text_helpers import clean

from modou.text.wrapping import Hyphens

RUSSIAN = (
    "Старые часы в прихожей остановились в четыре, и никто в доме не вспомнил, что их надо завести, с того самого лета,"
    " когда хозяин ушёл в море. Его племянница, которой остались ключи и кот, каждое утро отворяла ставни и ждала."
    " Письма приходили редко. Они пахли смолой, и после ужина их читали коту вслух. Кот слушал. Зимой колодец замёрз."
)
ARABIC = (
    "توقفت الساعة القديمة في الردهة عند الرابعة، ولم يفكر أحد في البيت أن يملأها منذ الصيف حين ذهب صاحبها إلى البحر."
    " كانت ابنة أخيه تفتح النوافذ كل صباح وتنتظر البريد. الرسائل قليلة، ورائحتها قطران، وتقرأ للقط بعد العشاء."
    " كان القط يصغي. في الشتاء تجمدت البئر، فجاء رجل من القرية بدلوين من الماء على كتفيه كل يوم."
)
JAPANESE = (
    "玄関の古い時計は四時で止まったままで、夏に主人が海へ出てから、だれもねじを巻こうとは思わなかった。鍵と猫を"
    "あずかった姪は、毎朝よろい戸をあけて郵便を待った。手紙はめったに来ない。来ればタールのにおいがして、夕食の"
    "あとで猫に読んで聞かせる。猫はじっと聞いていた。冬になると井戸が凍り、村の男が水を二桶かついで来た。"
)


def wrapped(text: str, width: int) -> list[str]:
    lines = [""]
    for word in text.split(" "):
        if len(lines[-1]) + 1 + len(word) > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


@pytest.mark.parametrize("prose", [RUSSIAN, ARABIC])
def test_wrapped_prose_with_spaces(prose: str) -> None:
    text = " ".join([prose] * 4)
    result = clean("\n".join(wrapped(text, 60)))
    assert " ".join(result.text.split("\n")) == text and result.report["unwrap"].count > 10
    assert len(result.text.split("\n")) == 4 * prose.count(".")


def test_wrapped_japanese() -> None:
    text = JAPANESE * 4
    result = clean("\n".join(text[at : at + 25] for at in range(0, len(text), 25)))
    assert result.text == text.replace("。", "。\n").strip()


def test_paragraphs_of_one_line_are_not_joined() -> None:
    for prose in (RUSSIAN, ARABIC, JAPANESE):
        lines = [sentence.strip() for sentence in prose.replace("。", "。|").replace(". ", ".|").split("|") if sentence]
        assert clean("\n".join(lines * 4)).text.split("\n") == lines * 4


def test_hyphens_follow_the_spelling_of_the_document() -> None:
    hyphens = Hyphens()
    for line in [
        "the lantern and the lamp-seller",
        "by the lan-",
        "tern; the lamp-",
        "seller went",
        "with a mar-",
        "ket",
    ]:
        hyphens.add(line)
    assert hyphens.divides("by the lan-", "tern; the") and not hyphens.divides("the lamp-", "seller")
    assert hyphens.divides("mar-", "ket") and not hyphens.divides("by-", "1") and not hyphens.divides("by", "the")
