"""Lists as liaisons have them: what Excel writes somewhere in the world, headers in their languages, addresses as people copy them."""

import io
import zipfile
from datetime import UTC, datetime

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.config import ConfigError
from monitor.countries import COUNTRIES, find_country
from monitor.links import broadcast_link, find_channels
from monitor.pages import LANGUAGES, countries
from monitor.roster_columns import guess
from monitor.roster_import import update
from monitor.roster_lines import entries_of
from monitor.roster_table import read_table
from monitor.roster_text import LEGACY, decoded, likeliest
from monitor.roster_times import day_first, moment
from monitor.roster_words import understood

NOW = datetime(2026, 10, 12, 8, 0, tzinfo=UTC)


def brought(data, name="list.csv", rows=()):
    """(result, rejects) of a list that comes into these rows."""
    table = read_table(data if isinstance(data, bytes) else data.encode(), name)
    columns = guess(table)
    entries, rejects = entries_of(table, columns, person=lambda text: f"hash-{len(text)}-{sum(map(ord, text))}", now=NOW)
    result = update(("attendee",), rows, entries, vouched=False, wide=columns.wide)
    return result, [*rejects, *result.rejects]


def seen(result):
    return [
        (row["attendee"], row.get("country", ""), f"{row['platform']}:{row['handle']}", row.get("consent", ""))
        for row in result.rows
    ]


# --- encodings --------------------------------------------------------------------------------------------------------

TEXTS = {
    "cp1252": ("Nr.;Vor- und Nachname;Land\r\nA1;Jörg Müßig;Österreich\r\n", "Nº de inscrição;João Conceição;Não\n", "Prénom;Éloïse Gaël\n"),
    "cp1254": ("No;Ad Soyad;Ülke\r\nA1;Ayşe Yılmaz;Türkiye\r\n", "Şükrü Işık;Hayır;Bağlantı"),
    "cp1250": ("Imię i nazwisko;Kraj\nŁukasz Żółć;Świętokrzyskie\n",),
    "cp1251": ("Номер;Имя и фамилия;Страна\nA1;Иван Петров;Россия\nА2;Ольга;БЕЛАРУСЬ\n", "Олександр Їжак;Україна"),
    "cp1256": ("رقم التسجيل;الاسم الكامل;البلد\nA1;محمد علي;السعودية\n", "الاسم;نعم\nعبد الرحمن;لا\n"),
    "cp874": ("No,Name\nA1,สมชาย ใจดี,ไทย\nA2,สมหญิง", "หมายเลขลงทะเบียน,ชื่อ-นามสกุล,ประเทศ"),
    "gb18030": ("报名编号,姓名,国家\nA1,王丽,中国\nA2,韩梅梅,马来西亚\n", "编号,姓名\n1,龚颢\n2,欧阳娜娜"),
    "big5": ("編號,姓名,國家,平台,帳號\nA1,王麗華,台灣,YouTube\n", "中文姓名,國籍\n林志玲,臺灣"),
}  # fmt: skip


@pytest.mark.parametrize(("encoding", "text"), [(encoding, text) for encoding, texts in TEXTS.items() for text in texts])
def test_what_excel_writes_somewhere_in_the_world_is_read_as_it_was_written(encoding, text):
    assert decoded(text.encode(encoding)) == (text, LEGACY[encoding])


def test_utf_8_that_was_taken_for_western_and_written_again_is_mended_and_said():
    once = "A1,João,Élodie".encode()
    text, how = decoded(once.decode("cp1252").encode())
    assert (text, "twice" in how) == ("A1,João,Élodie", True)


def test_one_broken_letter_does_not_spoil_the_others_and_is_told():
    data = ("ID,Name,Twitch\n" + "".join(f"A{n},João Conceição,joao_{n}\n" for n in range(20))).encode() + b"B1,Jo\xe3o,b_1\n"
    result, (reject,) = brought(data)
    assert (result.rows[0]["name"], result.new) == ("João Conceição", 21)
    assert (reject.line, "broken" in reject.reason, reject.whole) == (22, True, False)


@pytest.mark.parametrize("text", ["Ângela,Âmbar", "naïve Ça,Über", "Ana,Ñandú £5"])
def test_honest_utf_8_is_left_alone(text):
    assert decoded(text.encode()) == (text, "UTF-8")


@given(st.binary(max_size=200))
def test_any_bytes_are_read_in_one_of_the_encodings(data):
    assert likeliest(data) in LEGACY


# --- headers and answers ----------------------------------------------------------------------------------------------

