"""The simulated crowd behaves like the real chats it was fitted to, and its words are what they say they are."""

from __future__ import annotations

import random
import statistics
import unicodedata
from collections import Counter, defaultdict
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.simulator.crowd import Crowd, extend
from connectors.simulator.model import SimChannel
from connectors.simulator.pace import LARGE, MID, SMALL, Pace, Programme, fall, manner_of, means, rush
from connectors.simulator.texts import NATIVE_EMOTES, TOPICS, Voices, base_language, load

PHRASES = load()
START = 1_800_000_000.0


def channels(count, countries=("ES", "GB", "AE", "CN"), languages=("es", "en", "ar", "zh")):
    return [
        SimChannel(
            livestream=f"twitch:c{n}",
            platform="twitch",
            handle=f"c{n}",
            country=countries[n % len(countries)],
            language=languages[n % len(languages)],
        )
        for n in range(count)
    ]


def crowd(count=40, rate=40.0, seed=1, **more):
    return Crowd(channels(count), random.Random(seed), PHRASES, rate=rate, start=START, **more)


def run(it, seconds):
    """Everything sent in so many seconds, in steps as the run loop takes them."""
    return [sent for second in range(1, seconds + 1) for sent in it.advance(START + second)]


@pytest.fixture(scope="module")
def half_hour():
    return run(crowd(), 1800)


def fano(counts, width):
    sums = [sum(counts[i : i + width]) for i in range(0, len(counts) - width + 1, width)]
    return statistics.variance(sums) / statistics.fmean(sums)


# Figures of the fit: variance/mean of the counts in windows of 1, 10 and 60 s. A Poisson crowd would have 1, 1, 1.
@pytest.mark.parametrize(
    ("mean", "manner", "fitted"), [(0.17, SMALL, (1.09, 1.4, 2.3)), (1.6, MID, (1.8, 7.3, 18)), (9, LARGE, (4.3, 12.5, 40))]
)
def test_counts_swing_as_in_real_chats_of_the_class(mean, manner, fitted):
    assert manner_of(mean) is manner
    found = []
    for seed in range(20):
        dice = random.Random(seed)
        pace = Pace(mean, manner, dice)
        counts = [pace.count(dice) for _ in range(4000)]
        found.append([fano(counts, width) for width in (1, 10, 60)])
    for value, target in zip(map(statistics.median, zip(*found, strict=True)), fitted, strict=True):
        assert target * 0.75 < value < target * 1.35


def test_the_average_of_all_livestreams_together_is_the_rate_asked_for(half_hour):
    counted = [sent for sent in half_hour if sent.kind not in ("copy", "mystery")]
    assert len(counted) == pytest.approx(40 * 1800, rel=0.03)


def test_the_average_holds_through_sessions_as_well():
    it = crowd(rate=20, sessions=[(START + 300, START + 900), (START + 1500, START + 2400)])
    run(it, 3600)
    assert it.sent == pytest.approx(20 * 3600, rel=0.06)


@given(count=st.integers(1, 50), rate=st.floats(0.1, 5000), seed=st.integers(0, 1000))
@settings(deadline=None)
def test_mean_rates_add_up_to_the_rate_and_none_is_negative(count, rate, seed):
    found = means(random.Random(seed), count, rate)
    assert sum(found) == pytest.approx(rate)
    assert min(found) >= 0


def test_few_livestreams_carry_most_and_some_are_silent():
    found = sorted(means(random.Random(3), 1200, 1020), reverse=True)
    assert 0.05 < found.count(0.0) / 1200 < 0.11
    assert 0.2 < sum(found[:12]) / 1020 < 0.5
    assert max(found) <= 60.0


def test_a_session_begins_with_a_rush_and_ends_with_a_fall():
    assert rush(30) > 2.5
    assert 1.9 < rush(243) < 2.1  # half of the rush is gone
    assert fall(120) == pytest.approx(0.35)
    programme = Programme([(START, START + 3600)], random.Random(1))
    before = programme.factor(START - 60, 0.0, 0)
    assert programme.factor(START + 30, 0.0, 0) > 3 * before
    assert programme.factor(START + 3600 + 125, 0.0, 0) < 0.4
    assert Programme([], random.Random(1)).factor(START, 0.0, 0) == 1.0


def test_the_crowd_is_heard_to_react_when_a_session_begins():
    ratios = []
    for seed in range(5):
        sents = run(crowd(rate=30, seed=seed, sessions=[(START + 300, START + 3000)]), 400)
        before = sum(START + 200 < sent.at / 1000 < START + 270 for sent in sents) / 70
        ratios.append(sum(START + 320 < sent.at / 1000 < START + 390 for sent in sents) / 70 / before)
    assert 1.4 < statistics.median(ratios) < 4


