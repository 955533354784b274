"""Import: any list becomes the roster, a second time changes nothing, and what was not used is told with its line."""

import csv
import io
import stat
import zipfile
from datetime import UTC, datetime

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor import roster_table
from monitor.__main__ import main
from monitor.config import ConfigError
from monitor.handles import seal
from monitor.links import HOSTS, NAMES, broadcast_link, channel_address, find_channels, platform_named
from monitor.roster import parse_roster, why_not
from monitor.roster_columns import from_map, guess
from monitor.roster_import import HEADER, csv_text, read_rows, rejects_text, update
from monitor.roster_lines import entries_of
from monitor.roster_table import read_table
from monitor.roster_words import FIELDS, understood

NOW = datetime(2026, 10, 3, 8, 0, tzinfo=UTC)
PLATFORMS = tuple(NAMES)


def person(text):
    return f"hash-of-{len(text)}-{sum(map(ord, text))}"


def bring(text, roster="", *, map_=None, vouched=False, name="list.csv"):
    """(new text of the roster, result, rejects) of a list."""
    table = read_table(text if isinstance(text, bytes) else text.encode(), name)
    columns = from_map(map_, table) if map_ else guess(table)
    entries, rejects = entries_of(table, columns, person=person, now=NOW)
    header, rows = read_rows(roster)
    result = update(header, rows, entries, vouched=vouched, wide=columns.wide)
    return csv_text(result.header, result.rows), result, [*rejects, *result.rejects]


def channels(text):
    found = parse_roster(text, platforms=PLATFORMS)
    assert [problem for problem in found.problems if problem.skipped] == []
    return {channel.id: channel for channel in found.channels}


# --- handles and addresses --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "platform", "expected"),
    [
        ("https://www.youtube.com/@Joao.Autos/live?si=x", None, "youtube:joao.autos"),
        ("＠ｊｏａｏ．ａｕｔｏｓ", "youtube", "youtube:joao.autos"),
        ("\u200b@alice\u200f ", "twitch", "twitch:alice"),
        ("ｔｗｉｔｃｈ．ｔｖ／Ａｌｉｃｅ", None, "twitch:alice"),
        ("【直播】来看我 https://live.bilibili.com/21452505?share=1，快来", None, "bilibili:21452505"),
        ("Watch me LIVE on TikTok! https://www.tiktok.com/@j.o/live?x=1 #fun", "instagram", "tiktok:j.o"),
        ("youtube: @abc", None, "youtube:abc"),
        ("@ana@mas.to", None, "mastodon:ana@mas.to"),
        ("https://fosstodon.org/@ana", "mastodon", "mastodon:ana@fosstodon.org"),
        ("https://m.facebook.com/profile.php?id=1000123", None, "facebook:1000123"),
        ("https://bsky.app/profile/ana.bsky.social", None, "bluesky:ana.bsky.social"),
        ("https://t.me/s/ana_autos", None, "telegram:ana_autos"),
        ("https://x.com/ana?s=21", None, "x:ana"),
        ("http://kick.com/Ana-Live/", None, "kick:ana-live"),
        ("live.douyin.com/123456789", None, "douyin:123456789"),
        ("live.vkvideo.ru/ana", None, "vk:ana"),
        ("https://weibo.com/u/1234567890", None, "weibo:1234567890"),
    ],
)
def test_what_people_paste_becomes_a_channel(cell, platform, expected):
    (found,), problems = find_channels(cell, platform)
    assert (f"{found.platform}:{found.handle}", problems) == (expected, [])


def test_one_cell_may_name_several_channels():
    found, _ = find_channels("@a1, @b2", "twitch")
    assert [one.handle for one in found] == ["a1", "b2"]
    found, _ = find_channels("youtube: @abc; twitch: xyz")
    assert [(one.platform, one.handle) for one in found] == [("youtube", "abc"), ("twitch", "xyz")]


