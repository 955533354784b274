"""Countries and regions: ISO 3166-1 alpha-2 codes with English and Chinese names, and the way back from what people write.

The table is ``countries.csv`` (code, en, zh, also); ``also`` holds usual variants and names in the country's own language. What people write
in other languages is found by ``words/countries.csv`` (the languages of the pages) and ``words/countries_also.csv`` (fifteen more; as
Unicode CLDR 48 has them).
``ZZ`` is no country of the table: it stands for "unknown" wherever numbers are shown.
"""

from __future__ import annotations

import csv
import difflib
import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

UNKNOWN = "ZZ"


@dataclass(frozen=True, slots=True, kw_only=True)
class Country:
    code: str
    """ISO 3166-1 alpha-2."""
    en: str
    zh: str
    also: tuple[str, ...] = ()
    """Other ways to write it."""


def _read() -> dict[str, Country]:
    rows = csv.DictReader(files("monitor").joinpath("countries.csv").read_text(encoding="utf-8").splitlines())
    return {
        row["code"]: Country(
            code=row["code"], en=row["en"], zh=row["zh"], also=tuple(name for name in row["also"].split(";") if name)
        )
        for row in rows
    }


def fold(name: str) -> str:
    """A name without case, width, accents, punctuation, and a leading "the": how two spellings are compared."""
    text = unicodedata.normalize("NFKD", name).casefold().replace("ı", "i").replace("&", " and ")
    letters = "".join(character for character in text if not unicodedata.combining(character))
    words = re.sub(r"[^\w]+", " ", re.sub(r"[.'’ʻ`\u200c\u200d]", "", letters)).split()
    return " ".join(words[1:] if words[:1] == ["the"] and len(words) > 1 else words)


COUNTRIES = _read()
"""By code, in the order of codes."""

_CODES = {code.casefold(): code for code in COUNTRIES}


def _elsewhere(file: str) -> Iterator[tuple[str, str]]:
    """(name in another language, code); what the table itself says holds over it."""
    text = files("monitor").joinpath("words", file).read_text(encoding="utf-8")
    for code, *names in csv.reader(text.splitlines()[1:]):
        for name in names:
            yield from ((fold(one), code) for one in name.split(";") if one)


_USUAL = {fold(name): country.code for country in COUNTRIES.values() for name in (country.en, country.zh, *country.also)}
_NAMES = {**dict(_elsewhere("countries_also.csv")), **dict(_elsewhere("countries.csv")), **_USUAL}


