"""What /join, /me, /liaison and /privacy show: values in, pages out. Pure; who may see what is decided in signup_web.py."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from monitor import pages
from monitor.links import NAMES, channel_address
from monitor.pages import NONE, Html, joined, render, word
from monitor.roster import why_not

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from zoneinfo import ZoneInfo

    from monitor.channels import Live
    from monitor.config import Config
    from monitor.links import Found
    from monitor.roster import Channel
    from monitor.signup import Application, Place, SelfReport, Signup

TITLES: Final = {
    "youtube": "YouTube", "twitch": "Twitch", "tiktok": "TikTok", "facebook": "Facebook", "instagram": "Instagram", "kick": "Kick",
    "bilibili": "哔哩哔哩 bilibili", "vk": "VK", "bluesky": "Bluesky", "mastodon": "Mastodon", "x": "X", "telegram": "Telegram",
    "douyin": "抖音 Douyin", "kuaishou": "快手 Kuaishou", "weibo": "微博 Weibo", "xiaohongshu": "小红书", "wechat": "微信视频号",
    "douyu": "斗鱼", "huya": "虎牙", "owncast": "Owncast", "ssn": "Social Stream Ninja",
}  # fmt: skip
OFFERED: Final = tuple(name for name in NAMES if name != "ssn")
GOOD: Final = frozenset({"live", "quiet"})
BAD: Final = frozenset({"unverified", "unreachable", "refused", "broken", "throttled"})
STATES: Final = frozenset(
    ("live", "quiet", "connecting", "waiting", "announced", "throttled", "refused", "broken", "ended", "paused", "withdrawn",
     "unverified", "unreachable", "unresolved", "unknown")
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What is known of one channel beside the roster."""

    cell: Mapping[str, Any] = field(default_factory=dict)
    """Of the feed: state, engagement, last event."""
    broadcasts: Sequence[Live] = ()
    """Of discovery."""
    reason: str = ""
    """Of discovery, in words."""
    state: str = ""
    """Of discovery."""
    report: SelfReport | None = None
    counts: Mapping[str, bool] = field(default_factory=dict)
    """Broadcast → what a person decided: whether it is of the event."""


def page(config: Config, language: str, *, title: str, path: str, body: Html) -> str:
    """The whole document."""
    links = joined(
        render("language", "en", path=path, code=code, name=pages.words(code)["language"],
               current=Html(' aria-current="true"') if code == language else NONE)
        for code in pages.LANGUAGES
    )  # fmt: skip
    return render(
        "layout", language, lang=language, title=title, event=config.event.name_in(language), languages=links, body=body
    )


def notice(text: str, kind: str = "done") -> Html:
    return render("notice", "en", text=text, kind=kind) if text else NONE


def problems(language: str, keys: Iterable[str]) -> Html:
    lines = [render("line", language, text=word(language, key)) for key in keys]
    return render("problems", language, lines=joined(lines)) if lines else NONE


# --- /join ------------------------------------------------------------------------------------------------------------


def join_form(
    language: str, asked: Application | None, *, seal: str, event: str, region: str | None, wrong: Sequence[str] = ()
) -> Html:
    """The four fields; with what was typed before when something was wrong."""
    return render(
        "join", language, event=event, lang=language, seal=seal, problems=problems(language, wrong),
        number=asked.written if asked else "", pasted=asked.pasted if asked else "",
        platforms=_platforms(asked.platform if asked else None),
        countries=_countries(language, asked.country if asked else region),
        ticks=_ticks(language, read=bool(asked and asked.read), show_name=bool(asked and asked.show_name),
                     contact=bool(asked and asked.contact)),
    )  # fmt: skip


def confirm_form(
    language: str, found: Sequence[tuple[Found, str | None]], *, action: str, hidden: Mapping[str, str], wrong: Sequence[str] = ()
) -> Html:
    """The question whether this is you; beside each channel what the platform calls it: empty, it does not exist; None, nobody could be asked."""
    cards = []
    for one, title in found:
        known = NONE
        if title is not None:
            text = word(language, "confirm_known" if title else "confirm_missing")
            known = render("known", language, text=text, title=title)
        cards.append(
            render("candidate", language, platform=platform_title(one.platform), handle=one.handle, known=known,
                   link=_link(language, one.platform, one.handle, one.native_id))
        )  # fmt: skip
    fields = joined(render("hidden", language, name=name, value=value) for name, value in hidden.items())
    form = render("confirm", language, channels=joined(cards), action=action, hidden=fields)
    return joined([problems(language, wrong), form])


