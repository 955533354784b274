"""What people paste where a channel is asked for, to platform and handle: addresses, handles, the share texts of apps. Pure.

``find_channels(cell, platform)`` is for cells and form fields: it answers with channels and with what cannot be one, each with a reason
and a suggestion. ``broadcast_link(url)`` is for "I am live": the platforms whose addresses are accepted, and the id of the live video
when the address carries it. Nothing here, and nobody who uses it, ever fetches such an address.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, unquote

from monitor.handles import BadHandle, is_native_id, normalise, tidy
from monitor.link_paths import (
    HOSTS,
    ONE_VIDEO,
    Code,
    NoChannelError,
    Pointed,
    example,
    host_of,
    platform_of,
    read_path,
    split_link,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One channel, as the roster writes it."""

    platform: str
    handle: str
    native_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NotFound:
    """Something that is no channel; both texts are sentences for the person who wrote it."""

    what: str
    reason: str
    suggestion: str
    code: Code
    """For pages in other languages than these sentences."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """An address under which somebody is live."""

    platform: str
    url: str
    """https, without what apps append."""
    handle: str | None = None
    broadcast: str | None = None
    """The platform's id of the live video, where the address carries it."""


NAMES: Final[dict[str, tuple[str, ...]]] = {
    "youtube": ("yt", "you tube", "油管", "ютуб", "youtube live", "يوتيوب"),
    "twitch": ("twitch.tv", "tw", "твич", "تويتش"),
    "tiktok": ("tik tok", "tt", "тикток", "tiktok live", "تيك توك"),
    "facebook": ("fb", "facebook live", "脸书", "фейсбук", "فيسبوك"),
    "instagram": ("ig", "insta", "инстаграм", "انستغرام"),
    "kick": ("kick.com",),
    "bilibili": ("b站", "哔哩哔哩", "b 站", "bili"),
    "vk": ("вк", "вконтакте", "vk video", "vk live", "vkontakte"),
    "bluesky": ("bsky", "blue sky"),
    "mastodon": ("fediverse",),
    "x": ("twitter", "推特", "x twitter", "твиттер", "تويتر"),
    "telegram": ("tg", "телеграм", "телега", "电报", "تيليجرام"),
    "douyin": ("抖音", "抖音号"),
    "kuaishou": ("快手", "快手号", "kwai"),
    "weibo": ("微博", "新浪微博", "sina weibo"),
    "xiaohongshu": ("小红书", "rednote", "red", "xhs"),
    "wechat": ("视频号", "微信视频号", "wechat channels", "微信", "weixin"),
    "douyu": ("斗鱼",),
    "huya": ("虎牙",),
    "owncast": (),
    "ssn": ("social stream", "social stream ninja"),
}
"""Platform → how lists call it."""

HANDLES: Final[dict[str, tuple[str, str]]] = {
    "youtube": (
        r"[\w.·-]{3,30}|(?=.*[^\x00-\x7f])[\w.·-]{1,30}|[Uu][Cc][\w-]{22}",
        "an @handle of 3 to 30 letters, digits, . _ -",
    ),
    "tiktok": (r"[\w.]{2,24}", "a TikTok name of 2 to 24 letters, digits, . _"),
    "facebook": (r"[a-z0-9.]{2,80}", "the name in the address of the page, such as facebook.com/name"),
    "instagram": (r"[a-z0-9._]{1,30}", "an Instagram name of letters, digits, . _"),
    "kick": (r"[a-z0-9_-]{2,40}", "the name in the address, such as kick.com/name"),
    "bilibili": (r"[0-9]{1,20}|space/[0-9]{1,20}", "the number of the live room, such as live.bilibili.com/21452505"),
    "vk": (r"[\w.-]{2,64}", "the name in the address, such as live.vkvideo.ru/name"),
    "mastodon": (r"[\w.-]{1,64}@[\w-]+(\.[\w-]+)+", "the name with its server, such as @name@mastodon.social"),
    "x": (r"[a-z0-9_]{1,15}", "a name of up to 15 letters, digits, _"),
    "telegram": (r"[a-z]\w{3,31}", "the name in the address of the public group or channel, such as t.me/name"),
    "weibo": (r"[\w-]{1,40}", "the name or number in the address, such as weibo.com/u/1234567890"),
}
"""Platform → (what a handle looks like, in words). What handles.py reads itself is not here."""

