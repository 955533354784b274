"""What a card says beside the numbers: who, where, why; and today beside yesterday."""

from __future__ import annotations

from monitor.spike_story import Said, by_country, tokens, where, who, why
from monitor.yesterday import Yesterday, against

T0 = 1_800_000_000


# --- stories ----------------------------------------------------------------------------------------------------------


def test_words_that_are_new_are_told_with_the_share_of_people_who_used_them():
    before = [Said(f"a{n}", "hello what a nice car") for n in range(20)]
    now = [Said(f"b{n}", "the ROBOT dances! hello") for n in range(10)] + [Said(f"c{n}", "hello nice car") for n in range(10)]
    assert why(now, before, 5)[0] in ({"word": "robot", "share": 0.5}, {"word": "dances", "share": 0.5})
    assert {one["word"] for one in why(now, before, 5)} == {"robot", "dances", "the"}


def test_one_person_repeating_a_word_explains_nothing():
    assert why([Said("a", "buybuybuy")] * 50 + [Said(f"b{n}", "wow") for n in range(3)], [], 4) == []


def test_names_links_numbers_and_what_spoils_a_screen_are_no_words():
    assert tokens("@someone https://evil.example/x 12345 \u202eabc\u202c \U000e0000word") == {"abc", "word"}


def test_who_counts_people_and_the_share_of_the_five_who_did_most():
    assert who(["a"] * 5 + list("bcdef")) == {"authors": 6, "top_share": 0.9}
    assert who([]) == {}


def test_where_names_who_contributes_most_and_nobody_who_does_not():
    before = [{"country:BR": 10, "country+topic:BR+robots": 2, "country+platform:BR+twitch": 5, "livestream:x": 4}] * 3
    now = [{"country:BR": 110, "country+topic:BR+robots": 90, "country+platform:BR+twitch": 15, "livestream:x": 99}] * 2
    assert where("country:BR", now, before, ["x", "y"]) == {"topic": "robots", "livestreams": ["x"]}
    assert where("country:BR", before, now, ["x"]) == {}


def test_pairs_of_topics_and_countries_are_found_among_the_heads_and_their_absence_is_told():
    slot = {
        "country+topic:BR+robots": 4,
        "country+topic:FR+robots": 0,
        "country+topic:BR+other": 9,
        "country:BR": 30,
        "topic:robots": 4,
    }
    assert by_country(slot, ["total", "topic:robots"]) == {"topic:robots": {"country:BR": 4, "country:FR": 0}}
    assert by_country({"topic:robots": 4}, ["topic:robots"]) == {}


# --- yesterday --------------------------------------------------------------------------------------------------------


def test_today_is_beside_yesterday_until_the_same_minute():
    yesterday = Yesterday()
    bounds = (T0 - 86_400, T0)
    wanted = yesterday.wanted("2027-01-15", bounds, 185, 20)
    assert wanted == [T0 - 86_400, T0 - 86_340, T0 - 86_280]
    for start in wanted:
        yesterday.take(start, [{"total|comments": 10, "country:BR|comments": 4, "total|joins": 99}])
    assert yesterday.wanted("2027-01-15", bounds, 185, 20) == []
    assert yesterday.changes({"total": 60}) == {"total": 2.0, "country:BR": 0.0}
    assert yesterday.wanted("2027-01-16", (T0, T0 + 86_400), 60, 20) == [T0]
    assert yesterday.changes({"total": 60}) == {}


def test_a_session_is_compared_at_the_same_age_and_not_over_holes():
    assert against({"slot_seconds": 60, "engagement": [5, 10]}, {"slot_seconds": 60, "engagement": [10, 10, 99]}) == 0.75
    assert against({"slot_seconds": 60, "engagement": [5, -1]}, {"slot_seconds": 60, "engagement": [10, 10]}) is None
    assert against({"slot_seconds": 60, "engagement": [5]}, {"slot_seconds": 120, "engagement": [5]}) is None
