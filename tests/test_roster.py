"""The roster: anything a human types becomes a channel or a named problem; the shipped sample adds up."""

import csv
import io
import runpy
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.config import ConfigError, load
from monitor.countries import COUNTRIES, find_country, nearest_country
from monitor.handles import BadHandle, normalise
from monitor.roster import COLUMNS, decode, parse_roster, read_roster

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "data" / "roster-sample.csv"
PLATFORMS = ("twitch", "bluesky")


def roster(
    *rows, header="attendee,platform,handle,country,language,native_id,live_url,tags,priority,show_name,consent,consent_at"
):
    return parse_roster("\n".join([header, *rows]), file="people.csv", platforms=PLATFORMS)


def only_problem(*rows, **options):
    (problem,) = roster(*rows, **options).problems
    return problem


# --- rows -------------------------------------------------------------------------------------------------------------


def test_a_row_becomes_a_channel():
    text = (
        "attendee,name,country,language,platform,handle,native_id,live_url,tags,priority,liaison,show_name,consent,consent_at,note\n"
        "A0412,João Silva,BR,pt,twitch,@Joao_Autos,12345,https://www.twitch.tv/joao_autos,Track;dealer,2,ana@br,yes,v3,2026-10-02T09:11Z,hi\n"
    )
    (channel,) = parse_roster(text, platforms=PLATFORMS).channels
    assert (channel.id, channel.attendee, channel.name, channel.handle) == (
        "twitch:joao_autos",
        "A0412",
        "João Silva",
        "joao_autos",
    )
    assert (channel.country, channel.language, channel.native_id) == ("BR", "pt", "12345")
    assert (channel.tags, channel.priority, channel.liaison, channel.show_name) == ({"track", "dealer"}, 2, "ana@br", True)
    assert (channel.consent, channel.consent_at) == ("v3", datetime(2026, 10, 2, 9, 11, tzinfo=UTC))
    assert channel.live_url == "https://www.twitch.tv/joao_autos"


def test_columns_may_stand_in_any_order_and_case():
    (channel,) = roster("alice,A1,twitch", header=" Handle , ATTENDEE,Platform").channels
    assert (channel.id, channel.attendee) == ("twitch:alice", "A1")


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_separators_line_ends_and_encodings_of_spreadsheets_are_understood(separator, newline, encoding):
    rows = [
        ["attendee", "name", "platform", "handle"],
        ["A1", f'王 "丽{separator} ok', "twitch", "alice"],
        ["A2", "ไทย", "twitch", "bob"],
    ]
    out = io.StringIO()
    csv.writer(out, delimiter=separator, lineterminator=newline).writerows(rows)
    found = parse_roster(decode(out.getvalue().encode(encoding)), platforms=PLATFORMS)
    assert [channel.name for channel in found.channels] == [f'王 "丽{separator} ok', "ไทย"]
    assert found.problems == ()


def test_blank_lines_and_missing_last_cells_are_fine():
    found = roster("", "A1,twitch,alice", ",,,", "A2,twitch,bob,BR", "")
    assert [channel.id for channel in found.channels] == ["twitch:alice", "twitch:bob"]
    assert found.problems == ()


def test_a_name_of_several_lines_keeps_the_line_numbers_right():
    found = roster('"A\n1",twitch,alice', "A2,twitch,not a login")
    assert found.channels[0].attendee == "A\n1"
    assert [problem.line for problem in found.problems] == [4]


# --- problems -----------------------------------------------------------------------------------------------------------


def test_a_bad_line_is_named_and_skipped_and_the_good_ones_run():
    found = roster("A1,twitch,alice", "A2,twitch,https://example.org/x", "A3,twitch,carol")
    assert [channel.id for channel in found.channels] == ["twitch:alice", "twitch:carol"]
    (problem,) = found.problems
    assert (problem.file, problem.line, problem.column, problem.found, problem.skipped) == (
        "people.csv", 3, "handle", "https://example.org/x", True
    )  # fmt: skip
    assert str(problem) == (
        'people.csv line 3, column handle: found "https://example.org/x", expected a Twitch login (letters, digits, _) '
        "or an address such as twitch.tv/login; the line is skipped."
    )


