"""Chats as programs export them: each message with its speaker on one line; the rest is set aside and counted."""

import csv
import io
import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from text.damage import damaged
from text_helpers import clean

from modou.messages import UserError
from modou.text.headings import Heading
from modou.text.readers import chat, reader_of
from modou.text.readers.book import read_book
from modou.text.readers.chat_lines import clock, read_stamp
from modou.text.readers.file import File, Reading

SAID = [
    ("Wren", "Is the mill open?"),
    ("Old Tam", "It is: go in."),
    ("Wren", "Thank you, Tam!"),
    ("Old Tam", "¡De nada! 🙂"),
]
LINES = [f"{name}: {text}" for name, text in SAID]
BEGAN = datetime(2021, 3, 25, 9, 5, 7)
LTR = "\u200e"


def opened(text: str | bytes, name: str = "chat.txt") -> File:
    return File(Path(name), name, opens=lambda: io.BytesIO(text if isinstance(text, bytes) else text.encode()))


def read(text: str | bytes, name: str = "chat.txt") -> tuple[list[str], Reading]:
    """The lines, with "" where a chapter begins, and what else was found."""
    file = opened(text, name)
    reader = reader_of(file)
    reading = Reading(reader.__name__.rpartition(".")[2])
    found = ["" if isinstance(line, Heading) else line for line in reader.lines(file, reading)]
    reading.begin()
    assert found == ["" if isinstance(line, Heading) else line for line in reader.lines(file, reading)]
    return found, reading


def times(step: timedelta = timedelta(minutes=7)) -> list[datetime]:
    return [BEGAN + step * n for n in range(len(SAID))]


WHATSAPP = {
    "iOS German": "[%d.%m.%y, %H:%M:%S] {}: {}",
    "iOS US": "[%-m/%-d/%y, %-I:%M:%S\u202f%p] {}: {}",
    "iOS Chinese": "[%Y/%-m/%-d 上午%-I:%M:%S] {}: {}",
    "iOS Korean": "[%Y. %-m. %-d. 오전 %-I:%M:%S] {}: {}",
    "iOS Swedish": "[%Y-%m-%d %H:%M:%S] {}: {}",
    "Android British": "%d/%m/%Y, %H:%M - {}: {}",
    "Android US": "%-m/%-d/%y, %-I:%M %p - {}: {}",
    "Android Spanish": "%-d/%-m/%y %-I:%M a. m. - {}: {}",
    "Android French": "%d/%m/%Y à %H:%M - {}: {}",
    "Android German": "%d.%m.%y, %H:%M - {}: {}",
    "Android Chinese": "%Y/%-m/%-d 上午%-I:%M - {}: {}",
    "Android Korean": "%Y년 %-m월 %-d일 오전 %-I:%M - {}: {}",
    "Android Arabic": "\u200f%-d\u200f/%-m\u200f/%Y, %-I:%M ص - {}: {}",
    "Android Indian": "%d/%m/%y, %-I:%M am - {}: {}",
}


@pytest.mark.parametrize("form", WHATSAPP)
@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_whatsapp(form: str, codec: str, end: str) -> None:
    rows = [time.strftime(WHATSAPP[form]).format(*said) for time, said in zip(times(), SAID, strict=True)]
    found, reading = read((end.join(rows) + end).encode(codec), "_chat.txt")
    assert found == ["", *LINES]
    assert reading.set_aside.kinds == {"stamps": 4}
    moments = [message.time for message in chat.messages(opened(end.join(rows)), Reading("chat"))]
    assert [moment and moment.replace(second=0) for moment in moments] == [time.replace(second=0) for time in times()]


