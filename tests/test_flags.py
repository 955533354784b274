"""The keyword bank: severity, the place in the original text, and that the shipped bank stays quiet on ordinary chat."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.config import KeywordRule, Topic, load
from monitor.enrich.normalise import normalise
from monitor.enrich.topics import Flag, Matcher

SHIPPED = load(Path(__file__).parent.parent / "config.toml")
MATCHER = Matcher(SHIPPED.topics, SHIPPED.rules)


def rule(name, severity, *phrases, **more):
    return KeywordRule(id=name, severity=severity, phrases={"*": phrases}, **more)


def rules_hit(text):
    return {flag.rule for flag in MATCHER.match(text).flags}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("join  T.ME/abc now", "T.ME/"),
        ("join t\u200b.\u200bme/abc", "t\u200b.\u200bme/"),
        ("ｔ．ｍｅ／ａｂｃ", "ｔ．ｍｅ／"),
        ("🔥🔥 ＦＲＥＥ　Ｖ－ＢＵＣＫＳ", "ＦＲＥＥ　Ｖ－ＢＵＣＫＳ"),
        ("\U000e0000\U000e0000free\n\n v_bucks!", "free\n\n v_bucks"),
        ("ﷺ free v-bucks", "free v-bucks"),
        ("e\u0301 free v-bucks", "free v-bucks"),
        ("٣ فـــري", "فـــري"),
        ("وفَرِي", "فَرِي"),
    ],
)
def test_the_span_shows_the_hit_in_the_original_text(text, shown):
    (flag,) = Matcher(rules=[rule("it", 3, "t.me/", "free v-bucks", "فري")]).match(text).flags
    assert text[slice(*flag.span)] == shown


NOISE = st.text(st.sampled_from("aB 　\u200b\U000e0000ßﷺİ😂中\u0301-\n"), max_size=8)


@given(NOISE, NOISE)
def test_the_span_normalises_to_the_phrase_wherever_it_stands(before, after):
    text = f"{before} | sPaM wOrD | {after}"
    (flag,) = Matcher(rules=[rule("it", 1, "spam word")]).match(text).flags
    assert normalise(text[slice(*flag.span)]) == "spam word"


def test_a_rule_flags_once_with_its_first_and_longest_hit():
    (flag,) = Matcher(rules=[rule("it", 2, "kill you", "kill you all", "all")]).match("they kill you all, all").flags
    assert flag == Flag("it", 2, (5, 17))


def test_the_gravest_flag_comes_first():
    found = Matcher(rules=[rule("a", 1, "one"), rule("b", 4, "two"), rule("c", 4, "zero")]).match("one two zero")
    assert [flag.rule for flag in found.flags] == ["b", "c", "a"]


def test_excluded_words_raise_no_flag():
    matcher = Matcher(rules=[rule("it", 3, "free iphone", exclude={"en": ("no free iphone",)})])
    assert matcher.match("sorry, no free iphone here").flags == ()
    assert [flag.rule for flag in matcher.match("no free iphone? free iphone!").flags] == ["it"]


def test_topics_and_flags_come_from_one_pass_and_share_phrases():
    found = Matcher([Topic(id="it", name={}, phrases={"*": ("chery",)})], [rule("bad", 1, "chery")]).match("my chery")
    assert (found.topics, found.flags) == (("it",), (Flag("bad", 1, (3, 8)),))


def test_a_flag_is_written_as_the_manual_says():
    assert msgspec.json.encode(Flag("scam", 3, (2, 9))) == b'{"rule":"scam","severity":3,"span":[2,9]}'


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("FREE V-BUCKS here", "giveaway-scam"), ("robux gratis ya", "giveaway-scam"), ("刷单返利日结", "giveaway-scam"), ("สมัครรับเครดิตฟรี", "giveaway-scam"),
        ("https://t.me/promo", "contact-bait"), ("WhatsApp +49 170", "contact-bait"), ("whatsapp+49", "contact-bait"), ("想赚钱加微信", "contact-bait"),
        ("use my promo code", "contact-bait"), ("Best viewers on cheap", "contact-bait"), ("пиши в телегу", "contact-bait"), ("كلمني واتساب +966", "contact-bait"),
        ("i want to die", "self-harm"), ("quiero matarme", "self-harm"), ("我真的不想活了", "self-harm"), ("хочу умереть", "self-harm"),
        ("i'll kill you", "threat"), ("I’LL KILL YOU", "threat"), ("te voy a matar", "threat"), ("я тебя убью", "threat"), ("seni öldüreceğim", "threat"),
        ("SENİ ÖLDÜRECEĞİM", "threat"), ("سأقتلك", "threat"), ("وسأقتلك", "threat"), ("kys", "threat"),
        ("what an idiot", "insult"), ("qué idiotas", "insult"), ("主播脑残吧", "insult"), ("يا غبي", "insult"), ("dasar goblok", "insult"), ("gerizekalı", "insult"),
    ],
)  # fmt: skip
def test_the_shipped_bank_finds(text, name):
    assert name in rules_hit(text)


@pytest.mark.parametrize(
    "text",
    [
        "this beat kills me every time lol", "I want to die laughing", "我想死你了", "idiomatic English", "skyscraper views", "the monkeys are cute",
        "free parking at the venue", "my whatsapp is broken", "WeChat or Weibo?", "他加入微信群了", "matador de toros", "killer design", "hello from Skye",
        "بسم الله", "حمار وحشي في الحديقة", "kilometre başına yakıt", "bodoh la aku lupa", "shoot the video from up there", "bombastic show",
        "promocionar el auto", "t.men's fashion", "what is the price of the omoda", "gg wp", "",
    ],
)  # fmt: skip
def test_the_shipped_bank_leaves_ordinary_chat_alone(text):
    assert rules_hit(text) == set()


def test_what_threatens_a_life_is_most_urgent():
    assert {rule.id for rule in SHIPPED.rules if rule.severity == 4} == {"self-harm", "threat"}


@given(st.text(st.characters(exclude_categories=()), max_size=20), st.sampled_from(["kys", "t.me/", "白痴", "idiot", "يا غبي"]))
def test_spans_lie_inside_the_text(text, phrase):
    said = f"{text} {phrase} {text}"
    for flag in MATCHER.match(said).flags:
        start, end = flag.span
        assert 0 <= start < end <= len(said)