@pytest.mark.parametrize(
    ("row", "column", "hint"),
    [
        (",twitch,alice", "attendee", "attendee must be filled in"),
        ("A1,,alice", "platform", "platform must be filled in"),
        ("A1,twitch,", "handle", "handle must be filled in"),
        ("A1,bluesky,alice", "handle", "with its domain"),
        ("A1,twitch,alice,,,,,,,,,,surplus", "", "12 fields as in the first line"),
        ('A1,twitch,"alice', "", "every quote to be closed"),
        ('A1,twitch,"ali"ce', "", "every quote to be closed"),
    ],
)
def test_a_line_that_makes_no_sense_is_skipped(row, column, hint):
    problem = only_problem(row)
    assert (problem.line, problem.column, problem.skipped) == (2, column, True)
    assert hint in problem.expected


@pytest.mark.parametrize(
    ("row", "column", "hint", "field", "value"),
    [
        ("A1,twitch,a,Brazill", "country", 'did you mean "Brazil"?', "country", None),
        ("A1,twitch,a,Q9", "country", "a country code such as BR", "country", None),
        ("A1,twitch,a,,klingonese", "language", "a language code", "language", None),
        ("A1,twitch,a,,,UC123", "native_id", "the id that twitch itself gives", "native_id", None),
        ("A1,bluesky,a.example,,,did:plc:SHORT", "native_id", "the id that bluesky itself gives", "native_id", None),
        ("A1,twitch,a,,,,twitch.tv/a", "live_url", "https://", "live_url", None),
        ("A1,twitch,a,,,,,,9", "priority", "from 1 (first) to 5", "priority", 3),
        ("A1,twitch,a,,,,,,,perhaps", "show_name", "yes or no", "show_name", False),
        ("A1,twitch,a,,,,,,,,perhaps", "consent", "yes, no, or the version", "consent", None),
        ("A1,twitch,a,,,,,,,,yes,yesterday", "consent_at", "a time such as", "consent_at", None),
    ],
)
def test_a_bad_cell_is_named_and_the_rest_of_the_row_is_kept(row, column, hint, field, value):
    found = roster(row)
    (problem,) = found.problems
    assert (problem.line, problem.column, problem.skipped) == (2, column, False)
    assert hint in problem.expected
    assert getattr(found.channels[0], field) == value


def test_a_forgotten_quote_costs_its_own_line_only():
    found = roster('A1,twitch,"alice', *(f"A{n},twitch,user{n}" for n in range(2, 40)))
    assert len(found.channels) == 38
    assert [problem.line for problem in found.problems] == [2]


def test_a_forgotten_quote_does_not_reach_for_another_one_far_below():
    found = roster('A1,twitch,"alice', *(f"A{n},twitch,user{n}" for n in range(2, 40)), 'A40,twitch,bob"')
    assert len(found.channels) == 39
    assert [problem.line for problem in found.problems] == [2]


def test_the_same_channel_twice_keeps_the_first():
    found = roster("A1,twitch,alice,BR", "A2,twitch,twitch.tv/ALICE,MX", "A3,twitch,carol,,,77", "A4,twitch,dave,,,77")
    assert [(channel.id, channel.country) for channel in found.channels] == [("twitch:alice", "BR"), ("twitch:carol", None)]
    assert [(problem.line, problem.column, problem.skipped) for problem in found.problems] == [
        (3, "handle", True),
        (5, "native_id", True),
    ]
    assert "already on line 2" in found.problems[0].expected


