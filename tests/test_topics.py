"""Topics: the traps of the shipped pack, where a phrase may stand in each script, contexts, and what the cache must not change."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.config import Topic, load
from monitor.enrich.topics import LANGUAGES_REMEMBERED, LONGEST_CACHED, Match, Matcher, language_code, likely_languages

SHIPPED = load(Path(__file__).parent.parent / "config.toml")
MATCHER = Matcher(SHIPPED.topics)


def topic(name="it", *phrases, languages=None, **more):
    return Topic(id=name, name={"*": name}, phrases=languages or {"*": phrases}, **more)


def topics(text, *languages, matcher=MATCHER):
    return set(matcher.match(text, languages).topics)


def holds(text, *phrases, **more):
    return topics(text, matcher=Matcher([topic("it", *phrases, **more)])) == {"it"}


# --- sentences as people write them, with the shipped topics -----------------------------------------------------------

SENTENCES = [
    # languages, text, topics
    ("en", "CHERY to the moon!!", "chery"),
    ("en", "Chery's new plant is huge", "chery"),
    ("en", "two Cherys in our street already", "chery"),
    ("en", "cherry blossoms behind the stage", ""),
    ("en", "Cheryl you were great today", ""),
    ("en", "hi @cheryl_91 nice stream", ""),
    ("en", "the chery on top", ""),
    ("es", "tomates cherys con pan", ""),
    ("es", "tomates chery con pan", ""),
    ("bg", "чери домати на промоция", ""),
    ("bg", "видях чери на пътя", "chery"),
    ("ar", "سلطة طماطم شيري", ""),
    ("ar", "شيري أفضل من غيرها", "chery"),
    ("ar", "أعجبتني والشيري الجديدة", "chery"),
    ("ar", "بشيري نسافر", "chery"),
    ("ar", "تبشيري", ""),  # a word of its own
    ("zh", "我家的奇瑞开了十年", "chery"),
    ("zh", "瑞虎8真不错", "chery"),
    ("ru", "Чери или Тигго, что лучше?", "chery"),
    ("en", "Tiggo8 or Arrizo 5?", "chery"),
    ("en", "this exeeds all I hoped for", ""),
    ("en", "do not exceed the limit", ""),
    ("en", "you exeed expectations", ""),
    ("en", "exeed the speed limit and pay", ""),
    ("en", "EXEED RX at the booth, wow", "exeed"),
    ("zh", "祝她星途璀璨", ""),
    ("zh", "星途揽月到店了", "exeed"),
    ("ar", "ثاني أكسيد الكربون", ""),
    ("ar", "سيارة إكسيد الجديدة", "exeed"),
    ("en", "omoda5 in green please", "omoda"),
    ("en", "JAECOO 7 off road", "omoda"),
    ("th", "โอโมด้าสวยมาก", "omoda"),
    ("nl", "ik koop bij Omoda schoenen", ""),
    ("en", "O&J family", "omoda"),
    ("en", "iCAUR 03 in orange", "icaur"),
    ("en", "I-CAUR or i caur?", "icaur"),
    ("en", "Icarus flew too high", ""),
    ("zh", "理智界限在哪里", ""),
    ("zh", "智界R7看起来很稳", "luxeed"),
    ("en", "Luxeed is here", "luxeed"),
    # the everyday word
    ("id", "aku mau lepas jaket dulu", ""),
    ("id", "LEPAS SEMUA BEBAN", ""),
    ("id", "mobil LEPAS ini keren", "lepas"),
    ("id", "LEPAS L8 kapan masuk sini", "lepas"),
    ("id", "pesawat lepas landas, mobil menunggu", ""),
    ("id", "pelan pelan lepas kopling mobil", ""),
    ("ms", "lepas tu kita tengok kereta", ""),
    ("ms", "selepas itu kereta pun datang", ""),
    ("ms", "kereta Lepas cantik", "lepas"),
    ("id", "sudah test drive, Lepas itu mulus", "lepas"),
    ("ms-MY", "dah lepas ke belum", ""),
    ("en", "LEPAS looks elegant", "lepas"),
    ("zh", "LEPAS这个品牌好优雅", "lepas"),
    ("en,id", "lepas lagi", ""),  # a livestream in two languages, one of them with the trap
    # what is unknown
    ("", "lepas lagi dong", ""),
    ("", "Lepas!", ""),
    ("", "#lepas", "lepas"),
    ("", "@lepas_official hello", "lepas"),
    ("", "喜欢LEPAS", "lepas"),
    ("", "LEPAS รุ่นนี้สวย", "lepas"),
    ("", "new suv from lepas", "lepas"),
    # technology and themes
    ("en", "the super-hybrid engine, wow", "hybrid"),
    ("en", "hybrids are quiet", "hybrid"),
    ("en", "I do hybrid work on Mondays", ""),
    ("en", "CSH, the Chery Super Hybrid", "chery hybrid"),
    ("es", "el híbrido y los híbridos", "hybrid"),
    ("es", "hibrido enchufable", "hybrid"),
    ("pt", "qual o preço do híbrido?", "hybrid"),
    ("ru", "гибридный мотор тянет", "hybrid"),
    ("uk", "це гібридна машина", "hybrid"),
    ("tr", "HİBRİT ARABA", "hybrid"),
    ("tr", "hıbrıt araba", "hybrid"),
    ("ar", "السيارة الهجينة رائعة", "hybrid"),
    ("ar", "سَيّارَةٌ هَجِينَة", "hybrid"),
    ("zh", "这台混动车油耗低", "hybrid"),
    ("th", "รถไฮบริดประหยัดน้ำมัน", "hybrid"),
    ("vi", "xe lai điện có tốt không", "hybrid"),
    ("ja", "ハイブリッドがほしい", "hybrid"),
    ("it", "una bella ibrida", "hybrid"),
    ("en", "that robot waved at me", "robots"),
    ("en", "AiMOGA on stage", "robots"),
    ("ru", "коробка робот сломалась", ""),
    ("ru", "роботы танцуют", "robots"),
    ("uk", "моя робота починається о восьмій", ""),
    ("pl", "roboty drogowe na naszej ulicy", ""),
    ("th", "เจคูเป็นรถที่สวย", "omoda"),
    ("zh", "這台機器人會跳舞", "robots"),
    ("de", "autonomes Fahren im Regen", "driving"),
    ("ar", "والروبوت يرقص", "robots"),
    ("vi", "con rô-bốt dễ thương", "robots"),
    ("zh", "机器人跳舞了", "robots"),
    ("zh", "请理智驾驶", ""),
    ("zh", "智驾体验很好", "driving"),
    ("en", "self-driving to the stage", "driving"),
    ("vi", "thuê xe tự lái ở đâu", ""),
    ("vi", "công nghệ tự lái", "driving"),
    ("fr", "la conduite autonome me fait peur", "driving"),
    ("ar", "القيادة الذاتية قادمة", "driving"),
    ("en", "ESG panel now", "esg"),
    ("es", "sostenibilidad ante todo", "esg"),
    ("en", "the smart factory tour starts", "factory"),
    ("id", "pabrik pintar itu luas", "factory"),
    ("zh", "玩极品飞车长大的", ""),
    ("zh", "飞行汽车来了", "flying"),
    ("es", "autos voladores ya", "flying"),
    ("en", "Co-Create. Co-Define.", "cocreation"),
    ("en", "co\u2011creating with users", "cocreation"),
    ("zh", "用户一起共创未来", "cocreation"),
    ("zh", "#奇瑞国际用户共创大会", "chery"),  # the event's name is no opinion about co-creation
    # hashtags
    ("en", "#CheryUserSummit2026", "chery"),
    ("en", "#cherysummit2026", "chery"),
    ("en", "#CheryTiggoFamily", "chery"),
    ("en", "#ILoveOMODA", "omoda"),
    ("en", "#iCAURLaunch", "icaur"),
    ("en", "#superhybrid", "hybrid"),
    ("en", "#chery_super_hybrid", "chery hybrid"),
    ("en", "#CherylCole", ""),
    ("en", "#cherylcole", ""),
    ("en", "superhybrid", ""),
    ("en", "#notahybrid", ""),
]


@pytest.mark.parametrize(("languages", "text", "expected"), SENTENCES, ids=[text for _, text, _ in SENTENCES])
def test_sentence(languages, text, expected):
    assert topics(text, *filter(None, languages.split(","))) == set(expected.split())


# --- where a phrase may stand -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("phrase", "text"),
    [
        ("car", "scar"), ("car", "card"), ("car", "carß"), ("кот", "который"), ("кот", "скот"), ("σπιτι", "σπιτιου"), ("كتب", "مكتبة"),
        ("रोबोट", "रोबोटिक"), ("सड", "सडे"), ("5g", "15g"), ("5g", "x5g"), ("v2", "v25"), ("car", "2car"), ("дом", "домe\u0301".replace("e", "а")),
        ("super hybrid", "super, hybrid"), ("super hybrid", "superhybrid"), ("super hybrid", "super-duper hybrid"), ("bus", "buss"),
        ("car", "carsick"), ("car", "#scar"), ("שלום", "שלומים"),
    ],
)  # fmt: skip
def test_part_of_a_longer_word_is_no_hit(phrase, text):
    assert not holds(text, phrase)


@pytest.mark.parametrize(
    ("phrase", "text"),
    [
        ("car", "car"), ("car", "CAR."), ("car", "¡car!"), ("car", "cars"), ("car", "car's"), ("car", "car’s"), ("car", "my_car_2"), ("car", "car5"),
        ("car", "看car的"), ("car", "รถcarสวย"), ("car", "الcar"), ("car", "car🚗"), ("car", "(car)"), ("car", "l'car"), ("car", "car-free"),
        ("car", "a\ncar\tb"), ("super hybrid", "super \u00a0 HYBRID"), ("super hybrid", "super-hybrid"), ("super-hybrid", "super hybrid"),
        ("super hybrid", "super_hybrid"), ("super hybrid", "super–hybrid"), ("super hybrid", "#superhybrid"), ("chery super hybrid", "#chery_superhybrid"), ("超级 混动", "超级混动"),
        ("超级 混动", "超级　混动"), ("超级混动", "真的超级混动啊"), ("奇瑞 car", "奇瑞car"), ("รถ", "ขับรถไป"), ("로봇", "로봇이"), ("ロボ", "ロボット"),
        ("ລົດ", "ຂັບລົດໄປ"), ("ឡាន", "បើកឡានទៅ"), ("ကား", "ကားမောင်း"), ("робот*", "роботизация"), ("t.me/", "https://t.me/x"), ("call +", "call +49"),
        ("שלום", "ושלום"), ("שלום", "והשלום"), ("كتاب", "وبالكتاب"), ("كتاب", "للكتاب"), ("كتاب", "فكتاب"), ("रोबोट", "यह रोबोट है"),
        ("#live", "so #live now"),
    ],
)  # fmt: skip
def test_a_word_of_its_own_is_a_hit(phrase, text):
    assert holds(text, phrase)


def test_overlapping_phrases_are_all_found():
    matcher = Matcher(
        [topic("a", "smart factory"), topic("b", "factory tour"), topic("c", "factory"), topic("d", "smart factory tour")]
    )
    assert matcher.match("our smart factory tour").topics == ("a", "b", "c", "d")


def test_topics_come_sorted_and_once():
    matcher = Matcher([topic("z", "one", "two"), topic("a", "two")])
    assert matcher.match("two one two one").topics == ("a", "z")


def test_one_phrase_may_belong_to_several_topics():
    assert Matcher([topic("a", "tiggo"), topic("b", "tiggo")]).match("tiggo").topics == ("a", "b")


def test_a_hit_outside_the_excluded_words_still_counts():
    it = topic("it", "exeed", exclude={"en": ("exeed expectations",)})
    matcher = Matcher([it])
    assert matcher.match("exeed expectations").topics == ()
    assert matcher.match("exeed expectations, EXEED!").topics == ("it",)


def test_one_topic_s_exclusion_is_not_another_s():
    matcher = Matcher([topic("a", "exeed", exclude={"*": ("exeed all",)}), topic("b", "exeed")])
    assert matcher.match("exeed all").topics == ("b",)


def test_a_phrase_counts_in_every_language_whatever_it_is_listed_under():
    assert topics("híbrido", "de", matcher=Matcher([topic("it", languages={"es": ("híbrido",)})])) == {"it"}


# --- context ----------------------------------------------------------------------------------------------------------

FREE = topic("it", "lepas", context={"id": ("mobil",), "ms": ("kereta", "suv")})


@pytest.mark.parametrize(
    ("languages", "text", "counts"),
    [
        (("id",), "lepas", False),
        (("id",), "lepas mobil", True),
        (("id",), "lepas kereta", True),  # people mix neighbouring languages
        (("id",), "lepas otomobil", False),  # a context word is a word, too
        (("in",), "lepas", False),  # the old code of Indonesian
        (("ID-id",), "lepas", False),
        (("en", "id"), "lepas", False),
        (("id",), "#lepas", False),
        (("en",), "lepas", True),
        (("und",), "lepas", False),
        ((), "lepas", False),
        ((), "lepas suv", True),
        ((), "#lepas", True),
        ((), "лепас lepas", True),
    ],
)
def test_context_is_asked_for_where_the_language_says_so_or_is_unknown(languages, text, counts):
    assert (Matcher([FREE]).match(text, languages).topics == ("it",)) is counts


def test_context_for_all_languages_is_always_asked_for():
    matcher = Matcher([topic("it", "noa", context={"*": ("driving",)})])
    assert matcher.match("noa", ("en",)).topics == ()
    assert matcher.match("#noa").topics == ()
    assert matcher.match("noa driving", ("fr",)).topics == ("it",)


@pytest.mark.parametrize(
    ("hint", "roster", "languages"),
    [
        ("pt-BR", ("es",), ("pt",)),
        (None, ("es", "en-US"), ("es", "en")),
        ("und", ("id",), ("id",)),
        ("", (), ()),
        ("iw", (), ("he",)),
        ("zh_Hant", (), ("zh",)),
    ],
)
def test_the_platform_s_hint_comes_before_the_roster(hint, roster, languages):
    assert likely_languages(hint, roster) == languages


@given(st.text(max_size=12))
def test_any_language_tag_can_be_read(tag):
    code = language_code(tag)
    assert code is None or language_code(code) == code


# --- properties -------------------------------------------------------------------------------------------------------

SAID = st.sampled_from([text for _, text, expected in SENTENCES if expected and "#" not in text and "@" not in text])
INVISIBLE = ["\u200b", "\u200d", "\ufeff", "\U000e0000", "\u00ad", "\u2060", "\u202e", "\ufe0f"]


@given(SAID, st.sampled_from([str.upper, str.lower, str.title, str.swapcase]))
def test_case_does_not_matter(text, change):
    assert topics(change(text), "en") == topics(text, "en")


@given(SAID)
def test_full_width_letters_do_not_matter(text):
    wide = "".join(chr(ord(char) + 0xFEE0) if "!" <= char <= "~" else char for char in text)
    assert topics(wide, "en") == topics(text, "en")


@given(SAID, st.lists(st.tuples(st.integers(0, 60), st.sampled_from(INVISIBLE)), max_size=8))
def test_invisible_characters_do_not_matter(text, inserted):
    noisy = text
    for place, char in inserted:
        cut = place % (len(noisy) + 1)
        noisy = noisy[:cut] + char + noisy[cut:]
    assert topics(noisy, "en") == topics(text, "en")


@given(
    SAID,
    st.lists(st.sampled_from(["wow", "今天", "привет", "the", "ครับ", "نعم", "😍", "2026", "…", "de la"]), max_size=4),
    st.booleans(),
)
def test_unrelated_words_take_no_topic_away(text, words, before):
    said = " ".join([*words, text] if before else [text, *words])
    assert topics(said) >= topics(text)


PIECES = st.lists(
    st.sampled_from(["a", "b", "ab", "é", "中", "中a", "س", "ال", "1", " ", "-", "_", "#", "'", "s", "ก"]), max_size=10
)


@given(
    PIECES.map("".join),
    st.lists(st.sampled_from(["a", "ab", "a b", "中", "中a", "سس", "b*", "1a", "é s"]), min_size=1, max_size=4),
)
def test_each_phrase_is_found_whether_or_not_others_are_looked_for(text, phrases):
    together = Matcher([topic(str(number), phrase) for number, phrase in enumerate(phrases)]).match(text).topics
    alone = [str(number) for number, phrase in enumerate(phrases) if holds(text, phrase)]
    assert list(together) == sorted(alone)


@given(st.text(st.characters(exclude_categories=()), max_size=40))
def test_no_text_can_break_the_matcher(text):
    assert topics(text) <= {topic.id for topic in SHIPPED.topics}
    assert topics(text + " 🚗 chery") >= {"chery"}


# --- the cache --------------------------------------------------------------------------------------------------------


def test_a_text_heard_before_has_the_same_answer_in_each_language():
    matcher = Matcher([FREE])
    for _ in range(2):
        assert matcher.match("lepas", ("id",)).topics == ()
        assert matcher.match("lepas", ("en",)).topics == ("it",)
        assert matcher.match("lepas", ()).topics == ()


@given(st.lists(st.integers(0, 30), max_size=120))
def test_a_small_cache_forgets_but_never_errs(numbers):
    small = Matcher([topic("it", "chery")], remembered=8)
    for number in numbers:
        assert small.match(f"chery {number}").topics == ("it",)
        assert small.match(f"cherry {number}").topics == ()
    assert small.remembered() <= 8


def test_long_texts_and_invented_languages_do_not_fill_the_memory():
    matcher = Matcher([FREE], remembered=100)
    matcher.match("x" * (LONGEST_CACHED + 1))
    assert matcher.remembered() == 0
    for number in range(LANGUAGES_REMEMBERED * 2):
        matcher.match("hello", (f"x{number}",))
    assert matcher.remembered() == 1
    assert len(matcher._by_languages) <= LANGUAGES_REMEMBERED


def test_no_topics_at_all_is_fine():
    assert Matcher().match("anything") == Match((), ())
    assert Matcher([topic("it", "", "  ", "-", "*")]).match("anything - *").topics == ()
