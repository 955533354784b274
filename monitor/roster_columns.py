"""Which column of a foreign list means what: guessed from headers in eight languages and from the cells, or told by a map file. Pure.

``guess(table)`` never fails: what it does not understand is a column that is left out, and a person sees the result before anything is
written. ``from_map(map, table)`` is the way to say it yourself; see docs/roster.md.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from monitor.config import ConfigError
from monitor.countries import find_country, fold
from monitor.links import EMAIL, LINK, NAMES, NOTHING, find_channels, platform_named

if TYPE_CHECKING:
    from collections.abc import Mapping

    from monitor.roster_table import Table

FIELDS: Final[dict[str, tuple[str, ...]]] = {
    "attendee": ("attendee", "id", "no", "number", "reg no", "registration", "registration no", "registration number", "registration id",
                 "attendee id", "participant id", "badge", "badge number", "编号", "报名编号", "注册号", "序号编号", "报名号", "参会编号", "número", "numero",
                 "inscripción", "número de inscripción", "inscrição", "número de inscrição", "номер", "регистрационный номер",
                 "رقم", "رقم التسجيل", "numéro", "numéro d inscription", "nomor", "nomor pendaftaran", "guest id", "code"),
    "email": ("email", "e mail", "mail", "email address", "e mail address", "邮箱", "电子邮箱", "电子邮件", "correo", "correo electrónico", "e mail do participante",
              "почта", "эл почта", "электронная почта", "البريد الإلكتروني", "courriel", "adresse e mail", "surel"),
    "name": ("name", "full name", "attendee name", "your name", "姓名", "名字", "全名", "nombre", "nombre completo", "nome", "nome completo", "имя", "фио",
             "имя и фамилия", "الاسم", "الاسم الكامل", "nom", "nom complet", "nom et prénom", "nama", "nama lengkap"),
    "country": ("country", "country region", "country or region", "nation", "market", "国家", "国家地区", "国家/地区", "país", "pais", "страна", "البلد",
                "الدولة", "pays", "negara"),
    "language": ("language", "lang", "语言", "idioma", "язык", "اللغة", "langue", "bahasa"),
    "platform": ("platform", "平台", "直播平台", "plataforma", "платформа", "المنصة", "plateforme", "channel type", "社交平台"),
    "handle": ("handle", "channel", "account", "url", "link", "channel url", "channel link", "account name", "live link", "profile", "profile url",
               "账号", "帐号", "频道", "链接", "直播间", "主页链接", "账号链接", "cuenta", "canal", "enlace", "conta", "link do canal", "аккаунт", "канал",
               "ссылка", "الحساب", "القناة", "الرابط", "compte", "chaîne", "lien", "akun", "saluran", "tautan", "social media", "social media link"),
    "native_id": ("native id", "channel id", "room id", "房间号", "user id"),
    "live_url": ("live url", "stream url"),
    "tags": ("tags", "tag", "group", "category", "track", "标签", "分组", "类别", "grupo", "categoría", "группа", "المجموعة", "groupe", "kelompok"),
    "priority": ("priority", "优先级", "prioridad", "prioridade", "приоритет", "priorité", "prioritas"),
    "liaison": ("liaison", "contact person", "account manager", "联络人", "对接人", "负责人", "enlace comercial", "responsável", "ответственный"),
    "show_name": ("show name", "show my name", "name on screen", "name on screens", "展示姓名", "显示姓名"),
    "consent": ("consent", "agree", "i agree", "agreement", "permission", "同意", "授权", "是否同意", "是否授权", "consentimiento", "consentimento", "autorizo",
                "согласие", "الموافقة", "consentement", "persetujuan", "read my public chat"),
    "consent_at": ("consent at", "timestamp", "submitted at", "submission time", "submit time", "提交时间", "填写时间", "marca temporal",
                   "carimbo de data hora", "отметка времени", "horodateur", "stempel waktu", "طابع زمني"),
    "verified": ("verified", "已核实", "verificado", "проверено", "vérifié"),
    "person": ("person",),
    "note": ("note", "notes", "comment", "comments", "remark", "remarks", "备注", "nota", "notas", "observações", "примечание", "ملاحظات", "remarque", "catatan"),
}  # fmt: skip
"""Field of the roster (and ``email``, which is never kept) → how headers call it."""

_FIELD_OF: Final = {fold(word): name for name, words in reversed(FIELDS.items()) for word in words}
CONSENT: Final = re.compile(
    r"consent|\bagree|authori[sz]e|permission|permit|\ballow|同意|授权|允许|consiento|autoriz|соглас|разреш|أوافق|موافق|accepte|setuju|izin"
)
CHAT: Final = re.compile(
    r"chat|comment|read|collect|评论|弹幕|聊天|读取|coment|leer|ler |чат|коммент|читат|دردش|تعليق|lire|lu[es]? |obrolan|komentar|baca"
)
OTHER_TICK: Final = re.compile(
    r"name|screen|display|show|contact|e mail|photo|newsletter|privacy|not |姓名|展示|显示|联系|邮件|照片|隐私|不同意|nombre|nome|pantalla|tela|contact"
    r"|имя|экран|связ|اسم|شاشة|تواصل|\bnom\b|écran|nama|layar|hubung"
)
"""Three things are ticked separately; what speaks of more than the chat is left to a person."""
LOOK_FOR_HEADER: Final = 20
SAMPLE: Final = 200
"""Rows whose cells are looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """What each column is; positions count from 0."""

    header: int | None
    """Line of the header as the editor numbers it; None: there is none."""
    names: tuple[str, ...] = ()
    """The header's words."""
    fields: dict[str, int] = field(default_factory=dict)
    """Roster field → position; at most one each."""
    platforms: dict[int, str | None] = field(default_factory=dict)
    """Position → platform, for columns that hold channels; None: the cell or the row says which."""
    constants: dict[str, str] = field(default_factory=dict)
    """Field → text for every row that does not say it itself."""

    @property
    def wide(self) -> bool:
        """One row is one person with several channel columns."""
        return len(self.platforms) > 1