_ALPHA_3 = re.findall(
    r"[A-Z]+",
    """
AD AND AE ARE AF AFG AG ATG AI AIA AL ALB AM ARM AO AGO AQ ATA AR ARG AS ASM AT AUT AU AUS AW ABW AX ALA AZ AZE BA BIH BB BRB BD BGD BE BEL BF BFA
BG BGR BH BHR BI BDI BJ BEN BL BLM BM BMU BN BRN BO BOL BQ BES BR BRA BS BHS BT BTN BV BVT BW BWA BY BLR BZ BLZ CA CAN CC CCK CD COD CF CAF CG COG
CH CHE CI CIV CK COK CL CHL CM CMR CN CHN CO COL CR CRI CU CUB CV CPV CW CUW CX CXR CY CYP CZ CZE DE DEU DJ DJI DK DNK DM DMA DO DOM DZ DZA EC ECU
EE EST EG EGY EH ESH ER ERI ES ESP ET ETH FI FIN FJ FJI FK FLK FM FSM FO FRO FR FRA GA GAB GB GBR GD GRD GE GEO GF GUF GG GGY GH GHA GI GIB GL GRL
GM GMB GN GIN GP GLP GQ GNQ GR GRC GS SGS GT GTM GU GUM GW GNB GY GUY HK HKG HM HMD HN HND HR HRV HT HTI HU HUN ID IDN IE IRL IL ISR IM IMN IN IND
IO IOT IQ IRQ IR IRN IS ISL IT ITA JE JEY JM JAM JO JOR JP JPN KE KEN KG KGZ KH KHM KI KIR KM COM KN KNA KP PRK KR KOR KW KWT KY CYM KZ KAZ LA LAO
LB LBN LC LCA LI LIE LK LKA LR LBR LS LSO LT LTU LU LUX LV LVA LY LBY MA MAR MC MCO MD MDA ME MNE MF MAF MG MDG MH MHL MK MKD ML MLI MM MMR MN MNG
MO MAC MP MNP MQ MTQ MR MRT MS MSR MT MLT MU MUS MV MDV MW MWI MX MEX MY MYS MZ MOZ NA NAM NC NCL NE NER NF NFK NG NGA NI NIC NL NLD NO NOR NP NPL
NR NRU NU NIU NZ NZL OM OMN PA PAN PE PER PF PYF PG PNG PH PHL PK PAK PL POL PM SPM PN PCN PR PRI PS PSE PT PRT PW PLW PY PRY QA QAT RE REU RO ROU
RS SRB RU RUS RW RWA SA SAU SB SLB SC SYC SD SDN SE SWE SG SGP SH SHN SI SVN SJ SJM SK SVK SL SLE SM SMR SN SEN SO SOM SR SUR SS SSD ST STP SV SLV
SX SXM SY SYR SZ SWZ TC TCA TD TCD TF ATF TG TGO TH THA TJ TJK TK TKL TL TLS TM TKM TN TUN TO TON TR TUR TT TTO TV TUV TW TWN TZ TZA UA UKR UG UGA
UM UMI US USA UY URY UZ UZB VA VAT VC VCT VE VEN VG VGB VI VIR VN VNM VU VUT WF WLF WS WSM YE YEM YT MYT ZA ZAF ZM ZMB ZW ZWE
""",
)
_CODES_OF_THREE = {three.casefold(): code for code, three in zip(_ALPHA_3[::2], _ALPHA_3[1::2], strict=True) if code in COUNTRIES}
"""ISO 3166-1 alpha-3 → alpha-2."""
_flag = re.compile("[\U0001f1e6-\U0001f1ff]{2}")
_between = re.compile(
    r"[/|,;()\[\]&+\n–—·:]+|\s-\s|(?<=[^\W\da-zA-Z])\s+(?=[A-Za-z])|(?<=[A-Za-z])\s+(?=[\u2e80-\U0002ffff\u0400-\u06ff])"
)
"""What stands between two ways to write one country, or between a city and its country."""


def find_country(written: str) -> str | None:
    """The code for a code, a usual variant, or a name in any language that we have names in; None when there is none.

    Of several parts (``Brazil (BR)``, ``巴西 Brazil``, ``São Paulo, Brasil``) those that are countries must be one and the same.
    """
    if (code := _of_one(written)) is not None:
        return code
    name, comma, rest = written.partition(",")
    if comma and (code := _of_one(f"{rest} {name}")) is not None:
        return code
    if "democratic" in fold(rest):  # another country than the one without the word
        return None
    flags = [_flag_code(flag) for flag in _flag.findall(written)]
    parts = [part for part in _between.split(_flag.sub(" ", written)) if part.strip()]
    if len(parts) < 2 and not flags:
        return None
    found = {code for code in (*flags, *(_of_one(part) for part in parts[:6])) if code is not None}
    found = found - {"CN"} if found & {"HK", "MO", "TW"} else found
    return found.pop() if len(found) == 1 else None


def _of_one(written: str) -> str | None:
    folded = fold(written)
    return _CODES.get(folded) or _NAMES.get(folded) or _CODES_OF_THREE.get(folded)


def _flag_code(flag: str) -> str | None:
    code = "".join(chr(ord(letter) - 0x1F1E6 + ord("A")) for letter in flag)
    return code if code in COUNTRIES else None


def what_is_wrong(written: str) -> str:
    """Why this names no country, as the beginning of a sentence that ends with what to write."""
    word = written.strip()
    if re.fullmatch(r"[A-Za-z]{2,3}", word):
        return f'no country has the code "{word}"'
    if re.fullmatch(r"\+?[\d\s()-]+", word):
        return f'"{word}" is a number, and several countries may have it'
    if len({code for part in _between.split(word) if (code := _of_one(part)) is not None}) > 1:
        return f'"{word}" names more than one country'
    return f'country "{word}" is not known'


@lru_cache(maxsize=1024)
def nearest_country(written: str) -> str | None:
    """The English name of the country that somebody may have meant."""
    close = difflib.get_close_matches(fold(written), _USUAL, n=1, cutoff=0.75)  # of all languages it would take long
    return COUNTRIES[_USUAL[close[0]]].en if close else None