def test_the_id_in_an_address_is_kept():
    (found,), _ = find_channels("https://www.youtube.com/channel/UCabcdefghijklmnopqrstuv")
    assert found.native_id == "UCabcdefghijklmnopqrstuv"


@pytest.mark.parametrize("nothing", ["", "-", "N/A", "无", "нет", "tidak ada"])
def test_no_channel_is_no_mistake(nothing):
    assert find_channels(nothing, "youtube") == ([], [])


@pytest.mark.parametrize(
    ("cell", "platform", "reason", "suggestion"),
    [
        ("twich.tv/alice", None, "no platform", "did you mean twitch.tv/alice?"),
        ("https://youtu.be/dQw4w9WgXcQ", None, "one video", "youtube.com/@name"),
        ("https://vm.tiktok.com/ZM1", None, "short address", "open it"),
        ("João Silva Autos", "instagram", "a name that is shown", "instagram.com/name"),
        ("joao@example.org", "youtube", "e-mail", "youtube.com/@name"),
        ("alice", None, "no platform", "name the platform"),
        ("https://t.me/+abcd", None, "private group", "public"),
        ("https://www.twitch.tv/videos/1234567890", None, "one video", "twitch.tv/name"),
        ("m.twitch.tv/directory/game/Racing", "twitch", "not the one of a channel", "twitch.tv/name"),
        ("https://kick.com/video/0b9c", None, "one video", "kick.com/name"),
        ("https://t.me/addstickers/Cars", None, "not the one of a channel", "t.me/name"),
        ("https://www.instagram.com/p/Cabc/", None, "not the one of a channel", "instagram.com/name"),
        ("https://youtube.com.evil.example/@a", None, "no platform", "paste"),
    ],
)
def test_what_is_no_channel_says_why_and_what_to_do(cell, platform, reason, suggestion):
    found, (problem,) = find_channels(cell, platform)
    assert found == []
    assert reason in problem.reason
    assert suggestion in problem.suggestion


@given(st.text(max_size=60) | st.sampled_from(sorted(HOSTS)).flatmap(lambda host: st.text(max_size=30).map(lambda rest: f"{host}/{rest}")),
       st.sampled_from([None, *NAMES]))  # fmt: skip
@settings(max_examples=300, deadline=None)
def test_any_cell_gives_channels_that_the_roster_reads_as_they_are(cell, platform):
    found, _ = find_channels(cell, platform)
    for one in found:
        line = csv_text(("attendee", "platform", "handle"), [{"attendee": "A", "platform": one.platform, "handle": one.handle}])
        read = parse_roster(line, platforms=PLATFORMS)
        assert [channel.id for channel in read.channels] == [f"{one.platform}:{seal(one.platform, one.handle)}"]


def test_a_platform_is_known_by_the_names_that_lists_use():
    named = [platform_named(word) for word in ("YouTube", "抖音", " B站 ", "IG", "ВК", "Twitter", "nothing")]
    assert named == ["youtube", "douyin", "bilibili", "instagram", "vk", "x", None]


def test_every_platform_with_an_address_leads_back_to_itself():
    for platform in ("youtube", "twitch", "tiktok", "instagram", "kick", "x", "telegram", "facebook", "vk"):
        (found,), _ = find_channels(channel_address(platform, "analive"))
        assert (found.platform, found.handle) == (platform, "analive")


# --- live addresses ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pasted", "platform", "broadcast"),
    [
        ("https://youtu.be/dQw4w9WgXcQ?t=3", "youtube", "dQw4w9WgXcQ"),
        ("https://www.youtube.com/watch?v=dQw4w9WgXcQ&feature=share", "youtube", "dQw4w9WgXcQ"),
        ("https://youtube.com/live/dQw4w9WgXcQ", "youtube", "dQw4w9WgXcQ"),
        ("https://www.facebook.com/watch/?v=123456", "facebook", "123456"),
        ("come! https://vm.tiktok.com/ZM1/ now", "tiktok", None),
        ("twitch.tv/alice", "twitch", None),
    ],
)
def test_a_live_address_is_understood(pasted, platform, broadcast):
    live = broadcast_link(pasted)
    assert (live.platform, live.broadcast) == (platform, broadcast)
    assert live.url.startswith("https://")


