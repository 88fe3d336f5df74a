"""Sentences in every script: what ends one, what opens one, and the abbreviations that do neither."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from text_helpers import clean

from modou.text.sentences import LONGEST, join_sentences, split_sentences

SCRIPTS = {
    "russian": ["Кот спал на крыше.", "Ёжик пил молоко!", "Где луна?", "Её не видно…", "Утро."],
    "greek": ["Η γάτα κοιμάται.", "Έβρεχε όλη νύχτα;", "Όχι!", "Ίσως αύριο."],
    "greek question mark": ["Πού είναι\u037e", "Εδώ."],
    "french": ["Il pleut.", "Évidemment !", "« Où vas-tu ? »", "À la mer.", "Ça alors…", "Œdipe rit."],
    "german": ["Sie ging.", "Äpfel fielen.", "„Öffne!“", "Überall war Schnee.", "»Komm.«", "Ich kam."],
    "spanish": ["Llueve.", "¿Dónde está?", "¡Óscar!", "Él no vino.", "Última hora."],
    "polish": ["Padało.", "Światło zgasło.", "Łódź płynie.", "Żaba skacze."],
    "turkish": ["Yağmur yağdı.", "İstanbul uzak.", "Şimdi uyu.", "Çok geç."],
    "arabic": ["هطل المطر.", "أين القمر؟", "لا أدري!", "نام القط."],
    "urdu": ["بارش ہوئی۔", "چاند کہاں ہے؟", "معلوم نہیں۔"],
    "hebrew": ["ירד גשם.", "איפה הירח?", "החתול ישן!", "בוקר."],
    "hindi": ["बारिश हुई।", "चाँद कहाँ है?", "पता नहीं।"],
    "hindi with full stops": ["बिल्ली सो रही थी.", "चाँद निकल आया है.", "सुबह हुई."],
    "sanskrit": ["रामः गच्छति ॥ १२ ॥", "सीता तिष्ठति ॥ १३ ॥", "इति"],
    "korean": ["비가 왔다.", "달은 어디 있지?", "고양이는 잤다.", "아침이다."],
    "vertical": ["雨が降った。", "﹁月はどこ？﹂", "﹃知らないよ。﹄", "猫は寝た。"],
    "japanese": ["雨が降った。", "「月はどこ？」", "知らないよ!", "猫は寝た。"],
    "amharic": ["ዝናብ ዘነበ።", "ጨረቃ የት ናት?", "ድመቷ ተኛች።"],
    "armenian": ["Անձրև եկավ։", "Լուսինը չկա։", "Կատուն քնեց։"],
    "burmese": ["မိုးရွာသည်။", "လမရှိပါ။", "ကြောင်အိပ်သည်။"],
    "khmer": ["ភ្លៀងធ្លាក់។", "ឆ្មាដេក។", "ព្រឹក"],
    "tibetan": ["ཆར་པ་བབས།", "ཟླ་བ་མེད། །", "ཞི་མི་ཉལ།"],
    "italics": ["It _rained_.", "_Nobody_ came.", "*Why*?", "(No one knew.)"],
    "dialogue": ["— Иди сюда!", "— Зачем?", "– Non.", "– Si!"],
}


@pytest.mark.parametrize("script", SCRIPTS)
def test_sentences_of_a_script(script: str) -> None:
    sentences = SCRIPTS[script]
    glue = "" if script in ("japanese", "burmese") else " "
    assert [piece.strip() for piece in split_sentences(glue.join(sentences))] == sentences


@pytest.mark.parametrize(
    "sentence",
    [
        "Herr Dr. Olm kam am 3. Mai mit Fr. Ude und blieb bis zum 5. Tag.",
        "Im 12. Jahrhundert, d. h. z. B. um 1150, gab es ca. Zehn davon, bzw. Zwanzig.",
        "Das 2. Haus der 3. Straße.",
        "M. Ort et Mme. Lys vont av. Rollin avec MM. Brun.",
        "La Sra. Paz y el Sr. Gil, núm. 4, ven a Ud. Mañana no.",
        "Il Sig. Neri, il Dott. Bini e la p. 5.",
        "В 1820 г. Иван, т.е. А. П. Зуев, и др. Люди из ул. Новой.",
        "Хлеб, соль и т.д. Всё было.",
        "Mr. A. B. Orr of the U.S. Navy.",
        "1. The cat slept on the mat",
        "พ.ศ. ๒๕๔๐ ฝนตก",
        "“Nein!“ rief sie, »ja?« sagte er, „so?“ fragte er",
        "« Vraiment ! » dit-elle, « Non ? » cria-t-il",
        "— Стой! — крикнул он",
        "Well… perhaps, он… может быть, je… sais",
        "¿Sí? preguntó; ¡ay! dijo",
    ],
)
def test_what_does_not_end_a_sentence(sentence: str) -> None:
    assert split_sentences(sentence) == [sentence]


def test_a_greek_semicolon_is_a_question_mark_and_a_latin_one_is_not() -> None:
    assert split_sentences("Πού πας; Εδώ.") == ["Πού πας;", " Εδώ."]
    assert split_sentences("The cat; The dog") == ["The cat; The dog"]


def test_thai_is_cut_at_spaces_only_where_it_is_long() -> None:
    clause = "แมวนอนอยู่บนหลังคาบ้าน"
    assert split_sentences(f"{clause} {clause}") == [f"{clause} {clause}"]
    long = split_sentences(" ".join([clause] * 100))
    assert len(long) == 3 and all(piece.strip().endswith(clause) for piece in long)


def test_japanese_pieces_are_joined_without_spaces() -> None:
    assert join_sentences(["雨がふる", "ねこがねる"]) == "雨がふるねこがねる"
    assert join_sentences(["비가 왔다.", "달."]) == "비가 왔다. 달."


alphabet = st.sampled_from([*"aÉя가あ中ก.!?;…؟।»«„“\"' \u00a0,—12A", "z.B", "№ ", "г. ", "\u0301", "\u200d", "།"])


@settings(max_examples=300, deadline=None)
@given(st.lists(alphabet, max_size=60).map("".join))
def test_the_sentences_of_any_paragraph_are_the_paragraph(paragraph: str) -> None:
    pieces = split_sentences(paragraph)
    assert "".join(pieces) == paragraph
    assert all(pieces) and max(map(len, pieces), default=0) <= LONGEST


def test_chapters_of_other_scripts_have_their_sentences() -> None:
    result = clean("\n".join([" ".join(SCRIPTS["russian"]), " ".join(SCRIPTS["arabic"]), " ".join(SCRIPTS["spanish"])]))
    assert result.text.split("\n") == [*SCRIPTS["russian"], *SCRIPTS["arabic"], *SCRIPTS["spanish"]]