def guess(table: Table) -> Columns:
    """By header words first, then by what the cells look like."""
    header = _find_header(table)
    words = table.rows[header].cells if header is not None else ()
    width = max((len(row.cells) for row in table.rows), default=0)
    samples = _samples(table, 0 if header is None else header + 1, width)
    fields: dict[str, int] = {}
    platforms: dict[int, str | None] = {}
    open_handles: list[int] = []
    for position, word in enumerate(words):
        name, platform = understood(word)
        if platform:
            platforms[position] = platform
        elif name == "handle":
            open_handles.append(position)
        elif name and name not in fields:
            fields[name] = position
    if len(open_handles) == 1 or not platforms:
        platforms.update(dict.fromkeys(open_handles, None))
    else:  # "Account" beside "YouTube", "TikTok" …: only when it holds addresses
        platforms.update({position: None for position in open_handles if _share(samples[position], _is_channel_link) > 0.3})
    taken = {*fields.values(), *platforms}
    for position in (position for position in range(width) if position not in taken):
        if _share(samples[position], _is_channel_link) > 0.6:
            platforms[position] = None
        elif "email" not in fields and _share(samples[position], _is_email) > 0.6:
            fields["email"] = position
        elif "country" not in fields and _share(samples[position], _is_country) > 0.6:
            fields["country"] = position
        elif "platform" not in fields and _share(samples[position], _is_platform) > 0.6:
            fields["platform"] = position
    if header is None:
        _guess_identity(fields, platforms, samples)
    return Columns(
        header=table.rows[header].line if header is not None else None, names=tuple(words), fields=fields, platforms=platforms
    )


@lru_cache(maxsize=4096)
def understood(word: str) -> tuple[str | None, str | None]:
    """(field, platform) of one header cell; both None when it says nothing to us."""
    text = re.sub(r"\s+", " ", re.sub(r"[\(（\[].*?[\)）\]]|[*:：?？.]", " ", word)).strip()
    text = re.sub(r"[_/-]+", " ", text).casefold().strip()
    if name := _FIELD_OF.get(fold(text)):
        return name, None
    if platform := platform_named(text):
        return "handle", platform
    if CONSENT.search(text) and CHAT.search(text) and not OTHER_TICK.search(text):  # "I agree that my public chat is read"
        return "consent", None
    # "YouTube channel", "抖音号", "Your TikTok handle": one platform named, and nothing that makes it a number of followers.
    if not re.search(r"follower|subscriber|fans|views|粉丝|подписчик|seguidor|abonné|pengikut|how many|数量", text):
        named = {name for name, others in NAMES.items() for other in (name, *others) if len(other) > 1 and _contains(text, other)}
        if len(named) == 1:
            return "handle", named.pop()
    return None, None


