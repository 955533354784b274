"""What the path of an address says of a channel or of one broadcast, platform by platform; and whose host it is. Pure.

``platform_of`` goes by the whole host; ``read_path`` gives the handle, the platform's own id and the id of a live video, as far as the address carries
them, or raises ``NoChannelError`` with a reason and a suggestion for the person who pasted it. Nothing here is ever opened.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

Code = Literal["other", "video", "short", "name", "email", "platform", "host", "private", "handle"]
"""``other`` says that this is no channel, without saying more."""

HOSTS: Final[dict[str, str]] = {
    "youtube.com": "youtube", "youtu.be": "youtube", "youtube-nocookie.com": "youtube", "studio.youtube.com": "youtube",
    "gaming.youtube.com": "youtube", "music.youtube.com": "youtube",
    "twitch.tv": "twitch", "dashboard.twitch.tv": "twitch", "player.twitch.tv": "twitch", "clips.twitch.tv": "twitch",
    "tiktok.com": "tiktok", "vm.tiktok.com": "tiktok", "vt.tiktok.com": "tiktok",
    "facebook.com": "facebook", "fb.com": "facebook", "fb.gg": "facebook", "fb.watch": "facebook", "fb.me": "facebook",
    "instagram.com": "instagram", "instagr.am": "instagram", "kick.com": "kick", "player.kick.com": "kick", "dashboard.kick.com": "kick",
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
ONE_VIDEO: Final = "this is the address of one video, not of a channel"
YOUTUBE_VIDEO: Final = r"[\w-]{6,20}"


@dataclass(frozen=True, slots=True)
class Pointed:
    """What a reader makes of the path of an address."""

    handle: str | None = None
    native_id: str | None = None
    broadcast: str | None = None


class NoChannelError(ValueError):
    def __init__(self, code: Code, reason: str, suggestion: str) -> None:
        super().__init__(reason)
        self.code, self.reason, self.suggestion = code, reason, suggestion


def split_link(link: str) -> SplitResult:
    return urlsplit("https://" + re.sub(r"^https?:/*", "", link, flags=re.IGNORECASE))


def host_of(link: str) -> str:
    try:
        host = (split_link(link).hostname or "").casefold()
    except ValueError:
        return ""
    return re.sub(r"^(?:www|m|mobile|web|touch|go|business|[a-z]{2}-[a-z]{2})\.", "", host)


def platform_of(link: str) -> str | None:
    """By the whole host: ``youtube.com.evil.example`` is nobody's, and so is an address with a user or a port in it."""
    try:
        parts = split_link(link)
        if "@" in parts.netloc or parts.port not in (None, 80, 443):
            return None
    except ValueError:
        return None
    return HOSTS.get(host_of(link))


def read_path(platform: str, link: str, *, whole: bool = False) -> Pointed:
    """What the path says; ``whole``: a live address, for which a short link is fine."""
    parts = split_link(link)
    host = host_of(link)
    if host in SHORT and not whole:
        raise _short(platform)
    if platform == "owncast":  # a server of somebody's own is often at a port of its own
        host = parts.netloc.casefold()
    words = [unquote(word) for word in parts.path.split("/") if word]
    query = {key: values[0] for key, values in parse_qs(parts.query).items()}
    return _READERS[platform](host, words, query) if host not in SHORT else Pointed()


def _youtube(host: str, words: list[str], query: dict[str, str]) -> Pointed:
    first, second = (*words, "", "")[:2]
    if host == "youtu.be":
        return Pointed(broadcast=_id(first, YOUTUBE_VIDEO))
    if first.startswith("@"):
        return Pointed(handle=first.lstrip("@"))
    # A channel's own page, its page in the studio, its feed, and what others embed of it.
    for channel in (second if first == "channel" else "", query.get("channel_id", ""), query.get("channel", "")):
        if re.fullmatch(r"UC[\w-]{22}", channel, re.ASCII):
            return Pointed(handle=channel, native_id=channel)
    if first in {"live", "shorts", "embed", "v"} or (host == "studio.youtube.com" and first == "video"):
        return Pointed(broadcast=_id(second, YOUTUBE_VIDEO))
    if first == "watch":
        return Pointed(broadcast=_id(query.get("v", ""), YOUTUBE_VIDEO))
    if first in {"c", "user"} or (len(words) == 1 and first not in {"playlist", "feed", "results", "hashtag", "redirect"}):
        raise NoChannelError(
            "other",
            "an address of this old form does not say which channel it is",
            "open it, and copy the @name that stands there",
        )
    raise not_a_channel("youtube")


