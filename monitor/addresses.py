"""Where a person can watch a livestream in a browser. Pure.

Only platforms whose address follows from what is known for certain; for the others there is none, rather than one that leads nowhere.
The roster's own ``live_url`` wins when it is https. Nothing here, and nobody who uses it, ever fetches such an address.
"""

from __future__ import annotations

from urllib.parse import quote, urlsplit

_PAGES = {
    "twitch": "https://www.twitch.tv/{handle}",
    "kick": "https://kick.com/{handle}",
    "bluesky": "https://bsky.app/profile/{handle}",
    "tiktok": "https://www.tiktok.com/@{handle}/live",
    "telegram": "https://t.me/{handle}",
}


def watch_address(platform: str, handle: str, *, broadcast: str | None = None, live_url: str | None = None) -> str | None:
    """An https address, or None."""
    if live_url and _is_https(live_url):
        return live_url
    platform = platform.partition(".")[0]
    if platform == "youtube":
        if broadcast:
            return f"https://www.youtube.com/watch?v={quote(broadcast, safe='')}"
        return f"https://www.youtube.com/{_quoted(handle)}/live" if handle.startswith("@") else None
    name = handle.lstrip("@")
    page = _PAGES.get(platform)
    return page.format(handle=_quoted(name)) if page and name else None


def _quoted(handle: str) -> str:
    return quote(handle, safe="@:")


def _is_https(address: str) -> bool:
    try:
        found = urlsplit(address)
    except ValueError:
        return False
    return found.scheme == "https" and bool(found.hostname)