# --- /me --------------------------------------------------------------------------------------------------------------


def state_of(signup: Signup, place: Place, around: Around | None, platforms: Collection[str]) -> str:
    """One word; what the person said counts before what is measured, because it is in force at once."""
    if not signup.consents:
        return "withdrawn"
    if around is None:
        return "unverified"
    if place.paused:
        return "paused"
    return _measured(around, place.platform, platforms)


def me(
    language: str, signup: Signup, around: Mapping[str, Around], *, path: str, platforms: Collection[str], zone: ZoneInfo,
    keep: Html, notices: Html, told: bool = False,
) -> Html:  # fmt: skip
    """The personal page; ``around`` has the channels that are confirmed to be this person's, ``told``: what was just done says that nothing is read."""
    more = []
    if not signup.consents:
        more.append(NONE if told else notice(word(language, "me_not_read"), "note"))
    elif not signup.confirmed:
        more.append(notice(word(language, "me_waiting"), "note"))
    cards = [
        _card(language, signup, place, around.get(place.id), path=path, platforms=platforms, zone=zone)
        for place in signup.channels
    ]
    return render(
        "me", language, notices=joined([notices, *more]), keep=keep, path=path, lang=language, channels=joined(cards),
        live=render("live", language, path=path, lang=language) if signup.consents else NONE,
        withdraw=render("withdraw", language, path=path, lang=language) if signup.consents else NONE,
        consenting=NONE if signup.consents else Html(" open"), platforms=_platforms(None), adding=NONE if signup.channels else Html(" open"),
        ticks=_ticks(language, read=signup.read, show_name=signup.show_name, contact=signup.contact),
    )  # fmt: skip


def keep(language: str, url: str, qr: Html) -> Html:
    return render("keep", language, url=url, qr=qr)


def _card(
    language: str, signup: Signup, place: Place, around: Around | None, *, path: str, platforms: Collection[str], zone: ZoneInfo
) -> Html:
    state = state_of(signup, place, around, platforms)
    details = []
    pause, broadcasts = NONE, NONE
    if around is not None:
        if engagement := around.cell.get("engagement"):
            details.append(
                render("numbers", language, total=engagement.get("total", 0), per_minute=engagement.get("per_minute", "–"),
                       last=_local(around.cell.get("last_event"), zone))
            )  # fmt: skip
        if around.report is not None and signup.consents:
            details.append(render("reported", language, url=around.report.url))
        if signup.consents:
            verb = "resume" if place.paused else "pause"
            pause = render(
                "pause", language, path=path, lang=language, id=place.id, pausing=verb, pause_word=word(language, verb)
            )
            broadcasts = joined(_broadcasts(language, place.id, around, path))
    return render(
        "channel", language, kind=kind_of(state), platform=platform_title(place.platform), handle=place.handle,
        state=word(language, f"state_{state}"), details=joined(details), pause=pause, broadcasts=broadcasts,
    )  # fmt: skip


def _broadcasts(language: str, livestream: str, around: Around, path: str) -> list[Html]:
    # What was said a moment ago holds here at once; discovery says so with its next round.
    shown = {
        live.id: (live.title or live.id, not around.counts.get(live.id, live.scope != "out"))
        for live in around.broadcasts
        if live.id
    }
    # A link without the id of a broadcast is of the one that was found, where one was.
    if around.report is not None and (around.report.broadcast or "") not in shown and (around.report.broadcast or not shown):
        shown[around.report.broadcast or ""] = (around.report.url, False)
    return [
        render("broadcast", language, path=path, lang=language, id=livestream, broadcast=broadcast, title=title,
               verdict="this" if out else "not-this", verdict_word=word(language, "this_is" if out else "not_this"))
        for broadcast, (title, out) in shown.items()
    ]  # fmt: skip


# --- /liaison ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One row of a liaison's list."""

    channel: Channel
    state: str
    reason: str = ""
    remarks: tuple[tuple[str, str, str], ...] = ()
    """(word, who, other)."""

    @property
    def needs_somebody(self) -> bool:
        return self.state in BAD or bool(self.remarks)