NOTHING: Final = frozenset(
    ("", "-", "--", "—", "/", "n/a", "na", "no", "none", "nil", "null", "无", "没有", "暂无", "нет", "لا", "não", "nao", "non",
     "ninguno", "nenhum", "aucun", "tidak ada", "tidak", "x/no", "0", "n.a.", "n/a.", "#n/a", "?", "??", "???", ".", "...", "…", "tbd", "tba", "tbc",
     "t.b.d.", "t.b.a.", "pending", "to be confirmed", "to be announced", "later", "not yet", "none yet", "coming soon", "soon", "unknown", "nope",
     "don't have", "do not have", "i don't have", "no channel", "no account", "not applicable", "待定", "待补充", "待确认", "稍后", "不适用", "未开通", "无账号",
     "нету", "позже", "будет позже", "потом", "не имею", "no tengo", "pendiente", "não tenho", "nao tenho", "não possuo", "a definir", "à confirmer",
     "je n'ai pas", "لا يوجد", "لاحقا", "belum ada", "menyusul", "keine", "kein", "keiner", "yok", "brak", "nincs", "nemám", "není", "žádný",
     "không", "không có", "なし", "未定", "없음", "미정", "ไม่มี")
)  # fmt: skip
"""How people write that they have no such channel."""

LINK: Final = re.compile(
    r"(?<![\w./@%-])(?:https?:/*)?(?:[\w-]+\.)+[a-z]{2,24}(?::\d+)?/[^\s\"'<>|，。、；）)\]】」]*", re.IGNORECASE | re.ASCII
)
"""An address inside a text, with or without ``https://``; other scripts end it. What stands behind a foreign host is part of that."""
SPLIT: Final = re.compile(r"[,;|\n、]|\s+/\s+|\s{2,}")
_OURS = r"(?:www\.|m\.)?(?:youtube\.com|youtu\.be|twitch\.tv|kick\.com|tiktok\.com|facebook\.com|instagram\.com|bsky\.app)"
ADDRESSES: Final[tuple[tuple[re.Pattern[str], str], ...]] = (
    (re.compile(r"tg://resolve/?\?domain=(\w+)\S*", re.IGNORECASE), r"t.me/\1"),
    (re.compile(r"(?:https?://)?(?<![\w.@-])([a-z]\w{3,31})\.t\.me(?![\w.-])(?:/\S*)?", re.IGNORECASE), r"t.me/\1"),
    (re.compile(r"(?:https?://)?web\.telegram\.org/\S*#@(\w+)", re.IGNORECASE), r"t.me/\1"),
    (re.compile(r"https?://([\w-]+\.bsky\.social)(?![\w.-])(?:/\S*)?", re.IGNORECASE), r"bsky.app/profile/\1"),
    (re.compile(r"\bacct:(?=[\w.-]+@)", re.IGNORECASE), "@"),
    # Two that were pasted without a space between them; one inside another's parameter is that one's.
    (re.compile(r"(?<![=/%&\s])(?=https?://)", re.IGNORECASE), " "),
    (re.compile(rf"(?<!\S)((?:https?://)?{_OURS}/[^\s/]+)/(?={_OURS}/)", re.IGNORECASE), r"\1 "),
)
"""Addresses in forms of their own, or run together → as they are read here."""
SESSIONS: Final = frozenset(("socialstream.ninja", "beta.socialstream.ninja", "io.socialstream.ninja"))
"""Where the address of a dock carries an attendee's session."""
PHONE: Final = re.compile(
    r"(?=(?:\D*\d){8})(?:wa:|whatsapp:?|tel:)?\s*(?:\+|00)[\d\s().-]{7,24}|\(?\d{2,4}\)?[\s.-]\d{2,5}[\s.-]?\d{2,5}[\s.-]?\d{0,5}",
    re.IGNORECASE,
)
WRAPPED: Final = re.compile(
    r"(?:^|\.)(?:google\.[a-z.]+/url|l\.(?:instagram|facebook)\.com/|youtube\.com/redirect|vk\.com/away)", re.IGNORECASE
)
"""Addresses that lead on to another, which they carry; they are not opened, only read."""
PAGES_OF_LINKS: Final = frozenset(
    (
        "linktr.ee",
        "beacons.ai",
        "lnk.bio",
        "bio.link",
        "linkin.bio",
        "taplink.cc",
        "allmylinks.com",
        "solo.to",
        "carrd.co",
        "linkbio.co",
    )
)
LIKE_MASTODON: Final = frozenset(
    ("threads.net", "threads.com", "medium.com", "odysee.com", "vimeo.com", "dlive.tv", "likee.video")
)
"""Hosts with addresses like Mastodon's, and no Mastodon."""
EMAIL: Final = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+", re.ASCII)
LONGEST: Final = 2000


def platform_named(text: str) -> str | None:
    """The platform that a list means by this word."""
    word = re.sub(r"[\s_:：-]+", " ", tidy(text).casefold()).strip()
    if word in NAMES:
        return word
    return next((name for name, others in NAMES.items() if word in others), None)


