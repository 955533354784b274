"""Languages as people name them in a list, to the code that the roster keeps (BCP 47): a code, an English name or the language's own. Pure.

``find_language`` takes codes of ISO 639-1 and of three letters, with script or region behind; ``meant_by`` says which language somebody may have
meant who wrote a country's code instead.
"""

from __future__ import annotations

import re
from typing import Final

from monitor.countries import fold

CODES: Final = frozenset(
    re.findall(
        r"\w+",
        """aa ab af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el en eo es et eu fa ff fi fj fo
        fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la
        lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw
        sa sc sd se sg sh si sk sl sm sn so sq sr ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo
        za zh zu""",
    )
)
"""ISO 639-1, and ``sh``."""
NAMES: Final[dict[str, str]] = {
    fold(name): code
    for code, names in {
        "ar": "Arabic;العربية;阿拉伯语;арабский;árabe;arabe", "az": "Azerbaijani;Azerbaijan dili;Azərbaycan dili", "bg": "Bulgarian;български",
        "bn": "Bengali;Bangla;বাংলা", "cs": "Czech;čeština;česky", "da": "Danish;dansk", "de": "German;Deutsch;德语;немецкий;alemán;alemão;allemand",
        "el": "Greek;ελληνικά", "en": "English;英语;英文;английский;inglés;inglês;anglais;الإنجليزية;Inggris", "es": "Spanish;español;castellano;西班牙语;испанский;espanhol;espagnol",
        "et": "Estonian;eesti", "fa": "Persian;Farsi;فارسی", "fi": "Finnish;suomi", "fil": "Filipino;Tagalog", "fr": "French;français;法语;французский;francés;francês",
        "he": "Hebrew;עברית", "hi": "Hindi;हिन्दी;हिंदी", "hr": "Croatian;hrvatski", "hu": "Hungarian;magyar", "hy": "Armenian;հայերեն",
        "id": "Indonesian;Bahasa Indonesia;Bahasa", "it": "Italian;italiano;意大利语", "ja": "Japanese;日本語;日语", "ka": "Georgian;ქართული", "kk": "Kazakh;қазақша;қазақ тілі;казахский",
        "km": "Khmer;ខ្មែរ", "ko": "Korean;한국어;韩语", "lo": "Lao;ລາວ", "lt": "Lithuanian;lietuvių", "lv": "Latvian;latviešu", "mn": "Mongolian;монгол",
        "ms": "Malay;Bahasa Melayu;Melayu", "my": "Burmese;မြန်မာ", "nb": "Norwegian;norsk;bokmål", "ne": "Nepali;नेपाली", "nl": "Dutch;Nederlands", "pl": "Polish;polski",
        "pt": "Portuguese;português;葡萄牙语;португальский;portugués;portugais", "pt-BR": "Brazilian Portuguese;Portuguese (Brazil);português do Brasil",
        "ro": "Romanian;română", "ru": "Russian;русский;俄语;ruso;russo;russe", "si": "Sinhala;සිංහල", "sk": "Slovak;slovenčina", "sl": "Slovenian;slovenščina", "sq": "Albanian;shqip",
        "sr": "Serbian;српски;srpski", "sv": "Swedish;svenska", "sw": "Swahili;Kiswahili", "ta": "Tamil;தமிழ்", "th": "Thai;ไทย;ภาษาไทย", "tr": "Turkish;Türkçe",
        "uk": "Ukrainian;українська", "ur": "Urdu;اردو", "uz": "Uzbek;oʻzbekcha;o'zbek;узбекский", "vi": "Vietnamese;Tiếng Việt", "zh": "Chinese;Mandarin;中文;汉语;普通话;китайский;chino;chinês;chinois",
        "zh-Hans": "Simplified Chinese;Chinese (Simplified);简体中文", "zh-Hant": "Traditional Chinese;Chinese (Traditional);繁體中文;繁体中文", "yue": "Cantonese;粤语;廣東話",
    }.items()
    for name in names.split(";")
}  # fmt: skip
"""A name as people compare them → code."""
OF_COUNTRIES: Final = {
    "cn": "zh", "jp": "ja", "kr": "ko", "cz": "cs", "gr": "el", "ua": "uk", "dk": "da", "se": "sv", "vn": "vi", "in": "hi", "ir": "fa", "gb": "en",
    "us": "en", "au": "en", "mx": "es", "at": "de", "kz": "kk", "ge": "ka", "rs": "sr", "my": "ms", "sa": "ar", "ae": "ar", "eg": "ar", "pk": "ur", "by": "be",
    "br": "pt", "ch": "de", "be": "nl", "ee": "et", "si": "sl", "al": "sq", "il": "he", "ph": "fil",
}  # fmt: skip
"""Codes of countries that are written where a language is asked for → what is spoken there."""
_code = re.compile(r"([A-Za-z]{2,3})((?:[-_][A-Za-z0-9]{2,8})*)")


def find_language(written: str) -> str | None:
    """The code for a code or a name; None when it is neither."""
    found = _code.fullmatch(written.strip())
    if found is not None and (len(found[1]) == 3 or found[1].casefold() in CODES):
        named = NAMES.get(fold(written))  # "Lao" is a name, and three letters
        return named or "-".join([found[1].casefold(), *re.split(r"[-_]", found[2])[1:]])
    return NAMES.get(fold(written))


def meant_by(written: str) -> str | None:
    """The language of the country whose code somebody wrote."""
    return OF_COUNTRIES.get(written.strip().casefold())