def test_a_platform_without_a_connector_is_listed_as_unreachable():
    found = roster("A1,twich,alice", "A2,youtube,@joao.autos")
    assert found.channels == ()
    assert [channel.id for channel in found.unreachable] == ["twich:alice", "youtube:joao.autos"]
    assert 'did you mean "twitch"?' in found.problems[0].expected
    assert len(found.problems) == 1, "a real platform is no mistake in the list"
    (unheard_of,) = roster("A3,qqqqqqq,alice").problems
    assert "bluesky, twitch" in unheard_of.expected


def test_an_extra_column_is_ignored_with_a_named_warning():
    found = roster("A1,twitch,alice,x,y", header="attendee,platform,handle,countri,shoe size")
    assert [(problem.line, problem.found, problem.skipped) for problem in found.problems] == [
        (1, "countri", False),
        (1, "shoe_size", False),
    ]
    assert 'did you mean "country"?' in found.problems[0].expected
    assert len(found.channels) == 1


def test_of_a_repeated_column_the_first_one_is_used():
    found = roster("A1,twitch,alice,BR,MX", header="attendee,platform,handle,country,country")
    assert found.channels[0].country == "BR"
    assert len(found.problems) == 1


def test_text_that_is_not_utf8_is_named():
    data = "attendee,name,platform,handle\nA1,王丽,twitch,alice\n".encode("gbk")
    found = parse_roster(decode(data), platforms=PLATFORMS)
    assert found.channels[0].id == "twitch:alice"
    assert (found.problems[0].column, found.problems[0].line) == ("name", 2)


@pytest.mark.parametrize("text", ["", "\n", "name,country\nx,y", "attendee;platform\nA1;twitch", "\x00\xff"])
def test_a_file_without_the_columns_that_matter_is_a_sentence(text):
    with pytest.raises(ConfigError, match=r"people\.csv: the first line must name the columns"):
        parse_roster(text, file="people.csv")


def test_a_missing_file_is_a_sentence(tmp_path):
    with pytest.raises(ConfigError, match=r"the roster cannot be read .* \[roster\] file"):
        read_roster(tmp_path / "none.csv")


@given(st.text(alphabet=st.characters(exclude_categories=("Cs",)), max_size=200))
def test_nothing_after_the_header_ever_raises(text):
    found = parse_roster("attendee,platform,handle,country,priority,consent_at\nA0,twitch,alice\n" + text, platforms=PLATFORMS)
    assert found.channels[0].id == "twitch:alice"


@given(st.binary(max_size=60))
def test_no_bytes_ever_raise(data):
    parse_roster(decode(b"attendee,platform,handle\n" + data), platforms=PLATFORMS)


CELLS = st.lists(st.tuples(*[st.text(st.characters(exclude_categories=("Cs",)), max_size=8) for _ in range(3)]), max_size=6)


@given(CELLS)
def test_every_row_is_a_channel_or_a_problem(cells):
    out = io.StringIO()
    csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(
        [("attendee", "name", "handle", "platform"), *((*row, "twitch") for row in cells)]
    )
    found = parse_roster(out.getvalue(), platforms=PLATFORMS)
    assert len(found.channels) + len([problem for problem in found.problems if problem.skipped]) == len(cells)


# --- consent ------------------------------------------------------------------------------------------------------------


def test_without_consent_a_channel_is_refused_and_not_dropped():
    found = roster(*(f"A{n},twitch,user{n},,,,,,,,{word}" for n, word in enumerate(["yes", "v3", "no", "", "是", "withdrawn"])))
    assert [channel.handle for channel in found.watchable(require_consent=True)] == ["user0", "user1", "user4"]
    assert [channel.handle for channel in found.refused(require_consent=True)] == ["user2", "user3", "user5"]
    assert found.watchable(require_consent=False) == found.channels[:-1], "who has withdrawn is not read by any setting"
    assert found.refused(require_consent=False) == found.channels[-1:]


def test_who_pauses_in_the_list_is_paused_and_not_refused():
    found = roster("A1,twitch,alice,,,,,,,,paused", "A2,twitch,bo,,,,,,,,withdrawn", "A3,twitch,caro,,,,,,,,yes")
    assert [channel.handle for channel in found.paused(require_consent=True)] == ["alice"]
    assert [channel.handle for channel in found.watchable(require_consent=False)] == ["caro"]


