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
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from monitor.handles import BadHandle, is_native_id, normalise, tidy

if TYPE_CHECKING:
    from collections.abc import Callable


Code = Literal["other", "video", "short", "name", "email", "platform", "host", "private", "handle"]
"""``other`` says that this is no channel, without saying more."""


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


ONE_VIDEO: Final = "this is the address of one video, not of a channel"


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """An address under which somebody is live."""

    platform: str
    url: str
    """https, without what apps append."""
    handle: str | None = None
    broadcast: str | None = None
    """The platform's id of the live video, where the address carries it."""


@dataclass(frozen=True, slots=True)
class _Path:
    """What a reader makes of the path of an address."""

    handle: str | None = None
    native_id: str | None = None
    broadcast: str | None = None


class _NoChannelError(ValueError):
    def __init__(self, code: Code, reason: str, suggestion: str) -> None:
        super().__init__(reason)
        self.code, self.reason, self.suggestion = code, reason, suggestion


NAMES: Final[dict[str, tuple[str, ...]]] = {
    "youtube": ("yt", "you tube", "油管", "ютуб", "youtube live", "يوتيوب"),
    "twitch": ("twitch.tv", "твич", "تويتش"),
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

HOSTS: Final[dict[str, str]] = {
    "youtube.com": "youtube", "youtu.be": "youtube", "youtube-nocookie.com": "youtube", "studio.youtube.com": "youtube",
    "gaming.youtube.com": "youtube", "music.youtube.com": "youtube",
    "twitch.tv": "twitch", "dashboard.twitch.tv": "twitch", "player.twitch.tv": "twitch", "clips.twitch.tv": "twitch",
    "tiktok.com": "tiktok", "vm.tiktok.com": "tiktok", "vt.tiktok.com": "tiktok",
    "facebook.com": "facebook", "fb.com": "facebook", "fb.watch": "facebook", "fb.me": "facebook",
    "instagram.com": "instagram", "kick.com": "kick", "player.kick.com": "kick", "dashboard.kick.com": "kick",
    "bilibili.com": "bilibili", "live.bilibili.com": "bilibili", "space.bilibili.com": "bilibili", "b23.tv": "bilibili",
    "live.vkvideo.ru": "vk", "live.vkplay.ru": "vk", "vkplay.live": "vk", "vk.com": "vk", "vk.ru": "vk", "vkvideo.ru": "vk",
    "bsky.app": "bluesky",
    "mastodon.social": "mastodon", "mastodon.online": "mastodon", "mstdn.social": "mastodon", "mastodon.world": "mastodon",
    "fosstodon.org": "mastodon", "hachyderm.io": "mastodon", "mas.to": "mastodon", "mstdn.jp": "mastodon", "pawoo.net": "mastodon",
    "mastodon.com.br": "mastodon", "mamot.fr": "mastodon", "techhub.social": "mastodon", "social.vivaldi.net": "mastodon",
    "x.com": "x", "twitter.com": "x",
    "t.me": "telegram", "telegram.me": "telegram", "telegram.dog": "telegram",
    "douyin.com": "douyin", "live.douyin.com": "douyin", "v.douyin.com": "douyin", "iesdouyin.com": "douyin",
    "kuaishou.com": "kuaishou", "live.kuaishou.com": "kuaishou", "v.kuaishou.com": "kuaishou",
    "weibo.com": "weibo", "weibo.cn": "weibo",
    "xiaohongshu.com": "xiaohongshu", "xhslink.com": "xiaohongshu",
    "channels.weixin.qq.com": "wechat",
    "douyu.com": "douyu", "huya.com": "huya",
}  # fmt: skip
"""Host without ``www.`` and the like → platform. Also the allow-list of what people may report as their live address."""

SHORT: Final = frozenset(
    ("vm.tiktok.com", "vt.tiktok.com", "b23.tv", "v.douyin.com", "v.kuaishou.com", "xhslink.com", "fb.me", "fb.watch")
)
"""Addresses that say nothing until they are opened, and we do not open them."""

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
     "ninguno", "nenhum", "aucun", "tidak ada", "tidak", "x/no", "0")
)  # fmt: skip
"""How people write that they have no such channel."""