def from_map(given: Mapping[str, Any], table: Table) -> Columns:
    """Columns as a map file says; raises ConfigError for a name that the list does not have.

    ``header`` (line), ``[columns]`` field = header, ``[platforms]`` platform = header or several, ``[constants]`` field = text.
    """
    known = {"sheet", "header", "columns", "platforms", "constants"}
    for key in given.keys() - known:
        raise ConfigError(f'the map has an unknown key "{key}"; {_near(key, known)}')
    line = given.get("header")
    guessed = _find_header(table)
    if line is not None:
        row = next((row for row in table.rows if row.line == line), None)
        if row is None:
            raise ConfigError(f"the map says that the header is on line {line}, and that line is empty or missing")
    elif guessed is not None:
        row = table.rows[guessed]
    else:
        row = table.rows[0] if table.rows else None
    names = row.cells if row else ()
    fields: dict[str, int] = {}
    for name, header in given.get("columns", {}).items():
        if name not in FIELDS:
            raise ConfigError(f'the map has an unknown column "{name}" in [columns]; {_near(name, FIELDS)}')
        fields[name] = _position(header, names)
    platforms: dict[int, str | None] = {}
    if "handle" in fields:
        platforms[fields.pop("handle")] = None
    for name, headers in given.get("platforms", {}).items():
        platform = platform_named(name)
        if platform is None:
            raise ConfigError(f'the map names an unknown platform "{name}"; {_near(name, NAMES)}')
        for header in headers if isinstance(headers, list) else [headers]:
            platforms[_position(header, names)] = platform
    constants = {name: str(text) for name, text in given.get("constants", {}).items()}
    for name in constants:
        if name not in FIELDS:
            raise ConfigError(f'the map has an unknown name "{name}" in [constants]; {_near(name, FIELDS)}')
    return Columns(header=row.line if row else None, names=tuple(names), fields=fields, platforms=platforms, constants=constants)


def letter(position: int) -> str:
    """As a spreadsheet names the column."""
    text, number = "", position + 1
    while number:
        number, rest = divmod(number - 1, 26)
        text = chr(65 + rest) + text
    return text


# --- guessing ---------------------------------------------------------------------------------------------------------


def _find_header(table: Table) -> int | None:
    """Index of the row with the most words that we understand; a title above it is passed over."""
    scores = [
        sum(1 for cell in row.cells if cell and not LINK.search(cell) and any(understood(cell)))
        for row in table.rows[:LOOK_FOR_HEADER]
    ]
    best = max(scores, default=0)
    if best == 0:
        return None
    found = scores.index(best)
    # A data row such as "Ana | Brazil | twitch | ana" has one such word (the platform); a header has two, or is all that there is.
    words = [understood(cell) for cell in table.rows[found].cells if cell]
    sure = any(name and name != "handle" for name, _ in words) or sum(any(word) for word in words) > 1
    return found if sure else None


def _guess_identity(fields: dict[str, int], platforms: dict[int, str | None], samples: list[list[str]]) -> None:
    """Without a header: short unique codes are the registration number, other text is the name."""
    taken = {*fields.values(), *platforms}
    for position, cells in enumerate(samples):
        if position in taken or not cells:
            continue
        if (
            "attendee" not in fields
            and _share(cells, lambda cell: bool(re.fullmatch(r"[A-Za-z]{0,5}[-_ ]?\d{1,12}", cell))) > 0.8
        ):
            fields["attendee"] = position
        elif "name" not in fields and _share(cells, lambda cell: bool(re.fullmatch(r"[^\d@/]{2,60}", cell))) > 0.6:
            fields["name"] = position


def _samples(table: Table, start: int, width: int) -> list[list[str]]:
    rows = table.rows[start : start + SAMPLE]
    return [[row.cells[i] for row in rows if i < len(row.cells) and row.cells[i].casefold() not in NOTHING] for i in range(width)]


def _share(cells: list[str], test: Any) -> float:
    return sum(1 for cell in cells if test(cell)) / len(cells) if cells else 0.0


def _is_channel_link(cell: str) -> bool:
    return bool(LINK.search(cell)) and bool(find_channels(cell)[0])


def _is_email(cell: str) -> bool:
    return EMAIL.fullmatch(cell) is not None


def _is_country(cell: str) -> bool:
    return find_country(cell) is not None


def _is_platform(cell: str) -> bool:
    return platform_named(cell) is not None


def _contains(text: str, word: str) -> bool:
    """As a word of its own in scripts with spaces, anywhere in the others."""
    return bool(re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text)) if word.isascii() else word in text


def _position(header: object, names: tuple[str, ...]) -> int:
    folded = [fold(name) for name in names]
    if isinstance(header, str) and fold(header) in folded:
        return folded.index(fold(header))
    if isinstance(header, str) and re.fullmatch(r"[A-Z]{1,2}", header):
        position = 0
        for character in header:
            position = position * 26 + ord(character) - 64
        return position - 1
    raise ConfigError(f'the list has no column "{header}"; it has {", ".join(name for name in names if name) or "no header"}')


def _near(word: str, known: Any) -> str:
    close = difflib.get_close_matches(word, list(known), n=1)
    return f'did you mean "{close[0]}"?' if close else f"known are {', '.join(sorted(known))}"