# --- tables -----------------------------------------------------------------------------------------------------------

LIST = "编号;姓名;国家;YouTube\nA1;João 王;巴西;@joao\nA2;Łucja;波兰;@lucja\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "gb18030"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_a_csv_is_read_whatever_wrote_it(encoding, separator, ending):
    table = read_table(LIST.replace(";", separator).replace("\n", ending).encode(encoding), "list.csv")
    assert [row.cells for row in table.rows] == [tuple(line.split(";")) for line in LIST.splitlines()]
    assert [row.line for row in table.rows] == [1, 2, 3]


def test_accents_of_a_western_windows_are_not_taken_for_chinese():
    assert (
        read_table("Número,Nome,País\nA1,João Conceição,Brésil\n".encode("cp1252"), "x.csv").rows[1].cells[1] == "João Conceição"
    )


def test_excels_own_separator_line_is_obeyed_and_lines_keep_their_numbers():
    table = read_table(b"sep=;\nid;name;twitch\n1;a,b,c;x_1\n", "x.csv")
    assert [(row.line, row.cells) for row in table.rows] == [(2, ("id", "name", "twitch")), (3, ("1", "a,b,c", "x_1"))]


def test_an_open_quote_costs_its_own_line_only():
    table = read_table(b'id,twitch\n1,"al\n2,bob\n', "x.csv")
    assert table.broken == (roster_table.Row(2, ('1,"al',)),)
    assert table.rows[-1].cells == ("2", "bob")
    assert any("quote" in reject.reason for reject in bring(b'id,twitch\n1,"al\n2,bob_1\n')[2])


def workbook(*rows, title="People", more=()):
    book = openpyxl.Workbook()
    book.active.title = title
    for row in rows:
        book.active.append(row)
    for name, lines in more:
        page = book.create_sheet(name)
        for line in lines:
            page.append(line)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def test_of_a_workbook_the_fullest_sheet_is_read_with_its_line_numbers():
    data = workbook(["read me"], more=[("Answers", [["Summit"], [], ["ID", "Twitch"], [412.0, "al_1"]])])
    table = read_table(data, "x.xlsx")
    assert "Answers" in table.how
    assert table.rows[-1] == roster_table.Row(4, ("412", "al_1"))
    assert read_table(data, "x.xlsx", sheet="People").rows[0].cells[0] == "read me"
    with pytest.raises(ConfigError, match="it has People, Answers"):
        read_table(data, "x.xlsx", sheet="Peeple")


def test_a_link_behind_a_text_and_merged_cells_are_seen():
    book = openpyxl.Workbook()
    page = book.active
    for row in (["ID", "Name", "Channel"], ["A1", "Ana", "my channel"], [None, None, "twitch.tv/ana_2"]):
        page.append(row)
    page["C2"].hyperlink = "https://www.twitch.tv/ana_1"
    page.merge_cells("A2:A3")
    file = io.BytesIO()
    book.save(file)
    _, result, _ = bring(file.getvalue(), name="x.xlsx")
    assert [(row["attendee"], row["handle"]) for row in result.rows] == [("A1", "ana_1"), ("A1", "ana_2")]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\xd0\xcf\x11\xe0rest", "old .xls"),
        (b"%PDF-1.7", "PDF"),
        (b"PK\x03\x04garbage", "cannot be read"),
        (b"\0\x01\x02\0\0" * 9, "neither a workbook"),
    ],
)
def test_what_is_no_list_is_one_sentence(data, words):
    with pytest.raises(ConfigError, match=words):
        read_table(data, "x")


def test_a_zip_bomb_is_not_unpacked(monkeypatch):
    monkeypatch.setattr(roster_table, "MOST_UNPACKED", 1000)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("xl/workbook.xml", b"0" * 100_000)
    with pytest.raises(ConfigError, match="unpacks to more"):
        read_table(file.getvalue(), "x.xlsx")


