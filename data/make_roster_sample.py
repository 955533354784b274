"""Writes roster-sample.csv: 1,200 channels of invented attendees, spread over the world like the guests of a car exporter's summit.

Every name is put together by chance from lists of common given and family names; a likeness to a living person is chance too. Logins begin
with ``lm_demo_``, Bluesky handles end in ``.bsky.example``, YouTube handles and Kick slugs begin with ``lm-demo-``: the first two cannot exist, and nobody
has the others. Run it again after a change: the seed makes it repeatable.
"""

# ruff: noqa: INP001  (a script beside its data, not a package)
from __future__ import annotations

import csv
import random
from pathlib import Path

CHANNELS, BLUESKY, YOUTUBE, KICK, TELEGRAM, OWNCAST, SSN, PARTNER, RESTREAM, BOTH = 1200, 120, 180, 70, 30, 8, 6, 6, 1, 40
"""BOTH attendees have a Twitch and a Bluesky channel; who is on none of the others is on Twitch. A PARTNER's site has two ways in;
RESTREAM is the organiser's own account, of which one is enough."""

# Share of the channels in per cent; a group's share is dealt out over its countries, so that some have one channel or none.
NAMED = {
    "BR": 7, "MX": 6, "CL": 3, "PE": 2, "CO": 2, "AR": 1.5, "EC": 1,
    "RU": 7, "GB": 3, "ES": 2, "IT": 2, "PL": 1.5, "KZ": 1.5, "DE": 0.7, "UZ": 0.5, "FR": 0.5, "BE": 0.3,
    "AE": 4.5, "SA": 4, "TR": 2, "IQ": 1.5, "KW": 1, "QA": 1, "OM": 1, "JO": 1, "IL": 1, "IR": 1,
    "ID": 4, "MY": 3.5, "TH": 2.5, "PH": 2.5, "VN": 2,
    "ZA": 3.5, "EG": 2.5, "DZ": 1, "MA": 0.8, "NG": 0.7,
    "CN": 7.3, "AU": 2, "PK": 1,
}  # fmt: skip
GROUPS = (
    (1.5, "UY PY BO VE PA CR GT DO HN SV NI CU"),
    (2.0, "NL PT RO CZ HU BG GR RS UA SE AT CH NO DK FI IE SK HR LT LV GE AM AZ BY KG"),
    (0.5, "SG KH LA MM BN"),
    (1.5, "KE GH TN ET TZ UG SN CI CM AO MZ ZM ZW BW NA MU RW LY SD MG BJ BF ML GA CD"),
    (0.7, "HK MO"),
    (1.0, "JP KR IN NZ BD LK NP MN US CA"),
)

LANGUAGES = {
    "pt": "BR PT AO MZ", "es": "MX CL PE CO AR EC ES UY PY BO VE PA CR GT DO HN SV NI CU", "ru": "RU BY KG", "it": "IT", "pl": "PL",
    "kk": "KZ", "de": "DE AT CH", "uz": "UZ", "fr": "FR BE SN CI CM BJ BF ML GA CD", "ar": "AE SA IQ KW QA OM JO DZ EG MA TN LY SD",
    "tr": "TR", "he": "IL", "fa": "IR", "id": "ID", "ms": "MY BN", "th": "TH", "fil": "PH", "vi": "VN", "zh": "CN SG", "zh-Hant": "HK MO",
    "ur": "PK", "nl": "NL", "ro": "RO", "cs": "CZ SK", "hu": "HU", "bg": "BG", "el": "GR", "sr": "RS HR", "uk": "UA", "sv": "SE NO DK FI",
    "lt": "LT LV", "ka": "GE", "hy": "AM", "az": "AZ", "km": "KH", "lo": "LA", "my": "MM", "am": "ET", "sw": "KE TZ UG", "ja": "JP",
    "ko": "KR", "hi": "IN", "bn": "BD", "si": "LK", "ne": "NP", "mn": "MN", "mg": "MG",
}  # fmt: skip
"""Where nothing is said, English."""