def test_whatsapp_with_all_that_is_not_said() -> None:
    found, reading = read(
        "3/25/21, 9:05 AM - Messages and calls are end-to-end encrypted. No one outside of this chat can read them.\n"
        "3/25/21, 9:05 AM - Wren created group “Mill”\n"
        "3/25/21, 9:06 AM - Wren: First line\nsecond: line\n\n- third line\n"
        "3/25/21, 9:07 AM - Old Tam: <Media omitted>\n"
        "3/25/21, 9:07 AM - Old Tam: IMG-20210325-WA0001.jpg (file attached)\nThe wheel\n"
        "3/25/21, 9:08 AM - Wren: This message was deleted\n"
        "3/25/21, 9:09 AM - Wren: Good <3 <This message was edited>\n"
        '3/25/21, 9:10 AM - Old Tam changed the subject from "Mill" to "Mill: new"\n'
        "3/25/21, 2:09 PM - +44 7700 900123: Half past 3: who comes?\n"
    )
    assert found == [
        "",
        "Wren: First line second: line - third line",
        "Old Tam: The wheel",
        "Wren: Good <3",
        "",
        "+44 7700 900123: Half past 3: who comes?",
    ]
    assert reading.set_aside.kinds == {"stamps": 9, "service": 5, "media": 2}


def test_whatsapp_of_an_iphone_marks_what_is_not_said() -> None:
    found, reading = read(
        f"[25.03.21, 09:05:07] Mill: {LTR}Nachrichten sind verschlüsselt.\n"
        f"{LTR}[25.03.21, 09:06:07] ~\u202fWren: {LTR}<attached: 00001-PHOTO.jpg>\n"
        f"[25.03.21, 09:07:07] Wren: Come, \u2068@Tam\u2069!\n{LTR}[25.03.21, 09:08:07] Tam: {LTR}image omitted\n"
        f"[25.03.21, 09:09:07] Tam: On my way {LTR}<Diese Nachricht wurde bearbeitet.>\n"
    )
    assert found == ["", "Wren: Come, @Tam!", "Tam: On my way"]
    assert reading.set_aside.kinds == {"stamps": 5, "service": 2, "media": 2}


def test_chinese_names_have_a_full_width_colon() -> None:
    found, _ = read("2021/3/25 下午6:22 - 阿禾: 磨坊开了吗？\n进去\n2021/3/25 下午6:23 - 老秦: <省略多媒体文件>\n")
    assert found == ["", "阿禾：磨坊开了吗？进去"]


@pytest.mark.parametrize(
    ("stamps", "months"),
    [
        (["01/02/21, 09:05 - ", "13/02/21, 09:05 - "], [2, 2]),
        (["01/02/21, 09:05 - ", "01/13/21, 09:05 - "], [1, 1]),
        (["01/02/21, 09:05 - ", "02/02/21, 09:05 - ", "03/02/21, 09:05 - "], [2, 2, 2]),
        (["11/03/21, 09:05 - ", "12/03/21, 09:05 - ", "01/04/21, 09:05 - "], [3, 3, 4]),
        (["1/31/21, 9:05 PM - ", "2/1/21, 9:05 PM - "], [1, 2]),
    ],
)
def test_the_order_of_day_and_month_is_found_in_the_dates(stamps: list[str], months: list[int]) -> None:
    when = clock("\n".join(stamps))
    assert [getattr(when(stamp), "month", None) for stamp in stamps] == months


@pytest.mark.parametrize("stamp", ["", "now", "99/99/99, 99:99", "2021/3/25", "0/0/0 0:0"])
def test_what_is_no_time_is_none(stamp: str) -> None:
    assert read_stamp(stamp) is None


def test_line() -> None:
    found, reading = read(
        "[LINE] 花とのトーク履歴\n保存日時：2024/01/05 10:00\n\n2024/01/02(火)\n18:22\t花\tおはよう\n"
        '18:23\t太郎\t"一行目""です\n二行目"\n18:24\t花\t[スタンプ]\n18:25\t太郎が退出しました。\n'
        "18:26\t花\t☎ 通話時間 1:23\n"
        "\n2024/01/03(水)\n08:00\t太郎\tはい\n"
    )
    assert found == [
        "",
        '太郎：一行目"です 二行目'.replace("太郎", "花").replace('一行目"です 二行目', "おはよう"),
        *found[2:],
    ]
    assert found[2:] == ['太郎：一行目"です 二行目', "", "太郎：はい"]
    assert reading.set_aside.kinds["media"] == 1


