"""Normalising for matching, the map back to the original, and what a screen may show."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from monitor.enrich.normalise import MAX_BYTES, MAX_GRAPHEMES, MAX_MARKS, display, normalise, offsets

TEXT = st.text(st.characters(exclude_categories=()), max_size=60)
"""Any code point, lone surrogates too."""
NASTY = st.text(
    st.sampled_from(
        "aAiIİıßſΐΰẚǰŉ\u0307\u0301\u0345\u200b\u200d\ufe0f\U000e0000\u00ad أإىةکﷺلﻻ\u064b각가ﾊﾟが́ё-‑_'’ \n\u3000\u1160\u115f´"
    ),
    max_size=12,
)


# --- for matching -----------------------------------------------------------------------------------------------------


@given(TEXT | NASTY)
@example("ΐ")  # folding takes it apart and composing puts it together again
@example("e\u200b\u0301")
@example("i\u0307\u0307")
@example("ё\u0308")
def test_normalising_twice_changes_nothing(text):
    once = normalise(text)
    assert normalise(once) == once


def test_normalising_twice_changes_nothing_for_every_character_there_is():
    everything = map(chr, (*range(0x30000), *range(0xE0000, 0xE1000)))  # beyond: nothing assigned, or private
    again = [hex(ord(char)) for char in everything if (once := normalise(char)) != char and normalise(once) != once]
    assert again == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("CHERY", "chery"),
        ("ＣＨＥＲＹ　ＳＵＶ", "chery suv"),
        ("𝓒𝓱𝓮𝓻𝔂", "chery"),
        ("ⒸⒽⒺⓇⓎ", "chery"),
        ("STRASSE", "straße"),
        ("ΟΔΟΣ", "οδος"),
        ("İSTANBUL", "istanbul"),
        ("ISPARTA", "ısparta"),
        ("HİBRİT", "hibrit"),
        ("hıbrıt", "HIBRIT"),
        ("Ёлка", "елка"),
        ("السَّيَّارَةُ", "السياره"),
        ("أإآٱ", "اااا"),
        ("هجينى", "هجيني"),
        ("کیف", "كيف"),
        ("هـــجين", "هجين"),
        ("٢٠٢٦ ۲۰۲۶", "2026 2026"),
        ("ch\u200be\u00adr\ufeffy", "chery"),
        ("chery \U000e0000", "chery"),
        ("\u202echery\u202c", "chery"),
        ("c\U000e0063h\ufe0fery", "chery"),
        ("ﾊｲﾌﾞﾘｯﾄﾞ", "ハイブリッド"),
        ("super\u2011hybrid", "super-hybrid"),
        ("Chery’s", "chery's"),
        ("a\t b\n\nc\u00a0d\u3000e\u2028f", "a b c d e f"),
        ("e\u0301", "é"),
        ("e\u200b\u0301", "é"),
        ("a\x00b\x07c", "abc"),
        ("a\ud83db", "ab"),
    ],
)
def test_what_a_reader_takes_for_the_same_word_is_the_same(one, other):
    assert normalise(one) == normalise(other)


@pytest.mark.parametrize(
    ("one", "other"), [("lépas", "lepas"), ("cherry", "chery"), ("й", "и"), ("ق", "ك"), ("は", "ば"), ("ç", "c"), ("ก่", "ก้")]
)
def test_what_a_reader_tells_apart_stays_apart(one, other):
    assert normalise(one) != normalise(other)


@given(st.text(st.characters(max_codepoint=127), max_size=30))
def test_the_short_way_for_ascii_gives_what_the_long_way_gives(text):
    assert normalise(text) == normalise(text + "\u200b")


@given(TEXT | NASTY)
def test_every_normalised_character_has_a_source_and_sources_keep_their_order(text):
    starts, ends = offsets(text)
    assert len(starts) == len(ends) == len(normalise(text))
    assert starts == sorted(starts)
    assert ends == sorted(ends)
    assert all(0 <= start < end <= len(text) for start, end in zip(starts, ends, strict=True))


@pytest.mark.parametrize("text", ["Ａ\u200bＢ  c", "ﷺ x", "السَّيَّارَةُ", "e\u0301é ﾊﾟ", " \n chery\U000e0000 ", "Iİıi", "한글 각"])
def test_the_source_of_a_character_normalises_to_it(text):
    """Not the fallback, which would name the whole text."""
    starts, ends = offsets(text)
    for char, start, end in zip(normalise(text), starts, ends, strict=True):
        assert char == " " or char in normalise(text[start:end])
        assert end - start < len(text)


# --- for showing ------------------------------------------------------------------------------------------------------


@given(TEXT | NASTY)
def test_displaying_twice_changes_nothing(text):
    assert display(display(text)) == display(text)


FORBIDDEN = {*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C, 0xFEFF}


@given(TEXT | st.text(st.sampled_from("aא\u202e\u2066\u200f\u061c\ufeff\U000e0041\x1b\x00\r\n\t\u0301"), max_size=20))
def test_nothing_that_turns_the_line_or_hides_in_it_is_shown(text):
    shown = display(text)
    assert not [hex(ord(char)) for char in shown if ord(char) in FORBIDDEN or 0xE0000 <= ord(char) <= 0xE007F]
    shown.encode()  # no lone surrogates


@given(st.text(st.sampled_from("ab\u0301\u0316\u20dd\u0e49"), max_size=40))
def test_a_base_keeps_at_most_four_marks(text):
    run = 0
    for char in unicodedata.normalize("NFC", display(text)):
        run = run + 1 if unicodedata.category(char)[0] == "M" else 0
        assert run <= MAX_MARKS


@given(st.text(st.sampled_from("aé汉🚗👩\u200d🚒\U0001f3fd🇧🇷ก็"), max_size=900))
def test_a_long_text_is_cut_and_its_beginning_is_shown(text):
    shown = display(text)
    assert len(shown.encode()) <= MAX_BYTES
    assert text.startswith(shown)
    assert len(shown) >= min(len(text), MAX_GRAPHEMES)


@pytest.mark.parametrize(
    "grapheme",
    [
        "a",
        "汉",
        "👩\u200d🚒",
        "👨\u200d👩\u200d👧\u200d👦",
        "👍\U0001f3fd",
        "🇧🇷",
        "❤\ufe0f",
        "q\u0316",
        "กี่",
        "\u1112\u1161\u11ab",
        "ก\u0e33",
    ],
)
def test_graphemes_are_counted_as_people_see_them(grapheme):
    whole = unicodedata.normalize("NFC", grapheme)
    most = min(MAX_GRAPHEMES, MAX_BYTES // len(whole.encode()))
    shown = display(grapheme * (MAX_GRAPHEMES + 5))
    assert shown == whole * most


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("two\nlines\tand a tab", "two lines and a tab"),
        ("\u202egnihtyna", "gnihtyna"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("👨\u200d👩\u200d👧 ❤\ufe0f", "👨\u200d👩\u200d👧 ❤\ufe0f"),
        ("q" + "\u0301" * 9 + "w", "q" + "\u0301" * 4 + "w"),
        ("hi \U000e0000", "hi "),
        ("e\u0301", "é"),
        ("CHERY   Tiggo", "CHERY   Tiggo"),
        ("\x1b[31mred", "[31mred"),
    ],
)
def test_a_text_is_shown_in_its_own_words(text, shown):
    assert display(text) == shown