LINK: Final = re.compile(
    r"(?<![\w./@%-])(?:https?:/*)?(?:[\w-]+\.)+[a-z]{2,24}(?::\d+)?/[^\s\"'<>，。、；）)\]】」]*", re.IGNORECASE | re.ASCII
)
"""An address inside a text, with or without ``https://``; other scripts end it. What stands behind a foreign host is part of that."""
SPLIT: Final = re.compile(r"[,;|\n、]|\s+/\s+|\s{2,}")
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
YOUTUBE_VIDEO: Final = r"[\w-]{6,20}"


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
        except _NoChannelError as no:
            problems.append(NotFound(what=part, reason=no.reason, suggestion=no.suggestion, code=no.code))
        else:
            if channel not in found:
                found.append(channel)
    return found, problems


def _parts(text: str, platform: str | None) -> list[tuple[str, str | None]]:
    text = re.sub(r"tg://resolve/?\?domain=(\w+)\S*", r"t.me/\1", text)
    links = [_unwrapped(link.rstrip(".,!?…")) for link in LINK.findall(text)]
    known = [link for link in links if _platform_of(link)]
    if known:
        return [(link, None) for link in known]
    if links:
        return [(link, platform) for link in dict.fromkeys(links)]
    parts = [part for part in (tidy(piece) for piece in SPLIT.split(text)) if part and part.casefold() not in NOTHING]
    return [_with_prefix(part, platform) for part in parts]


def _unwrapped(link: str) -> str:
    """What a search engine or an app has put an address of its own around."""
    if WRAPPED.search(re.sub(r"^https?:/*(?:www\.|m\.)?", "", link, flags=re.IGNORECASE)):
        query = parse_qs(_split(link).query)
        inner = next((query[key][0] for key in ("q", "u", "url", "to") if key in query), "")
        if LINK.fullmatch(inner):
            return inner
    return link


def _with_prefix(part: str, platform: str | None) -> tuple[str, str | None]:
    """``YouTube: @name`` names its own platform."""
    word, colon, rest = part.partition(":")
    named = platform_named(word) if colon and rest.strip() else None
    return (rest.strip(), named) if named else (part, platform)


def _channel(part: str, platform: str | None) -> Found:
    native_id = None
    if LINK.fullmatch(part):
        its = _platform_of(part)
        if its is None and platform in {"mastodon", "owncast"}:
            its = platform
        if its is None:
            raise _unknown_host(part)
        platform, path = its, _read(its, part)
        if path.handle is None:
            raise _NoChannelError("video", ONE_VIDEO, _example(platform))
        handle, native_id = path.handle, path.native_id
    else:
        handle = part
        if platform is None:
            platform = _by_its_look(part)
        if platform is None:
            if EMAIL.fullmatch(part):
                raise _NoChannelError("email", "this is an e-mail address, not a channel", "paste the address of the channel")
            raise _nothing_said(part)
    return _checked(platform, handle, native_id)


def _by_its_look(part: str) -> str | None:
    """The platform of a handle that can only be one's."""
    if re.fullmatch(r"@[\w.-]+@[\w.-]+\.\w+", part):
        return "mastodon"
    if re.fullmatch(r"@?[\w-]+\.bsky\.social|did:plc:[a-z2-7]{24}", part, re.IGNORECASE):
        return "bluesky"
    return "youtube" if re.fullmatch(r"UC[\w-]{22}", part, re.ASCII) else None


def _nothing_said(part: str) -> _NoChannelError:
    """What stands in place of a channel, and is none."""
    ask = "paste the address of the channel"
    if PHONE.fullmatch(part):
        return _NoChannelError("platform", "this is a phone number, not a channel", ask)
    if platform_named(part):
        return _NoChannelError("platform", "this names a platform, and no channel there", ask)
    if part.casefold() in {"yes", "да", "sí", "sim", "oui", "ya", "ja", "是", "有", "نعم"}:
        return _NoChannelError("platform", "this says yes, and not which channel", ask)
    return _NoChannelError("platform", "no platform is named for it", f"{ask}, or name the platform")