# language: (given names, family names); zh, ja, ko and hu put the family name first.
NAMES = {
    "pt": ("João Beatriz Tiago Larissa Caio Fernanda Rafael Camila Davi Luana Otávio Marina",
           "Silva Pereira Carvalho Araújo Teixeira Moreira Barbosa Nogueira Falcão Bittencourt"),
    "es": ("Mateo Valentina Joaquín Ximena Emiliano Renata Tomás Antonia Bruno Abril Íñigo Lucía",
           "Quiroga Paredes Ibáñez Montoya Salcedo Rentería Zúñiga Villalba Ochoa Peñaloza Arriaga"),
    "ru": ("Артём Дарья Кирилл Полина Никита Алиса Егор Ксения Матвей Вера Глеб Яна",
           "Ветров Снежин Лугов Озёров Кленов Ясенев Полевой Речной Боров Ледов"),
    "en": ("Oliver Grace Thabo Naledi Harriet Callum Chidi Amara Lachlan Zoe Tendai Imogen",
           "Ashdown Merrick Dlamini Okonjo Fairweather Penrose Mokoena Hartley Banda Larkspur"),
    "it": ("Giulia Lorenzo Chiara Matteo Ginevra Edoardo", "Bellandi Corvino Ferraresi Montalto Rinaldini Santoro"),
    "pl": ("Zofia Jakub Hanna Szymon Maja Łukasz", "Jaworek Śliwka Żurawski Brzozowy Kalinowicz Wrona"),
    "kk": ("Айгерім Нұрлан Дана Ерлан Мәдина Тимур", "Сейіт Жұмабай Оспан Қасым Әбен Тұрсын"),
    "de": ("Lena Jonas Mia Felix Greta Moritz", "Ährenfeld Brückner Lindholz Steinmüller Vogelsang Weißbach"),
    "uz": ("Dilnoza Jasur Malika Sardor Nodira Bekzod", "Karimov Oʻrinov Tosheva Yoʻldosh Rahmon Gʻaniyev"),
    "fr": ("Léa Hugo Aïssatou Théo Mariam Éloïse", "Beaulieu Diallo Lefèvre Kouassi Marchand Traoré"),
    "ar": ("أحمد فاطمة سالم نورة خالد ريم يوسف ليلى عمر هند ماجد سارة", "النجار الحداد البستاني الراوي الصياد المنصوري العطار الساعدي الفارس الزهراني"),
    "tr": ("Elif Emre Zeynep Kerem Defne Çağlar", "Yıldırımcı Şimşekli Gökdere Özdağ Işıktepe Karaçam"),
    "he": ("נועה איתי מאיה יונתן תמר עידו", "כרמלי אלון ברק שקד גלעדי נחלון"),
    "fa": ("سارا رضا نگار آرش مینا کاوه", "بهاری کوهستانی دریایی سپهری روشنی نیکو"),
    "id": ("Budi Ayu Rizky Putri Dimas Intan", "Santosa Wijayanti Pranata Lesmana Kusumo Hartawan"),
    "ms": ("Aiman Nurul Farid Siti Hafiz Aisyah", "Rahim Osman Jalil Daud Salleh Karim"),
    "th": ("สมชาย กานดา ธนา มาลี ปกรณ์ อรุณี", "ใจดี แสงทอง ศรีสุข วงศ์งาม บุญมี ทองคำ"),
    "fil": ("Jericho Maricel Rodel Liwayway Andoy Tala", "Dimaano Batongbakal Magsino Luntian Sandoval Katigbak"),
    "vi": ("Minh_Anh Quốc_Huy Thu_Hà Đức_Long Ngọc_Lan Bảo_Châu", "Nguyễn Trần Phạm Đặng Bùi Võ"),
    "zh": ("子轩 雨桐 浩然 思琪 晓峰 梦瑶 一鸣 佳宁 文博 若溪 志远 春晓", "王 李 张 陈 林 周 沈 郑 韩 苏"),
    "zh-Hant": ("家豪 詠琳 俊傑 嘉欣 子晴 浩賢", "陳 黃 梁 鄭 馮 蘇"),
    "ur": ("بلال عائشہ حمزہ زینب فہد مریم", "قریشی بٹ چوہان ملک راجپوت میمن"),
    "nl": ("Sanne Daan Fleur Bram", "Waterland Zonneveld Dijkgraaf Molenaar"),
    "ro": ("Ioana Andrei Ilinca Răzvan", "Codreanu Munteanu Lăcătuș Stejar"),
    "cs": ("Tereza Vojtěch Klára Matěj", "Dubina Javůrek Lesní Říčan"),
    "hu": ("Réka Bence Zsófia Máté", "Erdős Folyami Kővári Szőlősi"),
    "bg": ("Елица Калоян Ралица Борислав", "Горски Езеров Планински Росен"),
    "el": ("Ελένη Νίκος Δάφνη Στέφανος", "Θαλασσινός Δασκαλάκης Ποταμίτης Ανέμης"),
    "sr": ("Јована Милош Тијана Лука", "Брезић Језерац Планић Шумар"),
    "uk": ("Оксана Тарас Соломія Богдан", "Гайовий Лісовик Озерний Степовий"),
    "sv": ("Freja Elias Saga Viktor", "Björkdal Granfors Sjölund Ängström"),
    "lt": ("Ieva Jonas Gabija Matas", "Ąžuolas Beržinis Ežeraitis Liepa"),
    "ka": ("ნინო გიორგი მარიამ ლევან", "მთაძე ტყეშელი მდინარაძე ზღვაძე"),
    "hy": ("Անի Արամ Նարե Տիգրան", "Լեռնյան Անտառյան Գետյան Ծովյան"),
    "az": ("Aysel Elvin Günel Orxan", "Dağlı Çinarov Gölçü Meşəli"),
    "km": ("សុខា ចន្ទា វិចិត្រ មាលា", "ស៊ុន ហេង លឹម កែវ"),
    "lo": ("ສົມພອນ ແກ້ວ ບຸນມີ ດາລາ", "ວົງສາ ພົມມະ ໄຊຍະ ສີສຸກ"),
    "my": ("အောင် မြ ဇော် သန္တာ", "ကျော် လွင် မိုး စန်း"),
    "am": ("አበበ ሰላም ዳዊት ሄለን", "ተስፋዬ ከበደ ግርማ አለሙ"),
    "sw": ("Juma Zawadi Baraka Neema", "Mwamba Kilonzo Nyota Mwezi"),
    "ja": ("陽菜 蓮 美咲 大和", "山森 川瀬 海野 空知"),
    "ko": ("서연 민준 지우 하준", "김 이 박 최"),
    "hi": ("अनन्या रोहन दिया कबीर", "पर्वतीय वनवासी सागर उज्ज्वल"),
    "bn": ("তানিয়া রাকিব নুসরাত ইমরান", "হাওলাদার তরফদার মজুমদার সরকার"),
    "si": ("නිමාලි කසුන් සඳුනි දිනේෂ්", "පෙරේරා සිල්වා බණ්ඩාර රත්නායක"),
    "ne": ("आशा विकास सरिता प्रकाश", "हिमाली पहाडी तामाङ श्रेष्ठ"),
    "mn": ("Батбаяр Сарнай Тэмүүлэн Нарангэрэл", "Ганзориг Энхтуяа Очирбат Дөлгөөн"),
    "mg": ("Hery Voahangy Tojo Lalaina", "Rakotoala Razafindranomasina Andriambola Ravoninahitra"),
}  # fmt: skip
FAMILY_FIRST = ("zh", "zh-Hant", "ja", "ko")