def find_channels(cell: str, platform: str | None = None) -> tuple[list[Found], list[NotFound]]:
    """Every channel that a cell names; ``platform`` is what the column or the row says, and an address in the cell knows better."""
    text = tidy(cell[:LONGEST])
    if text.casefold() in NOTHING:
        return [], []
    found: list[Found] = []
    problems: list[NotFound] = []
    for part, its_platform in _parts(text, platform):
        try:
            channel = _channel(part, its_platform)
        except NoChannelError as no:
            problems.append(NotFound(what=part, reason=no.reason, suggestion=no.suggestion, code=no.code))
        else:
            if channel not in found:
                found.append(channel)
    return found, problems


def _parts(text: str, platform: str | None) -> list[tuple[str, str | None]]:
    for written, meant in ADDRESSES:
        text = written.sub(meant, text)
    links = [_unwrapped(link.rstrip(".,;:!?…")) for link in LINK.findall(text)]
    known = [link for link in links if platform_of(link)]
    if known:
        return [(link, None) for link in known]
    if links:
        return [(link, platform) for link in dict.fromkeys(links)]
    parts = [part for part in (tidy(piece) for piece in SPLIT.split(text)) if part and part.casefold() not in NOTHING]
    return [_with_prefix(part, platform) for part in parts]


def _unwrapped(link: str) -> str:
    """What a search engine or an app has put an address of its own around."""
    if WRAPPED.search(re.sub(r"^https?:/*(?:www\.|m\.)?", "", link, flags=re.IGNORECASE)):
        query = parse_qs(split_link(link).query)
        inner = next((query[key][0] for key in ("q", "u", "url", "to") if key in query), "")
        if LINK.fullmatch(inner):
            return inner
    return link


def _with_prefix(part: str, platform: str | None) -> tuple[str, str | None]:
    """``YouTube: @name``, ``YT @name`` and ``name (Twitch)`` name their own platform."""
    word, colon, rest = part.partition(":")
    named = platform_named(word) if colon and rest.strip() else None
    if named:
        return rest.strip(), named
    words = part.split()
    if len(words) == 2 and words[1].startswith("@") and (named := platform_named(words[0])):
        return words[1], named
    behind = re.fullmatch(r"(\S+)\s*[(\[]\s*([^()\[\]]{1,20}?)\s*[)\]]", part)
    if behind is not None and (named := platform_named(behind[2])):
        return behind[1], named
    return part, platform


def _channel(part: str, platform: str | None) -> Found:
    native_id = None
    if LINK.fullmatch(part):
        its = platform_of(part)
        if its is None and platform in {"mastodon", "owncast"}:
            its = platform
        if its is None and host_of(part) in SESSIONS:
            return _checked("ssn", part, None)
        if its is None:
            raise _unknown_host(part)
        platform, path = its, read_path(its, part)
        if path.handle is None:
            raise NoChannelError("video", ONE_VIDEO, example(platform))
        handle, native_id = path.handle, path.native_id
    else:
        handle = part
        if platform is None:
            platform = _by_its_look(part)
        if platform is None:
            if EMAIL.fullmatch(part):
                raise NoChannelError("email", "this is an e-mail address, not a channel", "paste the address of the channel")
            raise _nothing_said(part)
    return _checked(platform, handle, native_id)


def _by_its_look(part: str) -> str | None:
    """The platform of a handle that can only be one's."""
    if re.fullmatch(r"@[\w.-]+@[\w.-]+\.\w+", part):
        return "mastodon"
    if re.fullmatch(r"@?[\w-]+\.bsky\.social|did:plc:[a-z2-7]{24}", part, re.IGNORECASE):
        return "bluesky"
    return "youtube" if re.fullmatch(r"UC[\w-]{22}", part, re.ASCII) else None


def _nothing_said(part: str) -> NoChannelError:
    """What stands in place of a channel, and is none."""
    ask = "paste the address of the channel"
    if PHONE.fullmatch(part):
        return NoChannelError("platform", "this is a phone number, not a channel", ask)
    if platform_named(part):
        return NoChannelError("platform", "this names a platform, and no channel there", ask)
    if part.casefold() in {"yes", "да", "sí", "sim", "oui", "ya", "ja", "是", "有", "نعم"}:
        return NoChannelError("platform", "this says yes, and not which channel", ask)
    return NoChannelError("platform", "no platform is named for it", f"{ask}, or name the platform")