def test_consent_that_cannot_be_read_is_no_consent():
    assert roster("A1,twitch,alice,,,,,,,,maybe").watchable(require_consent=True) == ()


# --- handles ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "pasted",
    [
        "joao_autos", "@joao_autos", "#joao_autos", " JOAO_Autos ", "ｊｏａｏ＿ａｕｔｏｓ", "＠joao_autos", "twitch.tv/joao_autos", "https://www.twitch.tv/joao_autos/",
        "http://m.twitch.tv/Joao_Autos?referrer=raid", "https://twitch.tv/joao_autos/videos#top", "https://www.twitch.tv/popout/joao_autos/chat?popout=",
        "<https://www.twitch.tv/joao_autos>", "\u200bjoao_autos\u202c", "“joao_autos”", "HTTPS://TWITCH.TV/JOAO_AUTOS",
    ],
)  # fmt: skip
def test_any_way_to_paste_a_twitch_channel_is_the_login(pasted):
    assert normalise("twitch", pasted) == "joao_autos"


@pytest.mark.parametrize(
    "pasted",
    [
        "name.bsky.social", "@Name.bsky.social", "https://bsky.app/profile/name.bsky.social", "bsky.app/profile/@name.bsky.social/",
        "https://bsky.app/profile/name.bsky.social/post/3kabc", "at://name.bsky.social", "ｎａｍｅ．bsky．social",
    ],
)  # fmt: skip
def test_any_way_to_paste_a_bluesky_profile_is_the_handle(pasted):
    assert normalise("bluesky", pasted) == "name.bsky.social"


def test_a_did_is_a_bluesky_handle():
    did = "did:plc:ewvi7nxzyoun6zhxrhs64oiz"
    assert normalise("bluesky", f"https://bsky.app/profile/{did}") == did


@pytest.mark.parametrize(
    ("platform", "pasted"),
    [
        ("twitch", "https://youtube.com/@x"), ("twitch", "joão"), ("twitch", "a" * 26), ("twitch", "twitch.tv/"), ("twitch", "@"),
        ("twitch", "\u200b"), ("bluesky", "name"), ("bluesky", "bsky.app/profile/"), ("bluesky", "-a.example"), ("bluesky", "a..example"),
    ],
)  # fmt: skip
def test_what_cannot_be_a_handle_is_refused(platform, pasted):
    with pytest.raises(BadHandle):
        normalise(platform, pasted)


@given(st.sampled_from(["twitch", "bluesky", "other"]), st.text(max_size=60))
def test_a_handle_once_normalised_stays_as_it_is(platform, pasted):
    try:
        handle = normalise(platform, pasted)
    except BadHandle:
        return
    assert normalise(platform, handle) == handle


# --- countries ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("BR", "BR"), ("br", "BR"), ("ＢＲ", "BR"), ("Brazil", "BR"), ("巴西", "BR"), ("Brasil", "BR"), ("USA", "US"), ("U.S.A.", "US"), ("UK", "GB"),
        ("Türkiye", "TR"), ("TURKIYE", "TR"), ("Turkey", "TR"), ("UAE", "AE"), ("Russia", "RU"), ("Россия", "RU"), ("South Korea", "KR"),
        ("Korea, South", "KR"), ("中国", "CN"), ("中國", "CN"), ("Hong Kong", "HK"), ("中国香港", "HK"), ("台湾", "TW"), ("Cote d'Ivoire", "CI"),
        ("Côte d’Ivoire", "CI"), ("the netherlands", "NL"), ("Guinea-Bissau", "GW"), ("DR Congo", "CD"), ("Congo", "CG"), ("阿联酋", "AE"), ("Viet Nam", "VN"),
        ("Atlantis", None), ("", None), ("XX", None),
    ],
)  # fmt: skip
def test_codes_and_names_are_found(written, code):
    assert find_country(written) == code