def _checked(platform: str, pasted: str, native_id: str | None) -> Found:
    if EMAIL.fullmatch(pasted) and platform != "mastodon":
        raise _NoChannelError("email", "this is an e-mail address, not a channel", _example(platform))
    if PHONE.fullmatch(pasted.strip()):
        raise _NoChannelError("handle", "this is a phone number, not a channel", _example(platform))
    bare = pasted.strip().strip("/").lstrip("@").casefold()
    pattern, words = HANDLES.get(platform, (r".+", ""))
    if platform in HANDLES and not re.fullmatch(pattern, _letters(bare)):
        if " " in bare:
            raise _NoChannelError("name", "this looks like a name that is shown, not like a handle", f"{_example(platform)}")
        raise _NoChannelError("handle", f"not a handle of {platform}: expected {words}", _example(platform))
    if platform == "youtube" and re.fullmatch(r"UC[\w-]{22}", pasted.strip()):
        native_id = pasted.strip()
    if platform == "bilibili" and bare.isdecimal():
        native_id = bare
    if platform == "bluesky" and bare.startswith("did:"):
        native_id = bare
    try:
        handle = normalise(platform, pasted)
    except BadHandle as bad:
        raise _NoChannelError("handle", f"expected {bad.expected}", _example(platform)) from None
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
        platform = _platform_of(link)
        if platform is None:
            continue
        parts = _split(link)
        try:
            path = _read(platform, link, whole=True)
        except _NoChannelError:
            path = _Path()
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


# --- addresses --------------------------------------------------------------------------------------------------------


def _split(link: str) -> SplitResult:
    return urlsplit("https://" + re.sub(r"^https?:/*", "", link, flags=re.IGNORECASE))


def _host(link: str) -> str:
    try:
        host = (_split(link).hostname or "").casefold()
    except ValueError:
        return ""
    return re.sub(r"^(?:www|m|mobile|web|touch|go|business|[a-z]{2}-[a-z]{2})\.", "", host)


def _platform_of(link: str) -> str | None:
    """By the whole host: ``youtube.com.evil.example`` is nobody's, and so is an address with a user or a port in it."""
    try:
        parts = _split(link)
        if "@" in parts.netloc or parts.port not in (None, 80, 443):
            return None
    except ValueError:
        return None
    return HOSTS.get(_host(link))


def _read(platform: str, link: str, *, whole: bool = False) -> _Path:
    """What the path says; ``whole``: a live address, for which a short link is fine."""
    parts = _split(link)
    host = _host(link)
    if host in SHORT and not whole:
        raise _NoChannelError(
            "short",
            "a short address says nothing until it is opened",
            f"open it, then copy the long address; {_example(platform)}",
        )
    words = [unquote(word) for word in parts.path.split("/") if word]
    query = {key: values[0] for key, values in parse_qs(parts.query).items()}
    return _READERS[platform](host, words, query) if host not in SHORT else _Path()


def _youtube(host: str, words: list[str], query: dict[str, str]) -> _Path:
    first, second = (*words, "", "")[:2]
    if host == "youtu.be":
        return _Path(broadcast=_id(first, YOUTUBE_VIDEO))
    if first.startswith("@"):
        return _Path(handle=first.lstrip("@"))
    # A channel's own page, its page in the studio, its feed, and what others embed of it.
    for channel in (second if first == "channel" else "", query.get("channel_id", ""), query.get("channel", "")):
        if re.fullmatch(r"UC[\w-]{22}", channel, re.ASCII):
            return _Path(handle=channel, native_id=channel)
    if first in {"live", "shorts", "embed", "v"} or (host == "studio.youtube.com" and first == "video"):
        return _Path(broadcast=_id(second, YOUTUBE_VIDEO))
    if first == "watch":
        return _Path(broadcast=_id(query.get("v", ""), YOUTUBE_VIDEO))
    if first in {"c", "user"} or (len(words) == 1 and first not in {"playlist", "feed", "results", "hashtag", "redirect"}):
        raise _NoChannelError(
            "other",
            "an address of this old form does not say which channel it is",
            "open it, and copy the @name that stands there",
        )
    raise _not_a_channel("youtube")


def _tiktok(_: str, words: list[str], __: dict[str, str]) -> _Path:
    first, second, third = (*words, "", "", "")[:3]
    if first.startswith("@"):
        return _Path(handle=first.lstrip("@"), broadcast=_id(third, r"\d{6,24}") if second == "video" else None)
    raise _not_a_channel("tiktok")