def _tiktok(_: str, words: list[str], __: dict[str, str]) -> Pointed:
    first, second, third = (*words, "", "", "")[:3]
    if first.startswith("@"):
        return Pointed(handle=first.lstrip("@"), broadcast=_id(third, r"\d{6,24}") if second == "video" else None)
    if first == "t":
        raise _short("tiktok")
    raise not_a_channel("tiktok")


def _facebook(_: str, words: list[str], query: dict[str, str]) -> Pointed:
    if words[:1] == ["p"] and (found := re.fullmatch(r".*-(\d{5,20})", words[1] if len(words) > 1 else "")):
        return Pointed(handle=found[1], native_id=found[1])
    words = words[1:] if words and words[0] in ("gaming", "pg", "public") else words
    first, second, third = (*words, "", "", "")[:3]
    if first == "share":
        raise _short("facebook")
    if first == "profile.php":
        number = _id(query.get("id", ""), r"\d{3,20}")
        return Pointed(handle=number, native_id=number)
    if first in {"people", "pages"} and (number := _id(words[-1], r"\d{3,20}")):
        return Pointed(handle=number, native_id=number)
    if first in {"watch", "video.php"}:
        return Pointed(broadcast=_id(query.get("v", ""), r"\d{3,24}"))
    if first in {"", "p", "groups", "events", "story.php", "permalink.php", "sharer", "sharer.php", "reel", "reels", "stories", "live", "marketplace",
                 "hashtag", "login", "login.php", "home.php", "photo", "photo.php", "media", "search", "help", "policies", "l.php"}:  # fmt: skip
        raise not_a_channel("facebook")
    return Pointed(handle=first, broadcast=_id(third or words[-1], r"\d{3,24}") if second in {"videos", "live"} else None)


def _instagram(_: str, words: list[str], __: dict[str, str]) -> Pointed:
    first, second = (*words, "", "")[:2]
    if first == "stories" and second:
        return Pointed(handle=second)
    if first in {"", "p", "reel", "reels", "tv", "explore", "accounts", "s"}:
        raise not_a_channel("instagram")
    return Pointed(handle=first)


def _bilibili(host: str, words: list[str], _: dict[str, str]) -> Pointed:
    first, second = (*words, "", "")[:2]
    if host == "live.bilibili.com":
        room = _id(first if first not in {"h5", "blanc"} else second, r"\d{1,20}")
        return Pointed(handle=room, native_id=room)
    if host == "space.bilibili.com" and first.isdecimal():
        return Pointed(handle=f"space/{first}")
    if first == "space" and second.isdecimal():
        return Pointed(handle=f"space/{second}")
    if first == "video":
        return Pointed(broadcast=_id(second, r"BV\w{6,20}"))
    raise not_a_channel("bilibili")


def _x(_: str, words: list[str], query: dict[str, str]) -> Pointed:
    first, second, third = (*words, "", "", "")[:3]
    if first == "intent" and query.get("screen_name"):
        return Pointed(handle=query["screen_name"])
    if first == "i" and second in {"broadcasts", "spaces"}:
        return Pointed(broadcast=_id(third, r"\w{4,30}"))
    if first in {"", "i", "home", "search", "hashtag", "explore", "intent", "share"}:
        raise not_a_channel("x")
    return Pointed(handle=first, broadcast=_id(third, r"\d{4,24}") if second == "status" else None)


def _telegram(_: str, words: list[str], __: dict[str, str]) -> Pointed:
    words = words[1:] if words[:1] == ["s"] else words
    first = (*words, "")[0]
    if first.startswith("+") or first in {"joinchat", "c"}:
        raise NoChannelError(
            "private", "an invitation to a private group does not name it", "make the group public, or add our bot to it"
        )
    if not first or first in OWN_PAGES["telegram"]:
        raise not_a_channel("telegram")
    return Pointed(handle=first)


def _douyin(host: str, words: list[str], _: dict[str, str]) -> Pointed:
    first, second = (*words, "", "")[:2]
    if host == "live.douyin.com" and first:
        return Pointed(handle=first)
    if first == "user" and second:
        return Pointed(handle=second, native_id=second)
    if first == "video":
        return Pointed(broadcast=_id(second, r"\d{6,24}"))
    raise not_a_channel("douyin")