def test_every_name_of_the_table_leads_back_to_its_own_code():
    assert len(COUNTRIES) == 249
    for code, country in COUNTRIES.items():
        for name in (code, country.en, country.zh, *country.also):
            assert find_country(name) == code, name


def test_a_mistyped_name_finds_the_country_that_was_meant():
    assert nearest_country("Kazahstan") == "Kazakhstan"


# --- the sample ---------------------------------------------------------------------------------------------------------


def test_the_sample_has_1200_consented_channels_in_over_100_countries():
    found = read_roster(SAMPLE)
    assert found.problems == ()
    assert found.unreachable == ()
    assert len(found.watchable(require_consent=True)) == len(found.channels) == 1200
    on = Counter(channel.platform for channel in found.channels)
    few = {"owncast": 8, "ssn": 6, "sse.simulated": 3, "websocket.simulated": 3, "restream": 1}
    assert on == {"twitch": 779, "youtube": 180, "bluesky": 120, "kick": 70, "telegram": 30, **few}
    countries = Counter(channel.country for channel in found.channels)
    assert len(countries) >= 100
    assert None not in countries
    assert {code: countries[code] for code in ("BR", "RU", "MX", "AE", "CL", "AU")} == {
        "BR": 84,
        "RU": 84,
        "MX": 72,
        "AE": 54,
        "CL": 36,
        "AU": 24,
    }
    assert all(channel.consent_at and channel.language for channel in found.channels)
    assert all(channel.native_id for channel in found.channels if channel.platform == "bluesky")


def test_some_attendees_of_the_sample_have_two_channels():
    per_attendee = Counter(channel.attendee for channel in read_roster(SAMPLE).channels)
    assert Counter(per_attendee.values()) == {1: 1120, 2: 40}


def test_everybody_in_the_sample_is_unmistakably_invented():
    for channel in read_roster(SAMPLE).channels:
        written = channel.native_id if channel.platform == "ssn" else channel.handle  # a session is sealed
        assert written.startswith(("lm_demo_", "lm-demo-"))
        assert channel.platform != "owncast" or channel.handle.endswith(".owncast.example")
        assert channel.platform != "bluesky" or channel.handle.endswith(".bsky.example")


def test_every_tag_of_a_shipped_session_is_carried_by_somebody_of_the_sample():
    carried = {tag for channel in read_roster(SAMPLE).channels for tag in channel.tags}
    for session in load(ROOT / "config.toml").sessions:
        assert session.tags <= carried


def test_the_sample_is_what_its_generator_writes(tmp_path):
    made = runpy.run_path(str(ROOT / "data" / "make_roster_sample.py"))
    made["write"](tmp_path / "sample.csv")
    assert (tmp_path / "sample.csv").read_bytes() == SAMPLE.read_bytes()
    assert made["COLUMNS"] == COLUMNS


@pytest.mark.parametrize(
    ("pasted", "handle"),
    [
        ("@Joao.Autos", "joao.autos"),
        ("https://www.youtube.com/@Joao.Autos/live", "joao.autos"),
        ("youtube.com/channel/UCabcdefghijklmnopqrstuV", "UCabcdefghijklmnopqrstuV"),
        ("UCabcdefghijklmnopqrstuV", "UCabcdefghijklmnopqrstuV"),
        ("https://m.youtube.com/c/Name", "name"),
        ("@奇瑞汽车", "奇瑞汽车"),
    ],
)
def test_a_youtube_channel_is_read_from_what_people_paste(pasted, handle):
    assert normalise("youtube", pasted) == handle
    assert normalise("youtube", handle) == handle


@pytest.mark.parametrize(
    "pasted", ["https://www.youtube.com/watch?v=abcdefghijk", "https://example.org/@name", "https://youtube.com/", "a b"]
)
def test_what_is_no_youtube_channel_is_refused_with_what_was_expected(pasted):
    with pytest.raises(BadHandle, match="YouTube handle"):
        normalise("youtube", pasted)
