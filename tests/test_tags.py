"""Hashtags: found in every script, counted once with their retractions, shown only when they rise and nobody flagged them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_derive import make_config, message, removal

from connectors.event import as_json
from monitor.derive import TAGS_AT_ONCE, Deriver, Memory, decode_entry
from monitor.enrich.hashtags import LONGEST_TAG, MOST_TAGS, hashtags, tag_key

START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
MINUTE = int(START.timestamp())


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("#CheryUserSummit is great #OMODA", ["#CheryUserSummit", "#OMODA"]), ("看#机器人#好帅#ai#", ["#机器人", "#ai"]), ("#奇瑞国际用户共创大会 走起", ["#奇瑞国际用户共创大会"]),
        ("#รถยนต์ไฟฟ้า สวย", ["#รถยนต์ไฟฟ้า"]), ("#هيبريد #می\u200cخواهم!", ["#هيبريد", "#می\u200cخواهم"]), ("#हिन्दी_कार", ["#हिन्दी_कार"]),
        ("C# is #1 &#39; http://x/#frag abc#def", []), ("#️⃣ #🔥 # ##", []), ("＃ＥＶ", ["#ＥＶ"]), ("#robot's, (#night)", ["#robot", "#night"]), ("#2026goals", ["#2026goals"]),
        ("#ev #EV #Ev", ["#ev"]), ("#a#b #x", ["#a", "#x"]), ("#日本車すごい", ["#日本車すごい"]), ("plain", []),
    ],
)  # fmt: skip
def test_hashtags_are_found_in_every_script(text, found):
    assert list(hashtags(text)) == found


def test_case_width_and_the_forms_of_arabic_letters_make_no_other_tag():
    assert len({tag_key(tag) for tag in ("#RoadTrip", "#roadtrip", "#ＲＯＡＤＴＲＩＰ", "#ROADTRIP")}) == 1
    assert tag_key("#شيري") == tag_key("#شیری")
    assert tag_key("#می\u200cخواهم") == tag_key("#میخواهم")
    assert tag_key("#ev") != tag_key("#evs")


@given(st.text(st.sampled_from("#＃a_é中ท็ \u200d\ufe0f🔥&/1"), max_size=60))
def test_whatever_is_written_tags_are_few_bounded_and_different(text):
    found = hashtags(text)
    assert len(found) <= MOST_TAGS
    assert len({tag_key(tag) for tag in found}) == len(found)
    assert all(tag[0] == "#" and 2 <= len(tag) <= LONGEST_TAG + 1 and not set(tag) & set(" |:🔥&") for tag in found)


def batch(*events, memory=None):
    return Deriver(make_config()).batch(1, [decode_entry(as_json(event)) for event in events], memory or Memory())


def counted(result):
    """minute container → field → count."""
    return {name: group.increments for group in result.change.groups for name in group.containers if name.startswith("tags:")}


def test_hashtags_stand_in_minutes_of_their_own_and_in_no_other_container():
    result = batch(message("m", text="#EV and #Robots"), message("n", text="#EV", livestream="b", second=70, author="bo"))
    assert counted(result) == {
        f"tags:{MINUTE}": {"tag:#EV|BR": 1, "tag:#Robots|BR": 1},
        f"tags:{MINUTE + 60}": {"tag:#EV|ZZ": 1},
    }
    others = [group for group in result.change.groups if not group.containers[0].startswith("tags:")]
    assert not any(field.startswith("tag:") for group in others for field in group.increments)
    assert sorted(result.authors["tag:#ev", f"ten:{MINUTE}"]) == ["ana", "bo"]


def test_a_retracted_message_takes_its_hashtags_back():
    assert counted(batch(message("m", text="#EV"), message("n", text="#EV"), removal("m"))) == {
        f"tags:{MINUTE}": {"tag:#EV|BR": 1}
    }


def test_platforms_outside_totals_have_no_say():
    assert counted(batch(message("m", text="#EV", platform="shadow"))) == {}


def test_of_a_flood_of_invented_hashtags_a_commit_keeps_the_most_used():
    flood = [message(f"m{n}", text=f"#x{n}") for n in range(3 * TAGS_AT_ONCE)]
    used = [message(f"u{n}", text="#EV now", author=f"a{n}") for n in range(3)]
    result = batch(*flood, *used)
    (fields,) = counted(result).values()
    assert len(fields) == TAGS_AT_ONCE
    assert fields["tag:#EV|BR"] == 3
    assert len([head for head, window in result.authors if window.startswith("ten:")]) == TAGS_AT_ONCE