@given(st.binary(max_size=300) | st.binary(max_size=300).map(lambda data: b"PK\x03\x04" + data))
@settings(max_examples=150, deadline=None)
def test_any_bytes_are_a_table_or_one_sentence(data):
    try:
        table = read_table(data, "x")
    except ConfigError:
        return
    entries_of(table, guess(table), person=person, now=NOW)


# --- columns ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "meaning"),
    [
        ("Registration No.*", ("attendee", None)),
        ("报名编号（必填）", ("attendee", None)),
        ("País", ("country", None)),
        ("Your TikTok handle", ("handle", "tiktok")),
        ("抖音号", ("handle", "douyin")),
        ("YouTube channel URL", ("handle", "youtube")),
        ("Instagram followers", (None, None)),
        ("B站粉丝数量", (None, None)),
        ("Consent to read chat", ("consent", None)),
        ("是否同意读取直播间评论", ("consent", None)),
        ("Autorizo la lectura de mi chat", ("consent", None)),
        ("I consent to show my name on screens", ("show_name", None)),
        ("I do not agree that my chat is read", (None, None)),
        ("Privacy policy consent", (None, None)),
        ("Shoe size", (None, None)),
    ],
)
def test_headers_are_understood(word, meaning):
    assert understood(word) == meaning


def test_every_word_of_the_table_is_understood_as_its_field():
    wrong = [(word, understood(word)) for name, words in FIELDS.items() for word in words if understood(word)[0] != name]
    assert wrong == []


def test_a_wide_list_gives_a_row_for_each_channel():
    text, result, rejects = bring("ID,Name,Country,Twitch,YouTube\nA1,Ana,Brasil,ana_1,@ana.b\nA2,Bo,China,,@bo.c\n")
    assert (result.new, rejects) == (3, [])
    assert {name: (one.attendee, one.country) for name, one in channels(text).items()} == {
        "twitch:ana_1": ("A1", "BR"),
        "youtube:ana.b": ("A1", "BR"),
        "youtube:bo.c": ("A2", "CN"),
    }


def test_a_long_list_gives_the_same_rows():
    wide = bring("ID,Name,Twitch,YouTube\nA1,Ana,ana_1,@ana.b\n")[1]
    long = bring("ID,Name,Platform,Account\nA1,Ana,Twitch,@Ana_1\nA1,Ana,油管,@ana.b\n")[1]
    assert {tuple(row.items()) for row in long.rows} == {tuple(row.items()) for row in wide.rows}


def test_a_list_without_header_is_guessed_from_its_cells():
    text, _, _ = bring("A1,Ana Lima,Brazil,https://twitch.tv/ana_1\nA2,Bo Li,China,https://twitch.tv/bo_1\n")
    found = channels(text)["twitch:bo_1"]
    assert (found.attendee, found.name, found.country) == ("A2", "Bo Li", "CN")


def test_a_map_says_what_a_guess_cannot():
    map_ = {"header": 2, "columns": {"attendee": "Foo", "name": "Bar"}, "platforms": {"twitch": ["Qux", "D"]},
            "constants": {"liaison": "ana@br", "consent": "v3"}}  # fmt: skip
    text, _, _ = bring("title\nFoo,Bar,Qux,Quux\nA1,Ana,ana_1,ana_2\n", map_=map_)
    found = channels(text)
    assert set(found) == {"twitch:ana_1", "twitch:ana_2"}
    assert {(one.liaison, one.consent) for one in found.values()} == {("ana@br", "v3")}