@pytest.mark.parametrize(
    "days", [("2024.01.02 Tuesday", "9:05 AM"), ("2024/01/02（二）", "上午09:05"), ("Tue, 01/02/2024", "09:05")]
)
def test_line_in_other_languages(days: tuple[str, str]) -> None:
    text = f"[LINE] Chat history with Tam\nSaved on: 2024/01/05 10:00\n\n{days[0]}\n" + "".join(
        f"{days[1]}\t{name}\t{text}\n" for name, text in SAID
    )
    assert read(text)[0] == ["", *LINES]
    assert {message.time for message in chat.messages(opened(text), Reading("chat"))} == {datetime(2024, 1, 2, 9, 5)}


def test_qq() -> None:
    text = "消息记录（此消息记录为文本格式）\n\n消息对象:磨坊\n\n" + "".join(
        f"2021-03-25 {9 + n}:05:07 {name}({10000 + n})\n{text}\n\n" for n, (name, text) in enumerate(SAID)
    )
    assert read(text)[0] == ["", *LINES]


def telegram(chat_name: str = "Mill", first: datetime = BEGAN) -> dict[str, object]:
    rows: list[dict[str, object]] = [
        {"id": 1, "type": "service", "date": "2021-03-25T09:00:00", "actor": "Wren", "text": ""}
    ]
    for n, (name, text) in enumerate(SAID, 2):
        parts = text if n % 2 else [text[:3], {"type": "bold", "text": text[3:6]}, text[6:]]
        moment = (first + timedelta(minutes=n)).isoformat()
        rows.append(
            {"id": n, "type": "message", "date": moment, "from": name, "from_id": f"user{n % 2}", "text": parts}
        )
    rows.append({**rows[-1], "id": 90, "text": "", "media_type": "sticker", "sticker_emoji": "🙂"})
    rows.append({**rows[-1], "id": 91, "text": "Not mine", "forwarded_from": "Paper"})
    return {"name": chat_name, "type": "personal_chat", "id": 7, "messages": rows}


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("name", ["result.json", "a.txt"])
def test_telegram(indent: int | None, name: str) -> None:
    found, reading = read(json.dumps(telegram(), indent=indent, ensure_ascii=False), name)
    assert found == ["", *LINES]
    assert reading.set_aside.kinds == {"stamps": 7, "service": 1, "media": 1, "forwarded": 1}


def test_a_whole_export_of_telegram() -> None:
    chats = [
        telegram("Mill", BEGAN + timedelta(hours=1)),
        telegram("River"),
        telegram("Old", BEGAN + timedelta(days=9)),
    ]
    about = "Here is the data you requested. Telegram is ad free."
    whole = {"about": about, "contacts": {"list": [{"name": "x" * 50}] * 3000}, "chats": {"list": chats}}
    assert read(json.dumps(whole, indent=1), "result.json")[0] == ["", *LINES] * 3


def test_a_bad_message_of_telegram_costs_itself() -> None:
    text = json.dumps(telegram(), indent=1, ensure_ascii=False).replace('"id": 3,', '"id" 3,')
    found, reading = read(text, "result.json")
    assert found == ["", LINES[0], *LINES[2:]]
    assert reading.bad_rows == 1


def test_discord() -> None:
    rows: list[dict[str, object]] = [
        {
            "id": str(n),
            "type": "Reply" if n else "Default",
            "timestamp": f"2021-03-25T09:{n:02}:07.123+00:00",
            "content": text,
            "author": {"id": "1", "name": name.lower(), "nickname": name, "isBot": False},
            "attachments": [],
        }
        for n, (name, text) in enumerate(SAID)
    ]
    rows += [{**rows[-1], "content": ""}, {**rows[-1], "type": "GuildMemberJoin", "content": "Joined the server."}]
    whole = {"guild": {"id": "1"}, "channel": {"id": "2"}, "messages": rows, "messageCount": len(rows)}
    found, reading = read(json.dumps(whole, indent=2), "a.json")
    assert found == ["", *LINES]
    assert reading.set_aside.kinds == {"stamps": 6, "media": 1, "service": 1}