def line_of(channel: Channel, around: Around, remarks: Iterable[tuple[str, str, str]], platforms: Collection[str]) -> Line:
    """A row with its state, whatever the reason is that it is not read."""
    remarks = tuple(remarks)
    state: str
    if channel.state in ("withdrawn", "paused"):
        state = channel.state
    elif not channel.consent:
        state = "withdrawn"
    elif not channel.verified:
        state = "unverified"
    else:
        state = _measured(around, channel.platform, platforms)
    reason = around.reason or str(around.cell.get("reason", ""))
    return Line(channel=channel, state=state, reason=reason if state in BAD else "", remarks=remarks)


def liaison(language: str, lines: Sequence[Line], *, path: str, notices: Html) -> Html:
    """What needs somebody first, then what is live, then the rest."""
    order = sorted(
        lines, key=lambda line: (not line.needs_somebody, line.state not in GOOD, line.channel.attendee, line.channel.id)
    )
    count = sum(line.needs_somebody for line in lines)
    rows = joined(_line(language, line, path) for line in order) or notice(word(language, "liaison_none"), "note")
    return render(
        "liaison",
        language,
        notices=notices,
        rows=rows,
        count_text=word(language, "liaison_problems", count=count) if count else "",
    )


def _line(language: str, line: Line, path: str) -> Html:
    channel = line.channel
    remarks = [notice(word(language, key, who=who, other=other), "problem") for key, who, other in line.remarks]
    if line.reason:
        remarks.append(notice(line.reason, "note"))
    needs_tick = bool(why_not(channel, require_consent=True)) and channel.state == "on" and not channel.verified
    verify = render("verify", language, path=path, lang=language, id=channel.id) if needs_tick or line.remarks else NONE
    return render(
        "liaison_row", language, kind="bad" if line.needs_somebody else kind_of(line.state), name=channel.name,
        country=pages.country(language, channel.country), platform=platform_title(channel.platform), handle=channel.handle,
        link=_link(language, channel.platform, channel.handle, channel.native_id), state=word(language, f"state_{line.state}"),
        remarks=joined(remarks), path=path, lang=language, id=channel.id, verify=verify,
    )  # fmt: skip


# --- /privacy ---------------------------------------------------------------------------------------------------------


def privacy(language: str, config: Config) -> Html:
    """The public notice, with this event's own days and contact."""
    keys = config.privacy
    contact = word(language, "privacy_contact", contact=keys.contact) if keys.contact else word(language, "privacy_no_contact")
    return render(
        "privacy", language, event=config.event.name_in(language), names_days=keys.names_days, texts_days=keys.texts_days,
        numbers_days=keys.numbers_days, contact=contact,
    )  # fmt: skip


# --- small parts ------------------------------------------------------------------------------------------------------


def platform_title(platform: str) -> str:
    return TITLES.get(platform, platform)


def _local(moment: object, zone: ZoneInfo) -> str:
    """As the event's clocks show it; a dash when nothing happened yet."""
    try:
        there = datetime.fromisoformat(str(moment)).astimezone(zone)
    except (ValueError, OverflowError):
        return "–"
    away = f"{there:%z}"  # "CST" is China's, and America's
    hours = "" if away == "+0000" else away[:3] if away.endswith("00") else f"{away[:3]}:{away[3:5]}"
    return f"{there:%Y-%m-%d %H:%M} UTC{hours}"


def kind_of(state: str) -> str:
    return "good" if state in GOOD else "bad" if state in BAD else "calm"


def _measured(around: Around, platform: str, platforms: Collection[str]) -> str:
    if platform.partition(".")[0] not in platforms or around.state == "unreachable":
        return "unreachable"
    state = str(around.cell.get("state", "")) or around.state
    return state if state in STATES else "unknown"


def _link(language: str, platform: str, handle: str, native_id: str | None) -> Html:
    address = channel_address(platform, handle, native_id)
    return render("outside", language, url=address) if address else NONE


def _platforms(chosen: str | None) -> Html:
    return joined(_option(name, platform_title(name), chosen=name == chosen) for name in OFFERED)


def _countries(language: str, chosen: str | None) -> Html:
    return joined(_option(code, name, chosen=code == chosen) for code, name in pages.countries(language))


def _option(value: str, name: str, *, chosen: bool) -> Html:
    return render("option", "en", value=value, name=name, chosen=Html(" selected") if chosen else NONE)


def _ticks(language: str, *, read: bool, show_name: bool, contact: bool) -> Html:
    ticked = {"read": read, "show_name": show_name, "contact": contact}
    return render("ticks", language, **{name: Html(" checked") if on else NONE for name, on in ticked.items()})