@pytest.mark.parametrize(
    ("map_", "words"),
    [
        ({"colums": {}}, 'did you mean "columns"'),
        ({"columns": {"attende": "ID"}}, 'did you mean "attendee"'),
        ({"columns": {"attendee": "Nope"}}, "it has ID, Twitch"),
        ({"platforms": {"twich": "Twitch"}}, 'did you mean "twitch"'),
        ({"header": 9}, "line 9"),
    ],
)
def test_a_wrong_map_is_one_sentence(map_, words):
    with pytest.raises(ConfigError, match=words):
        bring("ID,Twitch\nA1,ana_1\n", map_=map_)


def test_an_e_mail_is_never_written_but_hashed():
    text, result, _ = bring("E-mail,Twitch\nAna@Example.org,ana_1\n")
    (row,) = result.rows
    assert "example" not in text.casefold()
    assert row["person"] == person("ana@example.org")
    assert row["attendee"].startswith("E")


# --- a second time ----------------------------------------------------------------------------------------------------

FIRST = "ID,Name,Twitch,YouTube,Consent\nA1,Ana,ana_1,@ana.b,yes\nA2,Bo,bo_1,,no\n"


def test_the_same_list_again_changes_nothing():
    text, _, _ = bring(FIRST)
    again, result, _ = bring(FIRST, text)
    assert (result.new, result.changed, result.same, again) == (0, 0, 3, text)


names = st.sampled_from(["A1", "A2", "A3", "", "=A4", "-x"])
cells = st.sampled_from(["ana_1", "@bo_2", "twitch.tv/caro", "ana_1, caro", "无", "Zoë Smith", "-", "+cmd|x"])


@given(
    st.lists(
        st.tuples(names, st.sampled_from(["=Ana", "Bo", "'q'", ""]), cells, cells, st.sampled_from(["yes", "no", "", "?"])),
        max_size=6,
    )
)
@settings(max_examples=100, deadline=None)
def test_any_list_twice_is_as_once(rows):
    file = io.StringIO()
    csv.writer(file).writerows([("ID", "Name", "Twitch", "Twitch 2", "Consent"), *rows])
    text, first, _ = bring(file.getvalue())
    again, second, _ = bring(file.getvalue(), text)
    assert (second.new, second.changed, again) == (0, 0, text)
    assert len(channels(text)) == first.new


def test_a_changed_cell_updates_its_row_and_what_the_list_does_not_say_stays():
    text, _, _ = bring("ID,Name,Twitch,Tags\nA1,Ana,ana_1,track\n")
    text, result, _ = bring("ID,Name,Twitch\nA1,Ana Lima,ana_1\n", text)
    assert (result.new, result.changed) == (0, 1)
    found = channels(text)["twitch:ana_1"]
    assert (found.name, found.tags) == ("Ana Lima", {"track"})


def test_rows_that_the_list_does_not_have_stay_and_are_counted():
    text, _, _ = bring(FIRST)
    text, result, _ = bring("ID,Twitch\nA9,new_1\n", text)
    assert (result.new, len(result.absent), len(channels(text))) == (1, 3, 4)


def test_a_changed_handle_updates_its_row_and_loses_consent_and_tick():
    text, _, _ = bring(FIRST, vouched=True)
    before = channels(text)["twitch:ana_1"]
    assert (before.consent, before.verified) == ("yes", True)
    text, result, _ = bring("ID,Twitch\nA1,ana_new\n", text)
    assert (result.new, result.changed, result.lost_consent) == (0, 1, 1)
    found = channels(text)
    assert "twitch:ana_1" not in found
    assert (found["twitch:ana_new"].consent, found["twitch:ana_new"].verified) == (None, False)
    assert found["youtube:ana.b"].consent == "yes"


def test_a_renamed_account_with_the_same_id_keeps_consent_and_tick():
    number = "UCabcdefghijklmnopqrstuv"
    roster = csv_text(HEADER, [{"attendee": "A1", "platform": "youtube", "handle": "old.name", "native_id": number, "consent": "v3",
                                "consent_at": "2026-10-01T00:00Z", "verified": "yes"}])  # fmt: skip
    text, result, _ = bring(f"ID,Channel\nA1,youtube.com/channel/{number}\n", roster)
    (found,) = channels(text).values()
    assert (result.changed, result.lost_consent, found.consent, found.verified) == (1, 0, "v3", True)