def table(names: list[str], rows: list[list[str]]) -> str:
    stream = io.StringIO(newline="")
    csv.writer(stream).writerows([names, *rows])
    return stream.getvalue()


def test_discord_as_csv() -> None:
    rows = [["7", name, f"2021-03-25T09:0{n}:00.0000000+00:00", text, "", ""] for n, (name, text) in enumerate(SAID)]
    names = ["AuthorID", "Author", "Date", "Content", "Attachments", "Reactions"]
    assert read(table(names, rows), "a.csv")[0] == ["", *LINES]


WECHAT = [
    *("localId", "TalkerId", "Type", "SubType", "IsSender", "CreateTime", "Status", "StrContent"),
    *("StrTime", "Remark", "NickName", "Sender"),
]


@pytest.mark.parametrize("name", ["a.csv", "a.txt"])
@pytest.mark.parametrize(("other", "mine"), [("阿禾", "我"), ("wxid_a1b2c3", "wxid_mine99")])
def test_wechat_as_csv(name: str, other: str, mine: str) -> None:
    said = [("0", "磨坊开了吗？\n去看看"), ("1", "开了"), ("0", "[图片]"), ("1", "你撤回了一条消息"), ("0", "好，谢谢")]
    kinds = {"[图片]": "3", "你撤回了一条消息": "10000"}
    rows = [
        [
            *(str(n), "7", kinds.get(text, "1"), "0", own, str(1700000000 + 60 * n), "", text),
            *(f"2023-11-15 06:0{n}:20", "", "阿禾", mine if own == "1" else other),
        ]
        for n, (own, text) in enumerate(said)
    ]
    found, reading = read(table(WECHAT, rows), name)
    assert found == ["", "阿禾：磨坊开了吗？去看看", "我：开了", "阿禾：好，谢谢"]
    assert reading.set_aside.kinds["media"] == reading.set_aside.kinds["service"] == 1


@pytest.mark.parametrize("left_out", ["Sender", "NickName", "Remark"])
def test_wechat_with_fewer_columns(left_out: str) -> None:
    names = [name for name in WECHAT if name != left_out]
    values = {"Type": "1", "StrContent": "好", "Remark": "河边", "NickName": "阿禾", "Sender": "wxid_a1b2c3"}
    rows = [[{**values, "IsSender": own}.get(name, "") for name in names] for own in ("0", "1")]
    other = "阿禾" if left_out == "Remark" else "河边"
    assert read(table(names, rows), "a.csv")[0] == ["", f"{other}：好", "我：好"]


@pytest.mark.parametrize("head", ["{} 2021/3/{} 9:00:11", "{}: 03-{:02d} 09:00:11", "{}  2021-03-{:02d} 09:00"])
def test_messages_copied_from_wechat_and_qq(head: str) -> None:
    text = "\n\n".join(f"{head.format(name, n)}\n{said}" for n, (name, said) in enumerate(SAID * 2, start=1))
    found, reading = read(text)
    assert [line for line in found if line] == LINES * 2
    assert reading.set_aside.kinds["stamps"] == 2 * len(SAID)
    assert read_stamp("03-25 09:00:11") == datetime(2000, 3, 25, 9, 0, 11)


def test_other_tables_with_speakers() -> None:
    rows = [[f"2021-03-25 09:0{n}:00", name, text] for n, (name, text) in enumerate(SAID)]
    assert read(table(["time", "sender", "message"], rows), "a.csv")[0] == ["", *LINES]
    assert read(table(["时间", "发送者", "内容"], rows), "a.csv")[0] == ["", *LINES]