OF_VIDEOS: Final = {"twitch": frozenset({"videos", "video", "v", "collections"}), "kick": frozenset({"video", "videos", "clips"})}
"""What stands where a name stands, in the address of one video."""
OWN_PAGES: Final = {
    "twitch": frozenset({"team", "popular", "login", "signup", "events", "prime", "inventory", "user", "legal", "broadcast", "directory", "settings", "subscriptions", "downloads", "search", "wallet", "drops", "friends", "p", "store", "turbo", "jobs"}),
    "kick": frozenset({"stream", "auth", "about", "community-guidelines", "browse", "categories", "category", "following", "search", "settings", "dashboard"}),
    "bluesky": frozenset({"search", "feeds", "settings", "hashtag", "notifications", "starter-pack"}),
    "telegram": frozenset({"share", "addstickers", "addemoji", "addlist", "proxy", "socks", "iv", "login", "setlanguage", "boost"}),
}  # fmt: skip
"""What stands where a name stands, and is a page of the platform itself."""


def _after(platform: str, *pages: str) -> Callable[[str, list[str], dict[str, str]], Pointed]:
    """Platforms whose addresses are just the name, or the name after one of these words."""

    def read(_: str, words: list[str], __: dict[str, str]) -> Pointed:
        while words and words[0].casefold() in pages:
            words = words[1:]
        first = words[0].casefold() if words else ""
        if first in OF_VIDEOS.get(platform, ()) and len(words) > 1:
            raise NoChannelError("video", ONE_VIDEO, example(platform))
        if not first.lstrip("@") or first in OWN_PAGES.get(platform, ()) or first in OF_VIDEOS.get(platform, ()):
            raise not_a_channel(platform)
        return Pointed(handle=words[0].lstrip("@"))

    return read


_twitch_path = _after("twitch", "popout", "moderator", "embed", "u")


def _twitch(host: str, words: list[str], query: dict[str, str]) -> Pointed:
    if host == "player.twitch.tv":
        return _twitch_path(host, [query.get("channel", "")], query)
    if host == "clips.twitch.tv":
        raise NoChannelError("video", ONE_VIDEO, example("twitch"))
    return _twitch_path(host, words, query)


def _mastodon(host: str, words: list[str], _: dict[str, str]) -> Pointed:
    words = words[1:] if words[:1] == ["web"] else words
    if words[:1] in (["users"], ["profile"]) and len(words) > 1:  # as Pleroma, Friendica and Mastodon's own machines write it
        words = [f"@{words[1].lstrip('@')}"]
    first = (*words, "")[0]
    if not first.startswith("@"):
        raise not_a_channel("mastodon")
    name, _at, server = first.lstrip("@").partition("@")
    return Pointed(handle=f"{name}@{server or host}")


def _owncast(host: str, words: list[str], _: dict[str, str]) -> Pointed:
    return Pointed(handle="/".join([host, *words]))


def _vk(host: str, words: list[str], query: dict[str, str]) -> Pointed:
    if words and re.match(r"(?:video|wall|photo|clip|clips|album|topic)-?\d", words[-1]):
        raise NoChannelError("video", ONE_VIDEO, example("vk"))
    return _vk_path(host, words, query)


_vk_path = _after("vk", "video", "app", "live")


def _wechat(_: str, __: list[str], ___: dict[str, str]) -> Pointed:
    raise NoChannelError(
        "other", "an address of WeChat Channels does not name the account", "write the name of the account (视频号) instead"
    )


_READERS: Final[dict[str, Callable[[str, list[str], dict[str, str]], Pointed]]] = {
    "youtube": _youtube,
    "twitch": _twitch,
    "tiktok": _tiktok,
    "facebook": _facebook,
    "instagram": _instagram,
    "kick": _after("kick", "popout"),
    "bilibili": _bilibili,
    "vk": _vk,
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


def example(platform: str) -> str:
    address = {
        "youtube": "youtube.com/@name", "twitch": "twitch.tv/name", "tiktok": "tiktok.com/@name", "facebook": "facebook.com/name",
        "instagram": "instagram.com/name", "kick": "kick.com/name", "bilibili": "live.bilibili.com/21452505",
        "vk": "live.vkvideo.ru/name", "bluesky": "bsky.app/profile/name.bsky.social", "mastodon": "mastodon.social/@name",
        "x": "x.com/name", "telegram": "t.me/name", "douyin": "live.douyin.com/123456789", "weibo": "weibo.com/u/1234567890",
        "kuaishou": "live.kuaishou.com/u/name",
    }.get(platform)  # fmt: skip
    return f"paste the address of the channel, such as {address}" if address else "paste the address of the channel"


def _short(platform: str) -> NoChannelError:
    return NoChannelError(
        "short", "a short address says nothing until it is opened", f"open it, then copy the long address; {example(platform)}"
    )


def not_a_channel(platform: str) -> NoChannelError:
    return NoChannelError("other", "this address is not the one of a channel", example(platform))
