"""Subtitles and lyrics: what is said is read, and everything else is set aside and counted."""

import io
from pathlib import Path

import pysubs2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from text.damage import damaged

from modou.messages import UserError
from modou.settings.text import CleanSettings
from modou.text.clean import Cleaner
from modou.text.readers import reader_of
from modou.text.readers.book import read_book
from modou.text.readers.file import File, Reading
from modou.text.report import CleaningReport, visible

SAID = ["The kettle had sung twice", "before Wren came down.", "“Who left the gate open?”", "Nobody said a word."]


def read(data: bytes, name: str = "film.txt") -> tuple[list[str], Reading]:
    """The lines that are not blank, and what else was found. The name says nothing unless it is given."""
    file = File(Path(name), name, opens=lambda: io.BytesIO(data))
    reader = reader_of(file)
    reading = Reading(reader.__name__.rpartition(".")[2])
    found = [str(line) for line in reader.lines(file, reading)]
    reading.begin()
    assert found == [str(line) for line in reader.lines(file, reading)]
    return [line for line in found if line], reading


def written(form: str, said: list[str], gap: int = 100, **kwargs: str) -> str:
    """Subtitles of two seconds each, written by pysubs2."""
    subs = pysubs2.SSAFile()
    for place, text in enumerate(said):
        start = place * (2000 + gap)
        subs.append(pysubs2.SSAEvent(start=start, end=start + 2000, text=text.replace("\n", r"\N"), **kwargs))
    return subs.to_string(form)


def subrip(*cues: tuple[float, float, str]) -> str:
    """SubRip by hand: start and end in seconds, text."""

    def stamp(time: float) -> str:
        return f"00:{int(time) // 60:02}:{int(time) % 60:02},{round(time * 1000) % 1000:03}"

    return "".join(f"{n}\n{stamp(a)} --> {stamp(b)}\n{text}\n\n" for n, (a, b, text) in enumerate(cues, 1))


@pytest.mark.parametrize("form", ["srt", "vtt", "ass", "ssa"])
@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_what_a_library_writes_is_read_back_by_content(form: str, codec: str) -> None:
    found, reading = read(written(form, SAID).encode(codec))
    assert reading.kind == "subtitles"
    assert found == [" ".join(SAID)]


@pytest.mark.parametrize(
    ("codec", "said"),
    [
        ("gb18030", ["风停了以后，船工把缆绳", "一圈一圈收好。", "孩子们还在岸上喊。", "谁也没有回头看一眼。"]),
        ("shift-jis", ["かぜがやんだので、", "ふねはみなとにもどった。", "こどもたちはまだ岸で手をふっている。"]),
        ("big5", ["風停了以後，船工把纜繩", "一圈一圈收好。", "孩子們還在岸上喊，誰也沒有回頭看一眼。"]),
    ],
)
def test_other_encodings(codec: str, said: list[str]) -> None:
    found, _ = read(written("srt", said * 6).encode(codec), "film.srt")
    assert "".join(found) == "".join(said * 6)


def test_a_book_about_subtitles_is_no_subtitle() -> None:
    text = "A lesson.\n\nThe file\nhas lines\nlike these:\n00:00:01,000 --> 00:00:02,000\nand no more.\n" * 3
    assert read(text.encode())[1].kind == "plain"
    assert read(b"[12:31] Wren: are you there\n[12:32] Tam: yes\n" * 5)[1].kind == "plain"
    assert read(b"WEBVTTX is a word that nobody says.\n" * 5)[1].kind == "plain"


def test_two_lines_of_one_subtitle_are_joined() -> None:
    assert read(written("srt", ["The goat\nwas gone."]).encode())[0] == ["The goat was gone."]
    assert read(written("srt", ["山羊\n不见了。"]).encode())[0] == ["山羊不见了。"]


def test_tags_entities_and_positions_are_set_aside() -> None:
    text = '{\\an8}<i>Salt</i> &amp; <font color="#ff0000">pepper</font>, I <3 both: 2 < 3.'
    found, reading = read(subrip((1, 2, text)).encode())
    assert found == ["Salt & pepper, I <3 both: 2 < 3."]
    assert reading.set_aside.kinds == {"cue_times": 2, "cue_tags": 5}