TAGS = {"owner": 50, "dealer": 20, "media": 14, "track": 18, "festival": 22, "tech": 14, "factory": 10, "family": 8}
"""Per cent of the attendees; several may meet in one."""


def channels_per_country() -> dict[str, int]:
    """Largest remainder: the parts are whole and add up to CHANNELS."""
    exact = {code: share * CHANNELS / 100 for code, share in NAMED.items()}
    for share, members in GROUPS:
        codes = members.split()
        # Earlier countries of a group get a little more: 24 channels over 25 countries leave the last without one.
        weights = [1.4 - 0.8 * place / max(1, len(codes) - 1) for place in range(len(codes))]
        whole = round(share * CHANNELS / 100)
        parts = deal(dict(zip(codes, (weight * whole / sum(weights) for weight in weights), strict=True)), whole)
        exact.update({code: float(part) for code, part in parts.items()})
    return deal(exact, CHANNELS)


def deal(exact: dict[str, float], whole: int) -> dict[str, int]:
    parts = {code: int(part) for code, part in exact.items()}
    remainders = sorted(exact, key=lambda code: parts[code] - exact[code])
    for code in remainders[: whole - sum(parts.values())]:
        parts[code] += 1
    return parts


def full_name(language: str, dice: random.Random) -> str:
    given, family = (dice.choice(names.split()).replace("_", " ") for names in NAMES[language])
    if language in FAMILY_FIRST:
        return family + given
    return f"{family} {given}" if language in ("vi", "hu") else f"{given} {family}"