def _facebook(_: str, words: list[str], query: dict[str, str]) -> _Path:
    first, second, third = (*words, "", "", "")[:3]
    if first == "profile.php":
        number = _id(query.get("id", ""), r"\d{3,20}")
        return _Path(handle=number, native_id=number)
    if first in {"people", "pages"} and (number := _id(words[-1], r"\d{3,20}")):
        return _Path(handle=number, native_id=number)
    if first in {"watch", "video.php"}:
        return _Path(broadcast=_id(query.get("v", ""), r"\d{3,24}"))
    if first in {"", "groups", "events", "share", "story.php", "permalink.php", "sharer", "reel", "live"}:
        raise _not_a_channel("facebook")
    return _Path(handle=first, broadcast=_id(third or words[-1], r"\d{3,24}") if second in {"videos", "live"} else None)


def _instagram(_: str, words: list[str], __: dict[str, str]) -> _Path:
    first, second = (*words, "", "")[:2]
    if first == "stories" and second:
        return _Path(handle=second)
    if first in {"", "p", "reel", "reels", "tv", "explore", "accounts", "s"}:
        raise _not_a_channel("instagram")
    return _Path(handle=first)


def _bilibili(host: str, words: list[str], _: dict[str, str]) -> _Path:
    first, second = (*words, "", "")[:2]
    if host == "live.bilibili.com":
        room = _id(first if first not in {"h5", "blanc"} else second, r"\d{1,20}")
        return _Path(handle=room, native_id=room)
    if host == "space.bilibili.com" and first.isdecimal():
        return _Path(handle=f"space/{first}")
    if first == "video":
        return _Path(broadcast=_id(second, r"BV\w{6,20}"))
    raise _not_a_channel("bilibili")


def _x(_: str, words: list[str], __: dict[str, str]) -> _Path:
    first, second, third = (*words, "", "", "")[:3]
    if first == "i" and second in {"broadcasts", "spaces"}:
        return _Path(broadcast=_id(third, r"\w{4,30}"))
    if first in {"", "i", "home", "search", "hashtag", "explore", "intent", "share"}:
        raise _not_a_channel("x")
    return _Path(handle=first, broadcast=_id(third, r"\d{4,24}") if second == "status" else None)


def _telegram(_: str, words: list[str], __: dict[str, str]) -> _Path:
    words = words[1:] if words[:1] == ["s"] else words
    first = (*words, "")[0]
    if first.startswith("+") or first in {"joinchat", "c"}:
        raise _NoChannelError(
            "private", "an invitation to a private group does not name it", "make the group public, or add our bot to it"
        )
    if not first or first in OWN_PAGES["telegram"]:
        raise _not_a_channel("telegram")
    return _Path(handle=first)


def _douyin(host: str, words: list[str], _: dict[str, str]) -> _Path:
    first, second = (*words, "", "")[:2]
    if host == "live.douyin.com" and first:
        return _Path(handle=first)
    if first == "user" and second:
        return _Path(handle=second, native_id=second)
    if first == "video":
        return _Path(broadcast=_id(second, r"\d{6,24}"))
    raise _not_a_channel("douyin")


OF_VIDEOS: Final = {"twitch": frozenset({"videos", "video", "v", "collections"}), "kick": frozenset({"video", "videos", "clips"})}
"""What stands where a name stands, in the address of one video."""
OWN_PAGES: Final = {
    "twitch": frozenset({"directory", "settings", "subscriptions", "downloads", "search", "wallet", "drops", "friends", "p", "store", "turbo", "jobs"}),
    "kick": frozenset({"browse", "categories", "category", "following", "search", "settings", "dashboard"}),
    "bluesky": frozenset({"search", "feeds", "settings", "hashtag", "notifications", "starter-pack"}),
    "telegram": frozenset({"share", "addstickers", "addemoji", "addlist", "proxy", "socks", "iv", "login", "setlanguage", "boost"}),
}  # fmt: skip
"""What stands where a name stands, and is a page of the platform itself."""


def _after(platform: str, *pages: str) -> Callable[[str, list[str], dict[str, str]], _Path]:
    """Platforms whose addresses are just the name, or the name after one of these words."""

    def read(_: str, words: list[str], __: dict[str, str]) -> _Path:
        while words and words[0].casefold() in pages:
            words = words[1:]
        first = words[0].casefold() if words else ""
        if first in OF_VIDEOS.get(platform, ()) and len(words) > 1:
            raise _NoChannelError("video", ONE_VIDEO, _example(platform))
        if not first.lstrip("@") or first in OWN_PAGES.get(platform, ()) or first in OF_VIDEOS.get(platform, ()):
            raise _not_a_channel(platform)
        return _Path(handle=words[0].lstrip("@"))

    return read