@pytest.mark.parametrize(
    "text",
    [
        "[2024-01-02 10:00:00] INFO: started\n[2024-01-02 10:00:01] ERROR: stopped\n",
        "2024-01-02 10:00:00 Server started\n2024-01-02 10:00:01 Server stopped\n",
        "12/03/2021, a Friday - it rained: we stayed.\nOn 13/03/2021 it did not.\n",
        "Wren: Is the mill open?\nTam: It is.\nWren: Good.\n",
        "12.03.2021 18:22 - To the mill.\n13.03.2021 09:10 - Rain again.\n14.03.2021 08:00 - Bought: rye.\n"
        "15.03.2021 07:30 - Nothing.\n",
        "At the mill 2021-03-12 18:22\nRain.\nBy the weir 2021-03-13 09:10\nRain again.\nHome 2021-03-14 08:00\nRye.\n",
        "18:22\tWren\tarrives\n18:23\tTam\tleaves\n",
    ],
)
def test_logs_diaries_and_plays_are_no_exports(text: str) -> None:
    assert not chat.recognises(opened(text))


def test_as_a_book_each_message_is_a_line(tmp_path: Path) -> None:
    gaps = [timedelta(days=n // 2) + timedelta(minutes=n) for n in range(len(SAID))]
    rows = [
        (BEGAN + gap).strftime("%d/%m/%Y, %H:%M - {}: {}").format(*said) for gap, said in zip(gaps, SAID, strict=True)
    ]
    path = tmp_path / "chat.txt"
    path.write_text("\n".join(rows), encoding="utf-8")
    cleaned = clean(read_book(path))
    assert cleaned.text == "\n".join(LINES[:2]) + "\n\n" + "\n".join(LINES[2:])
    assert cleaned.report.files[0].layout == "lines"
    cleaned.report.output_characters = len("".join(cleaned.text.split()))
    assert cleaned.report.result().unaccounted == 0


@pytest.mark.parametrize(
    "text", ["25/03/2021, 09:05 - Wren: <Media omitted>\n25/03/2021, 09:05 - Tam: <Media omitted>\n"]
)
def test_a_chat_without_text_is_refused(text: str) -> None:
    with pytest.raises(UserError) as refused:
        read(text)
    assert refused.value.key == "text.no_messages"


NAMES = st.text(st.characters(categories=["L", "Nd"]), min_size=1, max_size=9)
TEXTS = st.text(st.characters(categories=["L", "Nd", "P", "S"], exclude_characters="<>:：☎"), min_size=1, max_size=40)


@given(st.lists(st.tuples(NAMES, TEXTS), min_size=1, max_size=9))
def test_what_is_said_comes_back_equal(said: list[tuple[str, str]]) -> None:
    rows = "".join(f"25/03/2021, 09:{n:02} - {name}: {text}\n" for n, (name, text) in enumerate(said))
    if not chat.recognises(opened(rows)):
        return
    found = list(chat.messages(opened(rows), Reading("chat")))
    assert [(message.speaker, message.text) for message in found] == said


FORMS = {
    "a.txt": "\n".join(f"25/03/2021, 09:05 - {line}" for line in LINES * 3).encode(),
    "b.txt": "\n".join(f"[25.03.21, 09:05:07] {line}" for line in LINES * 3).encode("utf-16"),
    "a.json": json.dumps(telegram(), indent=1).encode(),
    "a.csv": table(["time", "sender", "message"], [["2021-03-25", *said] for said in SAID * 3]).encode(),
    "l.txt": ("[LINE] x\n2024/01/02(Tue)\n" + "".join(f"9:05\t{name}\t{text}\n" for name, text in SAID * 3)).encode(),
}


def fuzz(first: int, last: int) -> None:
    for seed in range(first, last):
        name = list(FORMS)[seed % len(FORMS)]
        try:
            read(damaged(FORMS[name], seed), name)
        except UserError as error:
            assert str(error)


def test_damaged_chats_are_read_or_refused() -> None:
    fuzz(0, 400)


@pytest.mark.slow
def test_many_damaged_chats_are_read_or_refused() -> None:
    fuzz(400, 10_400)