HEADERS = {
    "zh": ("报名编号,姓名,国家,平台,账号链接,是否授权", "同意", "不同意", "沙特阿拉伯"),
    "ru": ("Регистрационный номер,Имя и фамилия,Страна,Платформа,Ссылка на канал,Согласие на чтение чата", "Да", "Нет", "Саудовская Аравия"),
    "ar": ("رقم التسجيل,الاسم,الدولة,المنصة,رابط القناة,الموافقة", "نعم", "لا", "المملكة العربية السعودية"),
    "pt": ("Nº de inscrição,Nome,País,Plataforma,Link do canal,Autorizo a leitura do chat", "Sim, autorizo", "Não", "Arábia Saudita"),
    "es": ("Número de inscripción,Nombre y apellidos,País,Plataforma,Enlace del canal,Acepto que se lea mi chat", "Sí", "No acepto", "Arabia Saudí"),
    "fr": ("N° d'inscription,Nom et prénom,Pays,Plateforme,Lien de la chaîne,J'accepte que mon chat soit lu", "Oui", "Non merci", "Arabie saoudite"),
    "id": ("Nomor pendaftaran,Nama lengkap,Negara,Platform,Tautan saluran,Saya setuju chat publik saya dibaca", "Ya", "Tidak", "Arab Saudi"),
    "de": ("Anmeldenummer,Name,Land,Plattform,Link zum Kanal,Ich stimme zu dass mein Chat gelesen wird", "Ja", "Nein", "Saudi-Arabien"),
    "tr": ("Kayıt no,Ad Soyad,Ülke,Platform,Kanal bağlantısı,Sohbetimin okunmasını kabul ediyorum", "Evet", "Hayır", "Suudi Arabistan"),
    "th": ("หมายเลขลงทะเบียน,ชื่อ-นามสกุล,ประเทศ,แพลตฟอร์ม,ลิงก์ช่อง,ยินยอม", "ใช่", "ไม่", "ซาอุดีอาระเบีย"),
    "vi": ("Mã đăng ký,Họ và tên,Quốc gia,Nền tảng,Link kênh,Đồng ý", "Có", "Không", "Ả Rập Xê-út"),
    "it": ("Numero di iscrizione,Nome e cognome,Paese,Piattaforma,Link del canale,Acconsento", "Sì", "No", "Arabia Saudita"),
    "ja": ("登録番号,氏名,国,プラットフォーム,チャンネル,同意", "はい", "いいえ", "サウジアラビア"),
    "pl": ("Numer rejestracyjny,Imię i nazwisko,Kraj,Platforma,Kanał,Zgoda", "Tak", "Nie", "Arabia Saudyjska"),
}  # fmt: skip


@pytest.mark.parametrize("language", HEADERS)
def test_a_list_in_its_own_language_is_understood_from_header_to_consent(language):
    header, yes, no, country = HEADERS[language]
    result, rejects = brought(
        f'{header}\nA1,Ana,{country},YouTube,https://www.youtube.com/@ana,"{yes}"\nA2,Bo,BR,Twitch,bo_x,"{no}"\n'
    )
    assert (seen(result), rejects) == ([("A1", "SA", "youtube:ana", "yes"), ("A2", "BR", "twitch:bo_x", "no")], [])


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_country_is_known_by_its_name_in_every_language_of_the_pages(language):
    wrong = [(code, name) for code, name in countries(language) if find_country(name) != code]
    assert wrong == []
    assert len(countries(language)) == len(COUNTRIES)


@pytest.mark.parametrize(
    ("word", "field"),
    [
        ("I agree to: [my public chat being read]", "consent"),  # a grid of Google Forms
        ("I agree to: [my name on screens]", "show_name"),
        ("Aceito que leiam meu chat público", "consent"),
        ("ФИО участника", "name"),
        ("Which country do you represent?", "country"),
        ("Channel name", "handle"),
        ("Link 2", "handle"),
        ("Account manager", "liaison"),
        ("Company name", None),
        ("Emergency contact name", None),
        ("Date of registration", None),
        ("Followers on YouTube", None),
        ("https://www.youtube.com/@ana", None),
        ("ana@example.org", None),
    ],
)
def test_questions_are_understood_and_what_is_no_business_of_ours_is_not(word, field):
    assert understood(word)[0] == field


def test_somebodys_own_line_is_never_taken_for_the_header():
    result, _ = brought(
        "ჩანაწერი,სახელი,ბმული,თანხმობა\nA1,ანა,https://www.youtube.com/@ana,No\nA2,ბო,https://twitch.tv/bo_x,No\n"
    )
    assert {channel for _, _, channel, _ in seen(result)} == {"youtube:ana", "twitch:bo_x"}


