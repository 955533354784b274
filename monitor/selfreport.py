"""What "I am live" means for discovery: what is asked at once, which broadcast is meant, and who is live where nobody can be asked. Pure.

Where a platform can be asked, a report is a hint and never a fact: the platform confirms it, and a link to somebody else's video is
nobody's broadcast. Where it cannot (no key, no discoverer), the report is all there is: the channel is live, with viewers unknown, for
``BELIEVED`` from then on, or until its owner says "not this broadcast".
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from monitor.channels import Live, Row

if TYPE_CHECKING:
    from datetime import datetime

    from monitor.roster import Channel
    from monitor.signup import SelfReport

BELIEVED: Final = timedelta(hours=4)
"""A report is true for so long where nobody can be asked: people say when they begin, and hardly ever when they end."""
EARLY: Final = timedelta(minutes=15)
"""Somebody may say "I am live" so long before the platform says that the broadcast began."""
AGAIN: Final = timedelta(seconds=60)
"""Who presses the button again and again is asked about so often at most: each question costs of everybody's quota."""
SWEPT: Final = timedelta(minutes=2)
"""A report without a video's id makes us look at the channel's videos again, unless that was done so lately."""


def is_fresh(report: SelfReport, now: datetime) -> bool:
    """Whether it is still believed; a clock that is ahead of ours makes no report from the future."""
    return now - report.at < BELIEVED


def is_unanswered(report: SelfReport, row: Row | None, now: datetime) -> bool:
    """Whether the platform was not asked since."""
    return is_fresh(report, now) and (row is None or row.discovered_at is None or row.discovered_at <= report.at)


def means(report: SelfReport, live: Live) -> bool:
    """Whether it is about this broadcast: it names it, or names none and the broadcast had begun when it was made."""
    if report.broadcast is not None:
        return report.broadcast == live.id
    return live.started_at is not None and live.started_at <= report.at + EARLY


def with_candidate(row: Row, report: SelfReport) -> Row:
    """The row with the broadcast of the report to be confirmed, unless it is known."""
    name = report.broadcast
    if name is None or name in row.over or name in row.candidates or any(live.id == name for live in row.broadcasts):
        return row
    return replace(row, candidates=(name, *row.candidates))


def must_look(report: SelfReport, row: Row, now: datetime) -> bool:
    """Whether the channel's own videos must be looked through, because the report names none."""
    return report.broadcast is None and not row.candidates and (row.swept_at is None or now - row.swept_at >= SWEPT)


def told_row(channel: Channel, report: SelfReport) -> Row:
    """A live channel of a platform that cannot be asked. All times are the report's, so that the same report makes the same row."""
    reason = f"told by the {report.by}"
    live = Live(id=report.broadcast or "", found_at=report.at, scope="in", why=reason)
    return Row(
        platform=channel.platform,
        handle=channel.handle,
        native_id=channel.native_id,
        state="live",
        reason=reason,
        since=report.at,
        told=report.by,
        broadcasts=(live,),
        discovered_at=report.at,
    )