def test_the_same_seed_says_the_same_and_a_new_run_has_other_ids():
    def told(run_id):
        return [(s.kind, s.at, s.room, s.text and s.text.text, s.native) for s in run(crowd(run=run_id), 30)]

    first, again, other = told("a" * 12), told("a" * 12), told("b" * 12)
    assert first == again
    assert [line[:4] for line in first] == [line[:4] for line in other]
    assert not {line[4] for line in first if line[4]} & {line[4] for line in other if line[4]}


def test_no_id_is_given_twice(half_hour):
    ids = [sent.native for sent in half_hour if sent.native]
    assert len(ids) == len(set(ids))


def test_time_never_runs_backwards_by_more_than_a_step(half_hour):
    assert all(later.at - earlier.at > -110 for earlier, later in pairwise(half_hour))


def test_after_a_pause_nothing_old_is_sent():
    it = crowd()
    run(it, 90)
    sents = it.advance(START + 5000.0)
    sents += [sent for tenth in range(1, 900) for sent in it.advance(START + 5000.0 + tenth / 10)]
    assert len(sents) < 90 * 40 * 3
    assert min(sent.at for sent in sents) >= (START + 5000 - 1.5) * 1000
    assert any(sent.kind == "delete" for sent in sents)


def test_people_write_as_unevenly_as_in_real_chats(half_hour):
    by_person = Counter((sent.room, sent.member.user_id) for sent in half_hour if sent.kind == "message")
    once = sum(count == 1 for count in by_person.values()) / len(by_person)
    top = sorted(by_person.values(), reverse=True)
    assert 0.30 < once < 0.62
    assert sum(top[: len(top) // 100]) / sum(top) > 0.05
    per_minute = defaultdict(set)
    messages = Counter()
    for sent in half_hour:
        if sent.kind == "message":
            per_minute[sent.room, sent.at // 60_000].add(sent.member.user_id)
            messages[sent.room, sent.at // 60_000] += 1
    assert 0.6 < sum(map(len, per_minute.values())) / sum(messages.values()) < 0.97


def test_slow_mode_is_a_hard_floor():
    it = crowd(count=3, rate=30)
    slow = {room.index: room.gap_floor for room in it.rooms if room.gap_floor >= 10}
    last = {}
    gaps = []
    for sent in run(it, 600):
        if sent.kind == "message" and sent.room in slow and not sent.member.known:
            key = (sent.room, sent.member.user_id)
            if key in last:
                gaps.append((sent.at - last[key]) / 1000 - slow[sent.room])
            last[key] = sent.at
    assert len(gaps) > 100
    assert min(gaps) >= -0.001


def test_some_people_write_in_more_than_one_livestream(half_hour):
    rooms = defaultdict(set)
    for sent in half_hour:
        if sent.kind == "message":
            rooms[sent.member.user_id].add(sent.room)
    assert 0.005 < sum(len(found) > 1 for found in rooms.values()) / len(rooms) < 0.08


def test_busy_chats_have_waves_of_equal_texts_from_different_people():
    it = crowd(count=4, rate=24)
    recent, crests, repeats, total = defaultdict(list), 0, 0, 0
    for sent in run(it, 600):
        if sent.kind != "message" or it.rooms[sent.room].pace.mean < 1:
            continue
        total += 1
        before = recent[sent.room, sent.text.text.casefold()]
        others = {who for at, who in before[-30:] if sent.at - at < 10_000} - {sent.member.user_id}
        repeats += bool(others)
        crests += len(others) >= 4
        before.append((sent.at, sent.member.user_id))
    assert 0.15 < repeats / total < 0.5
    assert 0.08 < crests / total < 0.4


def test_a_two_hundredth_is_deleted_within_a_minute(half_hour):
    deletes = [sent for sent in half_hour if sent.kind == "delete"]
    messages = sum(sent.kind == "message" for sent in half_hour)
    assert 0.003 < len(deletes) / messages < 0.007
    assert all(1000 <= sent.at - sent.target.at <= 60_000 for sent in deletes)
    said = {id(sent) for sent in half_hour if sent.kind == "message"}
    assert all(id(sent.target) in said for sent in deletes)


def test_nobody_who_gave_something_is_banned_and_the_banned_are_silent(half_hour):
    banned = {(sent.room, sent.member.user_id): sent.at for sent in half_hour if sent.kind == "ban"}
    assert banned
    assert not any(sent.member.known for sent in half_hour if sent.kind == "ban")
    gave = {(sent.room, sent.member.user_id) for sent in half_hour if sent.kind not in ("message", "delete", "ban", "copy")}
    assert not gave & set(banned)
    for sent in half_hour:
        at = banned.get((sent.room, sent.member.user_id)) if sent.member else None
        assert at is None or sent.kind == "copy" or sent.at <= at


def test_a_gift_of_many_is_one_announcement_and_as_many_gifts(half_hour):
    announced = [sent for sent in half_hour if sent.kind == "mystery"]
    assert announced
    given_ = Counter(id(sent.target) for sent in half_hour if sent.kind == "subgift" and sent.target)
    assert all(given_[id(sent)] == sent.units for sent in announced)


def test_a_fifth_of_the_texts_has_a_topic_and_countries_differ(half_hour):
    it = crowd()
    by_country = defaultdict(Counter)
    texts = [sent for sent in half_hour if sent.kind == "message"]
    for sent in texts:
        for topic in sent.text.topics:
            by_country[it.rooms[sent.room].country][topic] += 1
    assert 0.10 < sum(bool(sent.text.topics) for sent in texts) / len(texts) < 0.25
    shares = [{topic: found[topic] / found.total() for topic in TOPICS} for found in by_country.values()]
    assert max(max(share[t] for share in shares) / min(share[t] for share in shares) for t in TOPICS[:3]) > 1.5


def test_what_a_session_is_about_is_talked_about_more():
    voices = Voices(PHRASES, ["ES"], 3, random.Random(5))
    shares = []
    for session in (-1, 0, 1, 2):
        dice = random.Random(9)
        found = Counter(t for _ in range(4000) for t in voices.line(dice, "es", "ES", session).topics)
        shares.append({topic: found[topic] / found.total() for topic in TOPICS})
    for tilted in shares[1:]:
        assert sum(abs(tilted[topic] - shares[0][topic]) for topic in TOPICS) / 2 > 0.10  # chance alone gives 0.03


@pytest.mark.parametrize("language", sorted(PHRASES))
def test_every_language_is_complete_and_every_line_can_be_sent(language):
    phrases = PHRASES[language]
    assert min(map(len, (phrases.hello, phrases.cheer, phrases.say, phrases.ask, phrases.about, phrases.rude))) >= 2
    assert all(line.count("{}") == 1 for line in phrases.about)
    assert all(phrases.terms[topic] for topic in TOPICS)
    voices, dice = Voices(PHRASES, ["XX"], 0, random.Random(1)), random.Random(2)
    for _ in range(300):
        line = voices.line(dice, language, "XX", -1)
        assert 0 < len(line.text) <= 500
        assert not set(line.text) & set("\r\n\0")


@pytest.mark.parametrize(
    ("language", "script"),
    [("ar", "ARABIC"), ("zh", "CJK"), ("ru", "CYRILLIC"), ("th", "THAI"), ("he", "HEBREW"), ("ko", "HANGUL")],
)
def test_a_language_is_written_in_its_script(language, script):
    letters = [ch for part in PHRASES[language].say for ch in part if ch.isalpha()]
    assert sum(unicodedata.name(ch, "").startswith(script) for ch in letters) / len(letters) > 0.9


def test_emote_ranges_cover_exactly_the_emotes(half_hour):
    names = {number: name for name, number in NATIVE_EMOTES.items()}
    seen = 0
    for sent in half_hour:
        if sent.text and sent.text.emotes:
            number, spans = sent.text.emotes.split(":")
            for span in spans.split(","):
                first, last = map(int, span.split("-"))
                assert sent.text.text[first : last + 1] == names[number]
                seen += 1
    assert seen > 1000


def test_words_that_only_look_like_a_brand_are_among_them():
    found = " ".join(PHRASES["ms"].trap + PHRASES["en"].trap).casefold()
    assert all(word in found for word in ("lepas", "exceed", "cherry"))
    voices, dice = Voices(PHRASES, ["MY"], 0, random.Random(1)), random.Random(3)
    traps = [line for line in (voices.line(dice, "ms", "MY", -1) for _ in range(4000)) if line.text in PHRASES["ms"].trap]
    assert traps
    assert all(not line.topics for line in traps)


@pytest.mark.parametrize(
    ("tag", "language"), [("pt-BR", "pt"), ("zh-Hant", "zh"), ("tl", "fil"), ("xx", "en"), ("EN_us", "en"), ("", "en")]
)
def test_language_tags_find_their_phrases(tag, language):
    assert base_language(tag, PHRASES) == language


def test_more_livestreams_than_the_roster_has_are_invented_and_always_the_same():
    rows = channels(5)
    assert extend(rows, 3) == rows[:3]
    many = extend(rows, 10_000)
    assert many[:5] == rows
    assert len({channel.handle for channel in many}) == len({channel.livestream for channel in many}) == 10_000
    assert many == extend(rows, 10_000)
    assert {channel.country for channel in many[5:]} == {"ES", "GB", "AE", "CN"}