def test_a_line_of_headers_that_is_repeated_further_down_is_nobody():
    result, rejects = brought(
        "ID,Name,Platform,Channel\nA1,Ana,Twitch,ana_s\nMexico,,,\nID,Name,Platform,Channel\nA3,Luz,Twitch,luz_s\n"
    )
    assert [row["attendee"] for row in result.rows] == ["A1", "A3"]
    assert [(one.line, one.original) for one in rejects] == [(3, "Mexico |  |  | ")]


def test_a_running_number_is_no_registration_number():
    """Line 1 of Brazil's list and line 1 of Mexico's are two people."""
    brazil, _ = brought("No,Name,Country,Twitch\n1,Ana,BR,ana_s\n2,Bia,BR,bia_s\nTotal,2,,\n")
    both, rejects = brought("No,Name,Country,Twitch\n1,Luz,MX,luz_s\n2,Sol,MX,sol_s\n", rows=brazil.rows)
    assert (both.new, both.changes, rejects) == (2, (), [])
    for said in ("Reg. No", "ID", "报名编号"):
        assert [row["attendee"] for row in brought(f"{said},Twitch\n1,ana_s\n2,bia_s\n")[0].rows] == ["1", "2"]


@pytest.mark.parametrize(
    ("header", "line", "name"),
    [
        ("First name,Last name", "Ana,Silva", "Ana Silva"),
        ("Surname,Given name", "Silva,Ana", "Ana Silva"),
        ("Vorname,Nachname", "Jörg,Müßig", "Jörg Müßig"),
        ("Name,Vorname", "Müßig,Jörg", "Jörg Müßig"),
        ("Nombre,Apellidos", "Ana,de la Torre", "Ana de la Torre"),
        ("Фамилия,Имя", "Петров,Иван", "Иван Петров"),
        ("姓,名", "王,丽", "王丽"),
        ("성,이름", "김,민수", "김민수"),
        ("Full name,First name,Last name", "Ana Silva,Ana,Silva", "Ana Silva"),
        ("First name,Last name", "Ana,", "Ana"),
        ("First name,Last name", "Ana,An", "Ana An"),
    ],
)
def test_a_name_in_two_columns_is_one_name(header, line, name):
    result, rejects = brought(f"{header},Twitch\n{line},ana_s\n")
    assert ([row["name"] for row in result.rows], rejects) == ([name], [])


def test_two_people_who_share_a_first_name_are_two():
    """Without a registration number and an e-mail people are told apart by their names."""
    result, rejects = brought("First name,Last name,Country,Twitch\nAna,Silva,BR,ana_s\nAna,de Souza,BR,ana_z\n")
    assert (len({row["attendee"] for row in result.rows}), rejects) == (2, [])


def test_each_link_of_a_line_has_the_platform_that_stands_beside_it():
    result, rejects = brought("Reg No,Platform 1,Link 1,Platform 2,Link 2\nA1,YouTube,@ana,Twitch,ana_s\nA2,TikTok,@bo,,\n")
    assert ([channel for _, _, channel, _ in seen(result)], rejects) == (["youtube:ana", "twitch:ana_s", "tiktok:bo"], [])


def test_several_platforms_in_one_cell_do_not_become_a_platform():
    result, (reject,) = brought('ID,Platform,Channel\nA1,"YouTube, Twitch",@ana\n')
    assert (result.rows, "no platform is named" in reject.reason) == ((), True)


# --- workbooks --------------------------------------------------------------------------------------------------------


def workbook(rows, prepare=lambda *_: None):
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    prepare(book, book.active)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def test_what_nobody_sees_is_not_taken_for_a_channel_but_hidden_lines_are_people():
    def hide(_, page):
        page.column_dimensions["B"].hidden = True
        page.row_dimensions[3].hidden = True

    data = workbook(
        [["ID", "Old channel", "Channel"], ["A1", "twitch.tv/old_1", "twitch.tv/ana_s"], ["A2", "", "twitch.tv/bo_s"]], hide
    )
    table = read_table(data, "x.xlsx")
    assert guess(table).left == {1: "hidden"}
    assert [channel for _, _, channel, _ in seen(brought(data, "x.xlsx")[0])] == ["twitch:ana_s", "twitch:bo_s"]
    assert "1 of its lines" in table.notes[0]


def test_other_sheets_with_lines_are_named():
    def more(book, _):
        page = book.create_sheet("México")
        page.append(["ID", "Twitch"])

    table = read_table(workbook([["ID", "Twitch"], ["A1", "ana_s"], ["A2", "bo_s"]], more), "x.xlsx")
    assert 'Not read: the sheet "México"; --sheet NAME' in table.notes[0]


