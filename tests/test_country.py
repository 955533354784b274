"""The country that words make likely, and what is never guessed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.enrich.country import guess_country


@pytest.mark.parametrize(
    ("text", "country"),
    [
        ("รถสวยมากครับ", "TH"),
        ("LEPAS สวยมาก", "TH"),
        ("かわいい車ですね", "JP"),
        ("チェリー最高", "JP"),
        ("정말 멋지다", "KR"),
        ("מכונית יפה מאוד", "IL"),
        ("ძალიან ლამაზი", "GE"),
        ("շատ գեղեցիկ", "AM"),
        ("ឡានស្អាតណាស់", "KH"),
        ("ລົດງາມຫຼາຍ", "LA"),
        ("ကားလှတယ်", "MM"),
        ("ලස්සන කාර් එකක්", "LK"),
        ("ቆንጆ መኪና", "ET"),
        ("πολύ ωραίο αυτοκίνητο", "GR"),
        ("చాలా బాగుంది", "IN"),
        ("یہ گاڑی بڑی اچھی ہے", "PK"),
        ("дуже гарна машина, її колір", "UA"),
        ("її колір є гарним", "UA"),
        ("вельмі прыгожы аўтамабіль", "BY"),
        ("өте әдемі көлік, ұнады", "KZ"),
        ("xe này đẹp quá, bao giờ về Việt Nam vậy", "VN"),
        ("çok güzel bir araba, ne zaman geliyor şaşırdım", "TR"),
        ("ışığı çok güzel", "TR"),
        ("Ağır başlı bir şoför", "TR"),
        ("bu maşın çox gözəldir, əla", "AZ"),
        ("świetny samochód, bardzo ładny", "PL"),
        ("nagyon szép autó, győztes színű", "HU"),
        ("gyönyörű, őszinte dicsőség", "HU"),
        ("příští rok to bude můj vůz", "CZ"),
        ("þetta er fallegt, sagði hann", "IS"),
    ],
)
def test_letters_that_belong_to_one_country_make_a_guess(text, country):
    assert guess_country(text) == country


@pytest.mark.parametrize(
    "text",
    [
        "qué bonito, ¿cuándo llega?", "السيارة جميلة جدا", "nice car", "这车真好看", "這台車真好看", "красивая машина", "carro muito bonito, não é?",
        "quelle belle voiture", "schönes Auto, grüße", "यह गाड़ी अच्छी है", "গাড়িটা সুন্দর", "நல்ல கார்", "¯\\_(ツ)_/¯", "(*´ω｀*)", "ヽ(´▽`)ノ", "Σ(°△°|||)",
        "優の良品", "( ค_ค)ว", "ಠ_ಠ", "😂😂", "", "!!!", "12345", "ə", "ğ", "ł", "Київ", "Erdoğan", "Dvořák", "Erdős", "α β γ",
    ],
)  # fmt: skip
def test_what_many_countries_share_or_an_emoticon_uses_makes_no_guess(text):
    assert guess_country(text) is None


@pytest.mark.parametrize(
    ("language", "country"),
    [
        ("th", "TH"), ("ja-JP", "JP"), ("id", "ID"), ("in", "ID"), ("vi", "VN"), ("tr", "TR"), ("pt-BR", "BR"), ("pt", None), ("zh", None),
        ("zh-Hant-TW", "TW"), ("zh_CN", "CN"), ("es-MX", "MX"), ("es-419", None), ("es", None), ("en", None), ("en-US", None), ("ar", None),
        ("ru", None), ("fr", None), ("de", None), ("und", None), ("", None), ("x-TH", None), ("fil", "PH"), ("uk", "UA"), ("HE", "IL"),
    ],
)  # fmt: skip
def test_a_language_hint_makes_a_guess_only_where_one_country_is_likely(language, country):
    assert guess_country("hello", language) == country


def test_letters_tell_more_than_the_hint():
    """Many clients send the language of the phone, not of the words."""
    assert guess_country("รถสวยมากครับ", "ja") == "TH"


ANYTHING = st.text(st.characters(exclude_categories=()), max_size=30)


@given(ANYTHING, st.none() | ANYTHING)
def test_nothing_raises_and_every_code_is_two_capitals(text, language):
    country = guess_country(text, language)
    assert country is None or (len(country) == 2 and country.isascii() and country.isupper() and country != "ZZ")