def rows(dice: random.Random) -> list[dict[str, str]]:
    """One row per channel; BOTH attendees of larger countries get two."""
    language_of = {code: language for language, codes in LANGUAGES.items() for code in codes.split()}
    places = [code for code, count in channels_per_country().items() for _ in range(count)]
    dice.shuffle(places)
    found: list[dict[str, str]] = []
    person = 0
    spare = {code: count for code, count in channels_per_country().items() if count >= 12}
    doubled: set[int] = set()
    for place, code in enumerate(places):
        if place in doubled:
            continue
        person += 1
        language = language_of.get(code, "en")
        row = {
            "attendee": f"A{person:04}",
            "name": full_name(language, dice),
            "country": code,
            "language": language,
            "tags": ";".join(tag for tag, share in TAGS.items() if dice.random() * 100 < share),
            "priority": dice.choices("123", (10, 60, 30))[0],
            "liaison": f"{code.lower()}@liaison.example",
            "show_name": "yes" if dice.random() < 0.8 else "no",
            "consent": "yes",
            "consent_at": f"2026-{dice.randint(9, 10):02}-{dice.randint(1, 30):02}T{dice.randint(0, 23):02}:{dice.randint(0, 59):02}Z",
        }
        other = next((at for at in range(place + 1, len(places)) if places[at] == code and at not in doubled), None)
        if len(doubled) < BOTH and code in spare and other is not None and dice.random() < 0.1:
            doubled.add(other)
            found += [row | twitch(code, person), row | bluesky(code, person, dice)]
        else:
            found.append(row)
    single = [at for at, row in enumerate(found) if "platform" not in row]
    on_bluesky = set(dice.sample(single, BLUESKY - len(doubled)))
    # Dice of their own, so that the people stay who they are.
    on_youtube = set(random.Random(YOUTUBE).sample([at for at in single if at not in on_bluesky], YOUTUBE))
    taken = on_bluesky | on_youtube
    makers = dict.fromkeys(on_youtube, youtube)
    for count, make in (
        (KICK, kick),
        (TELEGRAM, telegram),
        (OWNCAST, owncast),
        (SSN, ssn),
        (PARTNER, partner),
        (RESTREAM, restream),
    ):
        some = random.Random(f"{make.__name__} {count}").sample([at for at in single if at not in taken], count)
        taken |= set(some)
        makers |= dict.fromkeys(some, make)
    for at in single:
        number = int(found[at]["attendee"][1:])
        code = found[at]["country"]
        if at in on_bluesky:
            found[at] |= bluesky(code, number, dice)
        else:
            found[at] |= makers.get(at, twitch)(code, number)
    return found


def twitch(code: str, person: int) -> dict[str, str]:
    return {"platform": "twitch", "handle": f"lm_demo_{code.lower()}_{person:04}"}


def youtube(code: str, person: int) -> dict[str, str]:
    return {"platform": "youtube", "handle": f"lm-demo-{code.lower()}-{person:04}"}


def kick(code: str, person: int) -> dict[str, str]:
    return {"platform": "kick", "handle": f"lm-demo-{code.lower()}-{person:04}"}


def telegram(code: str, person: int) -> dict[str, str]:
    return {"platform": "telegram", "handle": f"lm_demo_{code.lower()}_{person:04}"}


def owncast(code: str, person: int) -> dict[str, str]:
    return {"platform": "owncast", "handle": f"lm-demo-{code.lower()}-{person:04}.owncast.example"}


def ssn(code: str, person: int) -> dict[str, str]:
    return {"platform": "ssn", "handle": f"lm-demo-{code.lower()}-{person:04}"}


def partner(code: str, person: int) -> dict[str, str]:
    return {"platform": ("sse.simulated", "websocket.simulated")[person % 2], "handle": f"lm-demo-{code.lower()}-{person:04}"}


def restream(code: str, person: int) -> dict[str, str]:
    return {"platform": "restream", "handle": f"lm-demo-{code.lower()}-{person:04}"}


def bluesky(code: str, person: int, dice: random.Random) -> dict[str, str]:
    did = "".join(dice.choices("abcdefghijklmnopqrstuvwxyz234567", k=24))
    return {"platform": "bluesky", "handle": f"lm-demo-{code.lower()}-{person:04}.bsky.example", "native_id": f"did:plc:{did}"}


COLUMNS = (
    "attendee", "name", "country", "language", "platform", "handle", "native_id", "live_url", "tags", "priority", "liaison",
    "show_name", "consent", "consent_at", "note",
)  # fmt: skip


def write(path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows(random.Random(20261118)))


if __name__ == "__main__":
    write(Path(__file__).parent / "roster-sample.csv")