def _checked(platform: str, pasted: str, native_id: str | None) -> Found:
    if EMAIL.fullmatch(pasted) and platform != "mastodon":
        raise NoChannelError("email", "this is an e-mail address, not a channel", example(platform))
    if PHONE.fullmatch(pasted.strip()):
        raise NoChannelError("handle", "this is a phone number, not a channel", example(platform))
    bare = pasted.strip().strip("/").lstrip("@").casefold()
    pattern, words = HANDLES.get(platform, (r".+", ""))
    if platform in HANDLES and not re.fullmatch(pattern, _letters(bare)):
        if " " in bare:
            raise NoChannelError("name", "this looks like a name that is shown, not like a handle", f"{example(platform)}")
        raise NoChannelError("handle", f"not a handle of {platform}: expected {words}", example(platform))
    if platform == "youtube" and re.fullmatch(r"UC[\w-]{22}", pasted.strip()):
        native_id = pasted.strip()
    if platform == "bilibili" and bare.isdecimal():
        native_id = bare
    if platform == "bluesky" and bare.startswith("did:"):
        native_id = bare
    try:
        handle = normalise(platform, pasted)
    except BadHandle as bad:
        raise NoChannelError("handle", f"expected {bad.expected}", example(platform)) from None
    return Found(
        platform=platform, handle=handle, native_id=native_id if native_id and is_native_id(platform, native_id) else None
    )


def _letters(text: str) -> str:
    """Without the vowels and tones that some scripts write above and below their letters."""
    return (
        "".join(character for character in text if unicodedata.category(character) not in ("Mn", "Mc"))
        if not text.isascii()
        else text
    )


def broadcast_link(pasted: str) -> Live | None:
    """What somebody may report as the address of his live; None: not an address of a platform that we know."""
    text = tidy(pasted[:LONGEST])
    for link in map(_unwrapped, LINK.findall(text)):
        platform = platform_of(link)
        if platform is None:
            continue
        parts = split_link(link)
        try:
            path = read_path(platform, link, whole=True)
        except NoChannelError:
            path = Pointed()
        query = {key: values for key, values in parse_qs(parts.query).items() if key in {"v", "story_fbid", "id"}}
        kept = "&".join(f"{key}={values[0]}" for key, values in query.items() if re.fullmatch(r"[\w-]{1,64}", values[0]))
        host = parts.hostname or ""
        clean = re.sub(r"[^\w.~@%/+-]", "", unquote(parts.path))[:300]
        try:
            handle = normalise(platform, path.handle) if path.handle else None
        except BadHandle:
            handle = None
        url = f"https://{host}{clean}" + (f"?{kept}" if kept else "")
        if host == "studio.youtube.com" and path.broadcast:  # only its owner can open that one
            url = f"https://www.youtube.com/watch?v={path.broadcast}"
        return Live(platform=platform, url=url, handle=handle, broadcast=path.broadcast)
    return None


def channel_address(platform: str, handle: str, native_id: str | None = None) -> str | None:
    """Where a person can look whether it is the right channel; None where a handle makes no address."""
    if platform == "youtube" and native_id:
        return f"https://www.youtube.com/channel/{native_id}"
    if platform == "mastodon":
        name, _, host = handle.partition("@")
        return f"https://{host}/@{name}" if re.fullmatch(r"[\w.-]+", host) else None
    pattern = {
        "youtube": "https://www.youtube.com/@{}", "twitch": "https://www.twitch.tv/{}", "tiktok": "https://www.tiktok.com/@{}",
        "facebook": "https://www.facebook.com/{}", "instagram": "https://www.instagram.com/{}/", "kick": "https://kick.com/{}",
        "bilibili": "https://live.bilibili.com/{}", "vk": "https://live.vkvideo.ru/{}", "bluesky": "https://bsky.app/profile/{}",
        "x": "https://x.com/{}", "telegram": "https://t.me/{}", "douyin": "https://live.douyin.com/{}",
        "kuaishou": "https://live.kuaishou.com/u/{}", "weibo": "https://weibo.com/{}", "huya": "https://www.huya.com/{}",
        "douyu": "https://www.douyu.com/{}",
    }.get(platform)  # fmt: skip
    if platform == "bilibili" and handle.startswith("space/"):
        return f"https://space.bilibili.com/{handle.removeprefix('space/')}"
    return pattern.format(handle) if pattern and re.fullmatch(r"[\w.:·/-]+", handle) else None


def _unknown_host(link: str) -> NoChannelError:
    host = host_of(link)
    close = difflib.get_close_matches(host, HOSTS, n=1, cutoff=0.75)
    if close:
        return NoChannelError("host", f"{host} is no platform that we know", f"did you mean {link.replace(host, close[0], 1)}?")
    if host in PAGES_OF_LINKS:
        return NoChannelError("host", "this is a page with several addresses", "open it, and copy those of the channels")
    name = re.match(r"/@(\w+)", split_link(link).path)
    if name and host not in LIKE_MASTODON and not any(known in host for known in HOSTS):
        return NoChannelError(
            "host", f"{host} is no platform that we know", f"if that is a Mastodon server, write @{name[1]}@{host}"
        )
    return NoChannelError(
        "host", f"{host or 'this'} is no platform that we know", "paste the address of the channel on its platform"
    )
