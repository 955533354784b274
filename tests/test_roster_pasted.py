"""What a second look at real lists found: addresses run together or in rarer forms, placeholders, encodings, countries and languages."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from monitor.countries import find_country, what_is_wrong
from monitor.languages import find_language, meant_by
from monitor.links import find_channels
from monitor.roster_columns import guess
from monitor.roster_lines import entries_of
from monitor.roster_table import read_table
from monitor.roster_text import decoded
from monitor.roster_words import understood


def channels(cell: str, platform: str | None = None) -> list[str]:
    return [f"{one.platform}:{one.handle}" for one in find_channels(cell, platform)[0]]


@pytest.mark.parametrize(
    ("cell", "platform", "expected"),
    [
        ("https://www.youtube.com/@anahttps://www.twitch.tv/ana", None, ["youtube:ana", "twitch:ana"]),
        ("youtube.com/@ana/twitch.tv/ana", None, ["youtube:ana", "twitch:ana"]),
        ("youtube.com/@ana|twitch.tv/ana", None, ["youtube:ana", "twitch:ana"]),
        ("https://www.youtube.com/@ana；", None, ["youtube:ana"]),
        ("https://www.google.com/url?q=https://www.twitch.tv/ana&sa=D", None, ["twitch:ana"]),
        ("YT @ana", None, ["youtube:ana"]),
        ("ana (Twitch)", None, ["twitch:ana"]),
        ("@ana [IG]", None, ["instagram:ana"]),
        ("https://ana_grp.t.me", None, ["telegram:ana_grp"]),
        ("https://web.telegram.org/k/#@ana_grp", None, ["telegram:ana_grp"]),
        ("https://ana.bsky.social", None, ["bluesky:ana.bsky.social"]),
        ("https://mastodon.social/users/ana", None, ["mastodon:ana@mastodon.social"]),
        ("https://pl.example/users/ana", "mastodon", ["mastodon:ana@pl.example"]),
        ("acct:ana@x.example", "mastodon", ["mastodon:ana@x.example"]),
        ("https://fb.gg/ana", None, ["facebook:ana"]),
        ("https://www.facebook.com/gaming/ana", None, ["facebook:ana"]),
        ("https://www.facebook.com/pg/ana/about", None, ["facebook:ana"]),
        ("https://www.facebook.com/p/Ana-Autos-1000123", None, ["facebook:1000123"]),
        ("https://instagr.am/ana", None, ["instagram:ana"]),
        ("https://m.bilibili.com/space/123", None, ["bilibili:space/123"]),
        ("https://x.com/intent/user?screen_name=ana", None, ["x:ana"]),
        ("https://live.ana.example:8443/embed/video", "owncast", ["owncast:live.ana.example:8443"]),
        ("http://203.0.113.5:8080", "owncast", ["owncast:203.0.113.5:8080"]),
        ("https://socialstream.ninja/dock.html?session=abc123XYZ", None, ["ssn:abc123XYZ"]),
    ],
)
def test_an_address_is_found_in_the_forms_that_people_paste(cell, platform, expected):
    assert (channels(cell, platform), find_channels(cell, platform)[1]) == (expected, [])


@pytest.mark.parametrize(
    "cell",
    [
        "https://www.twitch.tv/team/x", "https://dashboard.kick.com/stream", "https://www.facebook.com/marketplace/x", "https://vk.com/video-12_34",
        "https://vk.com/wall-1_2", "https://www.tiktok.com/t/ZT123/", "https://www.facebook.com/share/1AbC/", "http://127.0.0.1:5/twitch.tv/ana_1",
        "https://evil.example/youtube.com/@a/twitch.tv/ana",
    ],
)  # fmt: skip
def test_a_page_of_the_platform_or_of_a_stranger_is_nobodys_channel(cell):
    found, problems = find_channels(cell)
    assert (found, len(problems)) == ([], 1)


@pytest.mark.parametrize("cell", ["TBD", "tba", "pending", "To be confirmed", "?", "待定", "будет позже", "não tenho", "nincs", "없음", "N.A.", "coming soon"])  # fmt: skip
def test_what_says_that_there_is_none_yet_is_no_strangers_name(cell):
    for platform in ("youtube", "twitch", None):
        assert find_channels(cell, platform) == ([], [])


LISTS = {
    "cp1250": [
        "Név;Ország\nSzőke Ádám;Magyarország\nKovács Győző;Ausztria\nTűzkő Ödön;Magyarország\n", "Név\nErdős Pál\n", "Név\nNagy Árpád\nKiss Gergő\n",
        "Jméno;Země\nŠtěpán Dvořák;Česko\nJiří Novák;Česko\nĽuboš Šťastný;Slovensko\n", "Jméno;Země\nPetr Černý;Česká republika\n",
        "Imię\nŁukasz Wójcik\nMałgorzata Dąbrowska\n", "Nume\nIonuţ Popescu\nMădălina Ţurcanu\n", "Ime\nŽeljko Đurić\nĆiro Čačić\n",
    ],
    "cp1252": ["Nom;Pays\nFrançois Côté;Suisse\nJosé Núñez;España\nJürgen Groß;Deutschland\nÅse Bjørn;Norge\nJoão Conceição;Brasil\n", "Nafn\nGuðrún Þórsdóttir\n"],
    "cp1254": ["Ad;Ülke\nŞule Yıldız;Türkiye\nİbrahim Çağrı;Türkiye\n", "Ad\nAyşe Yılmaz\nMehmet Işık\n"],
    "cp1257": ["Vārds;Valsts\nJānis Bērziņš;Latvija\nŽivilė Šimkutė;Lietuva\n"],
    "cp1251": ["Имя;Страна\nИван Петров;Россия\nОльга Сидорова;Казахстан\n"],
    "cp1253": ["Όνομα;Χώρα\nΓιώργος Παπαδόπουλος;Ελλάδα\nΜαρία Ιωάννου;Κύπρος\n"],
    "cp1255": ["שם;מדינה\nדוד כהן;ישראל\nמרים לוי;ישראל\n"],
    "cp1256": ["الاسم;الدولة\nمحمد أحمد;مصر\nفاطمة علي;السعودية\n"],
    "cp874": ["ชื่อ;ประเทศ\nสมชาย ใจดี;ไทย\n"],
    "cp932": ["氏名;国\n山田太郎;日本\n佐藤花子;日本\nタナカ イチロウ;日本\n"],
    "cp949": ["이름;국가\n김철수;대한민국\n이영희;대한민국\n"],
    "gb18030": ["姓名;国家\n王小明;中国\n李丽;中国\n张伟;新加坡\n"],
    "big5": ["姓名;國家\n王小明;台灣\n陳美麗;香港\n"],
    "cp866": ["Имя;Страна\nИван Петров;Россия\n"],
    "koi8-r": ["Имя;Страна\nИван Петров;Россия\nОльга Сидорова;Казахстан\n"],
    "iso8859-2": ["Jméno;Země\nŠtěpán Dvořák;Česko\nŽaneta Ťuhýková;Slovensko\n"],
    "mac_roman": ["Nom\nFrançois Côté\nHélène Müller\n"],
}  # fmt: skip


@pytest.mark.parametrize("encoding", LISTS)
def test_a_list_is_read_in_the_encoding_in_which_its_country_saves_it(encoding):
    for text in LISTS[encoding]:
        assert decoded(text.encode(encoding))[0] == text
        assert decoded((text * 40).encode(encoding))[0] == text * 40


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("BRA", "BR"), ("deu", "DE"), ("🇧🇷", "BR"), ("🇧🇷 Brazil", "BR"), ("Brazil (BR)", "BR"), ("BR - Brazil", "BR"), ("Brazil/巴西", "BR"), ("巴西 Brazil", "BR"),
        ("Россия (RU)", "RU"), ("São Paulo, Brasil", "BR"), ("Congo, Democratic Republic of the", "CD"), ("Korea, Democratic People's Republic of", "KP"),
        ("Korea, Republic of", "KR"), ("Macao SAR, China", "MO"), ("Guinea-Bissau", "GW"), ("Trinidad and Tobago", "TT"),
    ],
)  # fmt: skip
def test_a_country_is_known_however_it_is_written(written, code):
    assert find_country(written) == code


@pytest.mark.parametrize(
    ("written", "said"),
    [("XK", 'no country has the code "XK"'), ("EU", "no country has the code"), ("+55", "is a number"), ("Georgia, USA", "more than one country"),
     ("Brazil, Portugal", "more than one country"), ("Latam", 'country "Latam" is not known')],
)  # fmt: skip
def test_what_names_no_country_is_said_in_a_sentence(written, said):
    assert find_country(written) is None
    assert said in what_is_wrong(written)


@pytest.mark.parametrize(
    ("written", "code"),
    [("pt", "pt"), ("PT_br", "pt-br"), ("zh-Hans", "zh-Hans"), ("English", "en"), ("português", "pt"), ("中文", "zh"), ("Bahasa Indonesia", "id"), ("spa", "spa"),
     ("Русский", "ru"), ("Portuguese (Brazil)", "pt-BR"), ("Lao", "lo"), ("xx", None), ("jp", None), ("cn", None), ("", None), ("Klingonese", None)],
)  # fmt: skip
def test_a_language_is_known_by_code_and_by_name(written, code):
    assert find_language(written) == code


def test_a_countrys_code_in_place_of_a_language_is_understood_and_asked_about():
    assert [meant_by(code) for code in ("cn", "JP", "ua", "xx")] == ["zh", "ja", "uk", None]


@pytest.mark.parametrize(
    ("headers", "fields"),
    [
        ("Reg. szám;Név;Ország;Nyelv;Csatorna", ("attendee", "name", "country", "language", "handle")),
        ("Registrační číslo;Jméno a příjmení;Země;Jazyk;Kanál", ("attendee", "name", "country", "language", "handle")),
        ("Număr de înregistrare;Nume și prenume;Țara;Limba;Canal", ("attendee", "name", "country", "language", "handle")),
        ("Αριθμός εγγραφής;Όνομα;Χώρα;Γλώσσα;Κανάλι", ("attendee", "name", "country", "language", "handle")),
        ("מספר רישום;שם מלא;מדינה;שפה;ערוץ", ("attendee", "name", "country", "language", "handle")),
        ("Anmälningsnummer;Namn;Land;Språk;Länk", ("attendee", "name", "country", "language", "handle")),
    ],
)
def test_headers_of_more_languages_are_understood(headers, fields):
    assert tuple(understood(word)[0] for word in headers.split(";")) == fields


def test_a_hungarian_list_comes_in_as_its_excel_saved_it():
    text = "Reg. szám;Név;Ország;Nyelv;YouTube;Hozzájárulás\nA1;Szőke Ádám;HUN;magyar;@szoke;igen\nA2;Kovács Győző;Austria;jp;@gyozo;nem\n"
    table = read_table(text.encode("cp1250"), "lista.csv")
    entries, rejects = entries_of(table, guess(table), person=lambda who: who, now=datetime(2026, 10, 1, tzinfo=UTC))
    assert [(one.attendee, one.handle, one.texts.get("country"), one.texts.get("language"), one.texts["consent"]) for one in entries] == [
        ("A1", "szoke", "HU", "hu", "yes"), ("A2", "gyozo", "AT", None, "no"),
    ]  # fmt: skip
    assert [(one.reason, one.suggestion) for one in rejects] == [
        ('language "jp" is not known', 'that is a country; did you mean "ja"?')
    ]