def test_a_link_made_by_a_formula_is_a_link_and_a_formula_without_value_is_told():
    data = workbook(
        [["ID", "Channel"], ["A1", '=HYPERLINK("https://www.twitch.tv/ana_s","my channel")'], ["A2", '="twitch.tv/"&A2']]
    )
    result, (reject,) = brought(data, "x.xlsx")
    assert [channel for _, _, channel, _ in seen(result)] == ["twitch:ana_s"]
    assert (reject.line, "formula" in reject.reason, "Excel" in reject.suggestion) == (3, True, True)


def test_a_link_behind_a_text_with_a_slash_in_it_is_followed_too():
    def link(_, page):
        page["B2"].hyperlink = "https://www.twitch.tv/ana_s"

    assert seen(brought(workbook([["ID", "Channel"], ["A1", "Ana/Twitch"]], link), "x.xlsx")[0])[0][2] == "twitch:ana_s"


def packed(*names):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as found:
        for name in names:
            found.writestr(name, "<x/>")
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\xd0\xcf\x11\xe0" + b"\0" * 90 + "EncryptedPackage".encode("utf-16-le"), "locked with a password"),
        (b"\xd0\xcf\x11\xe0" + b"\0" * 90 + "Workbook".encode("utf-16-le"), "an old .xls workbook"),
        (packed("content.xml"), "LibreOffice"),
        (packed("word/document.xml"), "a Word document"),
        (packed("Index/Document.iwa"), "a Numbers file"),
        (packed("xl/workbook.bin"), "binary workbook"),
        (b"<html><table><tr><td>id</td></tr></table>", "a web page"),
        (b'{"people": []}', "JSON"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "a picture"),
    ],
)
def test_what_is_no_list_is_called_what_it_is(data, words):
    with pytest.raises(ConfigError, match=words):
        read_table(data, "list.xlsx")


# --- times ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-10-02T09:11Z", "2026-10-02T09:11"),
        ("46298.3826", "2026-10-03T09:10"),  # Excel's number of the day
        ("02/10/2026 09:11:05", "2026-10-02T09:11"),
        ("2.10.2026 9:11", "2026-10-02T09:11"),
        ("2026/10/02 9:11:05 AM GMT+8", "2026-10-02T01:11"),
        ("2026/10/02 9:12:05 PM GMT+8", "2026-10-02T13:12"),
        ("2026/10/02 12:05:00 AM", "2026-10-02T00:05"),
        ("2026年10月2日 下午3:20", "2026-10-02T15:20"),
        ("2026-10-02 09:11:05 -0300", "2026-10-02T12:11"),
        ("yesterday", None),
        ("31/02/2026", None),
        ("12", None),
    ],
)
def test_a_time_is_read_as_forms_and_spreadsheets_write_it(text, expected):
    found = moment(text)
    assert (f"{found:%Y-%m-%dT%H:%M}" if found else None) == expected


def test_one_date_tells_for_its_column_whether_the_day_comes_first():
    assert (day_first(["02/10/2026", "13/10/2026"]), day_first(["02/10/2026", "10/13/2026"]), day_first(["02/10/2026"])) == (
        True,
        False,
        None,
    )
    result, _ = brought("ID,Twitch,Consent,Timestamp\nA1,ana_s,yes,10/02/2026 9:11\nA2,bo_s,yes,10/13/2026 9:11\n")
    assert result.rows[0]["consent_at"] == "2026-10-02T09:11Z"


def test_a_time_that_cannot_be_read_is_told_and_not_lost_in_silence():
    result, (reject,) = brought("ID,Twitch,Consent,Consent at\nA1,ana_s,yes,last week\n")
    assert result.rows[0]["consent_at"] == "2026-10-12T08:00Z"
    assert ("last week" in reject.reason, reject.whole) == (True, False)


@given(st.text(max_size=40))
def test_no_text_breaks_the_reading_of_times(text):
    found = moment(text)
    assert found is None or found.tzinfo is UTC