_twitch_path = _after("twitch", "popout", "moderator", "embed", "u")


def _twitch(host: str, words: list[str], query: dict[str, str]) -> _Path:
    if host == "player.twitch.tv":
        return _twitch_path(host, [query.get("channel", "")], query)
    if host == "clips.twitch.tv":
        raise _NoChannelError("video", ONE_VIDEO, _example("twitch"))
    return _twitch_path(host, words, query)


def _mastodon(host: str, words: list[str], _: dict[str, str]) -> _Path:
    words = words[1:] if words[:1] == ["web"] else words
    first = (*words, "")[0]
    if not first.startswith("@"):
        raise _not_a_channel("mastodon")
    name, _at, server = first.lstrip("@").partition("@")
    return _Path(handle=f"{name}@{server or host}")


def _owncast(host: str, words: list[str], _: dict[str, str]) -> _Path:
    return _Path(handle="/".join([host, *words]))


def _wechat(_: str, __: list[str], ___: dict[str, str]) -> _Path:
    raise _NoChannelError(
        "other", "an address of WeChat Channels does not name the account", "write the name of the account (视频号) instead"
    )


_READERS: Final[dict[str, Callable[[str, list[str], dict[str, str]], _Path]]] = {
    "youtube": _youtube,
    "twitch": _twitch,
    "tiktok": _tiktok,
    "facebook": _facebook,
    "instagram": _instagram,
    "kick": _after("kick", "popout"),
    "bilibili": _bilibili,
    "vk": _after("vk", "video", "app", "live"),
    "bluesky": _after("bluesky", "profile"),
    "mastodon": _mastodon,
    "x": _x,
    "telegram": _telegram,
    "douyin": _douyin,
    "kuaishou": _after("kuaishou", "u", "profile"),
    "weibo": _after("weibo", "u", "n"),
    "xiaohongshu": _after("xiaohongshu", "user", "profile"),
    "wechat": _wechat,
    "douyu": _after("douyu", "room", "topic"),
    "huya": _after("huya"),
    "owncast": _owncast,
}


def _id(text: str, pattern: str) -> str | None:
    return text if re.fullmatch(pattern, text, re.ASCII) else None


def _example(platform: str) -> str:
    address = {
        "youtube": "youtube.com/@name", "twitch": "twitch.tv/name", "tiktok": "tiktok.com/@name", "facebook": "facebook.com/name",
        "instagram": "instagram.com/name", "kick": "kick.com/name", "bilibili": "live.bilibili.com/21452505",
        "vk": "live.vkvideo.ru/name", "bluesky": "bsky.app/profile/name.bsky.social", "mastodon": "mastodon.social/@name",
        "x": "x.com/name", "telegram": "t.me/name", "douyin": "live.douyin.com/123456789", "weibo": "weibo.com/u/1234567890",
        "kuaishou": "live.kuaishou.com/u/name",
    }.get(platform)  # fmt: skip
    return f"paste the address of the channel, such as {address}" if address else "paste the address of the channel"


def _not_a_channel(platform: str) -> _NoChannelError:
    return _NoChannelError("other", "this address is not the one of a channel", _example(platform))


def _unknown_host(link: str) -> _NoChannelError:
    host = _host(link)
    close = difflib.get_close_matches(host, HOSTS, n=1, cutoff=0.75)
    if close:
        return _NoChannelError("host", f"{host} is no platform that we know", f"did you mean {link.replace(host, close[0], 1)}?")
    if host in PAGES_OF_LINKS:
        return _NoChannelError("host", "this is a page with several addresses", "open it, and copy those of the channels")
    name = re.match(r"/@(\w+)", _split(link).path)
    if name and host not in LIKE_MASTODON and not any(known in host for known in HOSTS):
        return _NoChannelError(
            "host", f"{host} is no platform that we know", f"if that is a Mastodon server, write @{name[1]}@{host}"
        )
    return _NoChannelError(
        "host", f"{host or 'this'} is no platform that we know", "paste the address of the channel on its platform"
    )