def test_web_vtt_keeps_what_is_said_alone() -> None:
    text = (
        "WEBVTT - The Mill\nKind: captions\n\nSTYLE\n::cue { color: red }\n\nNOTE Wren checked this\ntwice\n\n"
        "opening\n00:01.000 --> 00:03.000 align:start position:0%\n<v Harrow>The wheel <c.loud>turns</c> again,\n"
        "<b>you hear</b>?</v>\n\nNOTE\nA remark between.\n\n"
        "2\n00:00:04.000 --> 00:00:05.500\n- It was built in\n1984\n\n"
        "00:00:06.000 --> 00:00:07.000\n<ruby>水<rt>mizu</rt></ruby>車だ。\n"
    )
    found, reading = read(text.encode())
    assert found == ["The wheel turns again, you hear?", "- It was built in 1984", "水車だ。"]
    assert visible(text) == reading.set_aside.removed + sum(map(visible, found))


def test_counters_without_blank_lines_and_with_too_many() -> None:
    stamps = ["00:00:01,000 --> 00:00:02,000", "00:00:02,500 --> 00:00:04,000"]
    assert read(f"1\n{stamps[0]}\nRun,\n2\n{stamps[1]}\nnow.\n".encode())[0] == ["Run, now."]
    assert read(f"1\n\n{stamps[0]}\n\nRun,\n\n2\n\n{stamps[1]}\n\nnow.\n\n".encode())[0] == ["Run, now."]
    years, _ = read(f"1\n{stamps[0]}\nThe year was\n1984\n\n2\n{stamps[1]}\n1985\n".encode())
    assert years == ["The year was 1984", "1985"]


def test_a_sentence_goes_on_until_a_pause_or_a_dash() -> None:
    cues = [
        (1, 2, "The boat that"),
        (2.5, 4, "left at noon"),
        (5, 6, "- Is back."),
        (6.5, 8, "- No.\n- Yes!"),
        (20, 21, "Night"),
    ]
    assert read(subrip(*cues).encode())[0] == ["The boat that left at noon", "- Is back.", "- No.", "- Yes!", "Night"]
    # Without a single full stop each subtitle is one.
    bare = [(1, 2, "你去哪里"), (2.5, 4, "我回家"), (4.5, 6, "天黑了，"), (6.5, 8, "快走吧")]
    assert read(subrip(*bare).encode())[0] == ["你去哪里", "我回家", "天黑了，快走吧"]
    auto = [(1, 2, "so this is how"), (2, 4, "you fold the sail"), (4, 6, "And tie it")]
    assert read(subrip(*auto).encode())[0] == ["so this is how you fold the sail", "And tie it"]


def test_two_languages_stay_apart() -> None:
    cues = [(1, 2, "门开了。\nThe door is open."), (2.5, 4, "谁在那里？\nWho is there?")]
    assert read(subrip(*cues).encode())[0] == ["门开了。", "The door is open.", "谁在那里？", "Who is there?"]


def test_rolling_captions_are_said_once() -> None:
    text = (
        "WEBVTT\n\n00:00:00.000 --> 00:00:02.000\n \nwe<00:00:00.500><c> mend</c><00:00:01.000><c> nets</c>\n\n"
        "00:00:02.000 --> 00:00:02.010\nwe mend nets\n \n\n00:00:02.010 --> 00:00:04.000\nwe mend nets\n"
        "in<00:00:03.000><c> winter</c>\n\n00:00:04.000 --> 00:00:04.010\nin winter\n \n\n"
    )
    found, reading = read(text.encode())
    assert found == ["we mend nets in winter"]
    assert reading.set_aside.kinds["cue_repeats"] == 3
    layered = written("ass", ["One glow."]) + "Dialogue: 1,0:00:00.00,0:00:02.00,Default,,0,0,0,,One glow.\n"
    assert read(layered.encode())[0] == ["One glow."]
    # What is said again after a pause is said.
    assert read(subrip((1, 2, "No."), (2.5, 3, "No.")).encode())[0] == ["No. No."]


def test_sounds_in_brackets_are_not_said() -> None:
    cues = [(1, 2, "[door creaks]"), (2.5, 4, "[Wren] Come in (softly).\n♪"), (4.5, 5, "【风声】")]
    found, reading = read(subrip(*cues).encode())
    assert found == ["[Wren] Come in (softly)."]
    assert reading.set_aside.kinds["cue_sounds"] == 3