# --- addresses --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("UCabcdefghijklmnopqrstuw", "youtube:UCabcdefghijklmnopqrstuw"),
        ("https://studio.youtube.com/channel/UCabcdefghijklmnopqrstux/livestreaming", "youtube:UCabcdefghijklmnopqrstux"),
        ("https://www.youtube.com/embed/live_stream?channel=UCabcdefghijklmnopqrstuy", "youtube:UCabcdefghijklmnopqrstuy"),
        ("https://www.youtube.com/feeds/videos.xml?channel_id=UCabcdefghijklmnopqrstuz", "youtube:UCabcdefghijklmnopqrstuz"),
        ("https://www.youtube.com/@%E5%BC%A0%E4%B8%89", "youtube:张三"),
        ("https://www.youtube.com/@हिन्दी", "youtube:हिन्दी"),
        ("https://dashboard.twitch.tv/u/ana_d/stream-manager", "twitch:ana_d"),
        ("https://player.twitch.tv/?channel=ana_p&parent=x", "twitch:ana_p"),
        ("https://player.kick.com/ana-z", "kick:ana-z"),
        ("https://www.google.com/url?q=https://www.twitch.tv/ana_g&sa=D", "twitch:ana_g"),
        ("https://l.instagram.com/?u=https%3A%2F%2Fwww.twitch.tv%2Fana_i&e=x", "twitch:ana_i"),
        ("tg://resolve?domain=ana_tg", "telegram:ana_tg"),
        ("@ana.bsky.social", "bluesky:ana.bsky.social"),
        ("https://fosstodon.org/@ana", "mastodon:ana@fosstodon.org"),
    ],
)
def test_an_address_is_understood_as_people_copy_it(cell, expected):
    (found,), problems = find_channels(cell)
    assert (f"{found.platform}:{found.handle}", problems) == (expected, [])


@pytest.mark.parametrize(
    ("cell", "platform", "reason", "suggestion"),
    [
        ("+55 11 98765-4321", None, "a phone number", "paste the address"),
        ("+46 70 123 45 67", "x", "a phone number", "x.com/name"),
        ("https://linktr.ee/ana", None, "several addresses", "copy those of the channels"),
        ("https://toot.example/@ana", None, "no platform that we know", "write @ana@toot.example"),
        ("https://www.threads.net/@ana", None, "no platform that we know", "on its platform"),
        ("https://www.youtube.com/c/Ana", None, "this old form", "copy the @name"),
        ("youtube", None, "names a platform", "paste the address"),
        ("Sim", None, "says yes", "paste the address"),
    ],
)
def test_what_is_no_channel_is_called_what_it_is(cell, platform, reason, suggestion):
    found, (problem,) = find_channels(cell, platform)
    assert (found, reason in problem.reason, suggestion in problem.suggestion) == ([], True, True)


def test_an_id_of_bluesky_is_the_id_of_the_account():
    did = "did:plc:abcdefghijklmnopqrstuvwx"
    assert find_channels(f"https://bsky.app/profile/{did}")[0][0].native_id == did


def test_a_room_number_is_no_phone_number():
    assert find_channels("21452505", "bilibili")[0][0].handle == "21452505"


def test_the_studios_address_of_a_live_is_shown_as_everybody_can_open_it():
    live = broadcast_link("https://studio.youtube.com/video/dQw4w9WgXcQ/livestreaming")
    assert (live.broadcast, live.url) == ("dQw4w9WgXcQ", "https://www.youtube.com/watch?v=dQw4w9WgXcQ")


# --- what is told -----------------------------------------------------------------------------------------------------


def test_what_changes_is_told_row_by_row_and_who_is_missing_is_named():
    before, _ = brought("ID,Name,Twitch,Consent\nA1,Ana,ana_s,yes\nA2,Bo,bo_s,yes\nA3,Cy,cy_s,yes\n")
    rows = [{**row, "verified": "yes"} for row in before.rows]
    after, _ = brought("ID,Name,Twitch\nA1,Ana,ana_new\nA2,Bob,bo_s\n", rows=rows)
    assert after.changes == (
        "A1 twitch:ana_s is now ana_new, has no consent any more, must be confirmed again",
        "A2 twitch:bo_s changes name",
    )
    assert after.absent == ("A3 twitch:cy_s",)


def test_who_does_not_take_part_any_more_is_not_read_whatever_was_ticked_before():
    before, _ = brought("ID,Twitch,Consent\nA1,ana_s,yes\nA2,bo_s,yes\n")
    after, (reject,) = brought("ID,Twitch,Consent,Status\nA1,ana_s,yes,Cancelled\nA2,bo_s,yes,confirmed\n", rows=before.rows)
    assert [consent for _, _, _, consent in seen(after)] == ["no", "yes"]
    assert (reject.line, "Cancelled" in reject.reason, reject.whole) == (2, True, False)
    assert after.changes == ("A1 twitch:ana_s has no consent any more",)


def test_a_channel_that_stands_twice_in_a_list_is_counted_as_such():
    result, rejects = brought("ID,Twitch\nA1,ana_s\n\nA1,https://twitch.tv/Ana_S\n")
    assert (result.new, result.repeated + len(rejects)) == (1, 1)