def test_consent_keeps_its_first_day_and_a_withdrawal_is_not_taken_back_by_an_old_list():
    roster = csv_text(HEADER, [
        {"attendee": "A1", "platform": "twitch", "handle": "ana_1", "consent": "v2", "consent_at": "2026-09-01T00:00Z"},
        {"attendee": "A2", "platform": "twitch", "handle": "bo_1", "consent": "withdrawn"},
    ])  # fmt: skip
    text, result, _ = bring("ID,Twitch,Consent\nA1,ana_1,yes\nA2,bo_1,yes\n", roster)
    found = channels(text)
    assert (found["twitch:ana_1"].consent, found["twitch:ana_1"].consent_at.month) == ("v2", 9)
    assert found["twitch:bo_1"].consent is None
    assert result.changed == 0


def test_a_list_that_says_no_takes_consent_away():
    text, _, _ = bring("ID,Twitch,Consent\nA1,ana_1,no\n", bring(FIRST)[0])
    assert channels(text)["twitch:ana_1"].consent is None


@pytest.mark.parametrize(
    ("cell", "consents"),
    [("Yes", True), ("I agree to all of it", True), ("同意", True), ("v3", True), ("✓", True), ("不同意", False), ("", False),
     ("I do not agree", False), ("maybe", False)],
)  # fmt: skip
def test_only_a_clear_yes_is_consent(cell, consents):
    text, _, rejects = bring(f"ID,Twitch,Consent\nA1,ana_1,{cell}\n")
    assert (channels(text)["twitch:ana_1"].consent is not None) is consents
    assert bool(rejects) == (cell == "maybe")


def test_who_answers_a_form_twice_is_taken_at_the_later_word():
    text, _, rejects = bring("ID,Name,Twitch,YouTube\nA1,Ana,old_1,\nA1,Ana,new_1,@ana.b\n")
    assert set(channels(text)) == {"twitch:new_1", "youtube:ana.b"}
    assert "again on line 3" in rejects[0].reason


def test_a_channel_belongs_to_one_attendee():
    text, _, (reject,) = bring("ID,Twitch\nA1,ana_1\nA2,ana_1\n")
    assert channels(text)["twitch:ana_1"].attendee == "A1"
    assert (reject.line, "already A1's" in reject.reason) == (3, True)
    assert bring("ID,Twitch\nA2,ana_1\n", text)[1].new == 0


def test_columns_and_rows_of_ones_own_survive_an_import():
    roster = "attendee,platform,handle,shirt\nA1,twitch,ana_1,XL\nA7,,broken,M\n"
    text, _, _ = bring("ID,Name,Twitch\nA1,Ana,ana_1\n", roster)
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(row["attendee"], row["shirt"]) for row in rows] == [("A1", "XL"), ("A7", "M")]
    assert rows[0]["verified"] == "yes"  # a hand-made list stays trusted when it gets the column


def test_imported_rows_wait_for_a_tick_unless_somebody_vouches():
    waiting = channels(bring(FIRST)[0])["twitch:ana_1"]
    assert "confirmed" in why_not(waiting, require_consent=True)
    assert why_not(waiting, require_consent=False) == ""
    assert why_not(channels(bring(FIRST, vouched=True)[0])["twitch:ana_1"], require_consent=True) == ""


def test_a_spreadsheet_finds_no_formula_and_the_name_is_read_as_it_was():
    text, _, _ = bring("ID,Name,Twitch\nA1,=1+1,ana_1\n")
    assert all(not cell.startswith(("=", "+", "-", "@")) for row in csv.reader(io.StringIO(text)) for cell in row)
    assert channels(text)["twitch:ana_1"].name == "=1+1"


