"""Stop strings: found wherever they are, never shown, whatever the pieces."""

from hypothesis import given
from hypothesis import strategies as st

from modou.generate.stops import StopStrings


def shown(pieces: list[str], stops: list[str]) -> tuple[str, bool]:
    watch = StopStrings(stops)
    text = ""
    for piece in pieces:
        released, stopped = watch.push(piece)
        text += released
        if stopped:
            return text, True
    return text + watch.rest(), False


def cut(text: str, stops: list[str]) -> tuple[str, bool]:
    """By definition: up to the stop string that is complete first, the longer of two."""
    for end in range(len(text) + 1):
        found = [stop for stop in stops if text[:end].endswith(stop)]
        if found:
            return text[: end - max(map(len, found))], True
    return text, False


def test_a_stop_string_after_a_false_start_is_found() -> None:
    assert shown(list("AAAB"), ["AAB"]) == ("A", True)
    assert shown(["豆", "豆", "豆芽"], ["豆豆芽"]) == ("豆", True)


def test_text_that_may_begin_a_stop_string_is_held_back_and_then_shown() -> None:
    watch = StopStrings(["\n问："])
    assert watch.push("答\n问") == ("答", False)
    assert watch.push("路") == ("\n问路", False)
    assert watch.push("\n") == ("", False)
    assert watch.rest() == "\n"


@given(
    st.lists(st.text("ab豆", max_size=4), max_size=12),
    st.lists(st.text("ab豆", min_size=1, max_size=4), max_size=3),
)
def test_any_pieces_give_what_the_whole_text_gives(pieces: list[str], stops: list[str]) -> None:
    assert shown(pieces, stops) == cut("".join(pieces), stops)


@given(st.lists(st.text("ab", max_size=3), max_size=12), st.lists(st.text("ab", min_size=1, max_size=4), min_size=1))
def test_a_stop_string_is_never_shown(pieces: list[str], stops: list[str]) -> None:
    text, stopped = shown(pieces, stops)
    whole = "".join(pieces)
    assert whole.startswith(text)
    assert stopped or not any(stop in whole for stop in stops)
    assert not any(stop in text for stop in stops)