def test_substation_drawings_comments_karaoke_and_order() -> None:
    text = (
        "[Script Info]\nTitle: Mill\n\n[V4+ Styles]\nStyle: Default,Arial,20\n\n[Events]\n"
        "Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
        "Dialogue: 0,0:00:05.00,0:00:06.00,Default,Tam,0,0,0,,Then, at last,\\Nthe rain.\n"
        "Dialogue: 0,0:00:01.00,0:00:02.00,Default,Wren,0,0,0,,{\\k20}First {\\k30}the{\\i1}\\hwind.{note to self}\n"
        "Comment: 0,0:00:03.00,0:00:04.00,Default,,0,0,0,,not shown\n"
        "Dialogue: 0,0:00:03.00,0:00:04.00,Default,,0,0,0,,{\\p1}m 0 0 l 10 10{\\p0}\n"
    )
    found, reading = read(text.encode())
    assert found == ["First the wind. Then, at last, the rain."]
    assert reading.set_aside.kinds["cue_tags"] == 4
    assert visible(text) - len(r"\N\h") == reading.set_aside.removed + sum(map(visible, found))


def test_lyrics_are_lines() -> None:
    text = "[ti:Net]\n[ar:Wren]\n[offset:+100]\n\n[00:01.20]Haul away, haul\n"
    text += "[00:04.00][00:30.50] <00:04.10>the <00:04.90>net\n[00:08.00]\n[00:09.00]又是黎明\n"
    found, reading = read(text.encode())
    assert reading.kind == "lyrics" and found == ["Haul away, haul", "the net", "又是黎明"]
    assert visible(text) == reading.set_aside.removed + sum(map(visible, found))
    named, _ = read("\ufeff[00:01]Haul\nand a line without a time\n".encode(), "song.lrc")
    assert named == ["Haul", "and a line without a time"]


def test_through_the_cleaner(tmp_path: Path) -> None:
    path = tmp_path / "film.srt"
    path.write_text(written("srt", ["<i>The miller</i>\nslept late.", "Nobody", "woke him. The wheel", "stood still."]))
    report = CleaningReport("")
    _, *sentences = Cleaner(CleanSettings(), report).events(read_book(path))
    assert sentences == ["The miller slept late.", "Nobody woke him.", "The wheel stood still."]
    assert report.files[0].layout == "prose" and report["reader"].kinds["cue_times"] == 8


_TEXT = st.text(st.sampled_from("ab .,!?-<>{}\\&;12水火。[]:♪'\"cN"), min_size=1, max_size=20)


@settings(max_examples=150)
@given(
    said=st.lists(st.lists(_TEXT, min_size=1, max_size=3), min_size=1, max_size=6), form=st.sampled_from(["srt", "vtt"])
)
def test_every_character_is_said_or_set_aside(said: list[list[str]], form: str) -> None:
    text = subrip(*((2 * n, 2 * n + 1, "\n".join(one)) for n, one in enumerate(said)))
    text = text if form == "srt" else "WEBVTT\n\n" + text.replace(",", ".")
    found, reading = read(text.encode(), f"film.{form}")
    assert visible(text) == reading.set_aside.removed + sum(map(visible, found))


def _samples() -> list[bytes]:
    styled = [f"<i>{SAID[0]}</i>", *SAID, "- No\n- [wind] {\\an8}Yes", "水车\n转了。"]
    lyrics = b"[ti:x]\n" + b"".join(b"[00:%02d.00]a line <00:01.00>sung\n" % n for n in range(20))
    return [*(written(form, styled * 3).encode() for form in ("srt", "vtt", "ass", "ssa")), lyrics]


def _survives(data: bytes, seed: int) -> None:
    try:
        found, _ = read(damaged(data, seed), "film.srt")
    except UserError as error:
        assert "\n" not in str(error)
    else:
        assert all("\n" not in line for line in found)


@pytest.mark.parametrize("data", _samples())
def test_damaged_files(data: bytes) -> None:
    for seed in range(60):
        _survives(data, seed)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("data", _samples())
def test_many_damaged_files(data: bytes) -> None:
    for seed in range(1000, 3000):
        _survives(data, seed)


HOSTILE = ("<", "<a", "{\\", "[", "[00:01.00]", "\n", "7\n", "<a>", " ,")


@pytest.mark.timeout(60)
@pytest.mark.parametrize("piece", HOSTILE)
def test_hostile_text_takes_time_that_grows_with_its_length(piece: str) -> None:
    text = piece * (300_000 // len(piece))
    found, _ = read(f"1\n00:00:01,000 --> 00:00:02,000\n{text}\n".encode(), "film.srt")
    assert sum(map(len, found)) <= 2 * len(text)


@pytest.mark.timeout(60)
def test_hostile_beginnings_and_drawings_take_little_time() -> None:
    assert read(b"; " * 100_000)[1].kind == "plain"
    drawing = "Dialogue: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,,{" + r"\p1" * 100_000 + "\n"
    assert read(("[Script Info]\n\n[Events]\n" + drawing).encode())[0]