def test_a_reject_has_its_line_reason_suggestion_and_the_original():
    _, _, rejects = bring("ID,Name,Country,Twitch\nA1,Ana,Brazl,twich.tv/ana\n")
    rows = list(csv.DictReader(io.StringIO(rejects_text(rejects))))
    assert {row["line"] for row in rows} == {"2"}
    assert any("Brazil" in row["suggestion"] for row in rows)
    assert any("did you mean twitch.tv/ana?" in row["suggestion"] for row in rows)
    assert rows[0]["original"] == "A1 | Ana | Brazl | twich.tv/ana"


# --- the command ------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.toml").write_text(
        '[event]\nname = "Summit"\ntimezone = "UTC"\n[roster]\nfile = "people.csv"\n', encoding="utf-8"
    )
    (tmp_path / "people.csv").write_text("attendee,platform,handle\nA1,twitch,ana_1\n", encoding="utf-8")
    (tmp_path / "list.csv").write_text("ID,Name,Twitch\nA1,Ana,ana_1\nA2,Bo,bo_1\n", encoding="utf-8")
    return tmp_path


def command(folder, *words):
    return main(["roster", *words, "--config", str(folder / "config.toml"), "--data-dir", str(folder / "data")])


def test_without_a_terminal_it_asks_for_yes_and_writes_nothing(folder, capsys):
    before = (folder / "people.csv").read_bytes()
    assert command(folder, "import", "list.csv") == 2
    assert "--yes" in capsys.readouterr().err
    assert (folder / "people.csv").read_bytes() == before


def test_import_writes_the_configured_roster_keeps_a_backup_and_says_so(folder, capsys):
    before = (folder / "people.csv").read_bytes()
    assert command(folder, "import", "list.csv", "--yes") == 0
    assert "1 new, 1 changed" in capsys.readouterr().out
    (backup,) = folder.glob("people.csv.*.bak")
    assert backup.read_bytes() == before
    assert command(folder, "import", "list.csv", "--yes") == 0
    assert "0 new, 0 changed" in capsys.readouterr().out
    assert len(list(folder.glob("people.csv.*.bak"))) == 1
    assert not list(folder.glob(".people*"))


def test_rejected_lines_are_in_their_own_file_for_the_owner_only_and_go_when_mended(folder):
    (folder / "list.csv").write_text("ID,Twitch\nA1,ana_1\nA2,Bo Li\n", encoding="utf-8")
    assert command(folder, "import", "list.csv", "--yes") == 1
    rejected = folder / "people.rejected.csv"
    assert "Bo Li" in rejected.read_text(encoding="utf-8")
    assert stat.S_IMODE(rejected.stat().st_mode) == 0o600
    (folder / "list.csv").write_text("ID,Twitch\nA1,ana_1\nA2,bo_1\n", encoding="utf-8")
    assert command(folder, "import", "list.csv", "--yes") == 0
    assert not rejected.exists()


def test_the_shipped_sample_is_never_written_over(folder):
    sample = folder / "roster-sample.csv"
    sample.write_text("attendee,platform,handle\n", encoding="utf-8")
    (folder / "config.toml").write_text(
        '[event]\nname = "S"\ntimezone = "UTC"\n[roster]\nfile = "roster-sample.csv"\n', encoding="utf-8"
    )
    command(folder, "import", "list.csv", "--yes")
    assert sample.read_text(encoding="utf-8") == "attendee,platform,handle\n"
    assert len(channels((folder / "roster.csv").read_text(encoding="utf-8"))) == 2


def test_an_empty_list_says_so(folder, capsys):
    (folder / "list.csv").write_text("\n\n", encoding="utf-8")
    assert command(folder, "import", "list.csv", "--yes") == 2
    assert "list.csv is empty" in capsys.readouterr().err


def test_a_list_without_channels_is_one_sentence(folder, capsys):
    (folder / "list.csv").write_text("ID,Name\nA1,Ana\n", encoding="utf-8")
    assert command(folder, "import", "list.csv", "--yes") == 2
    assert "no column that looks like channels" in capsys.readouterr().err
