"""One look at what is due on one platform: what the plan says is asked, and what is answered goes into the book.

Promises: whatever goes wrong on a platform stays there, is judged and counted by its Asking, and makes nobody offline. What the quota does
not allow now goes on with the next look. Nothing here knows Redis, a lease or the time of day; a simulation drives it as discovery does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from connectors.connector import ConnectorFailure
from monitor.discover_plan import purse

if TYPE_CHECKING:
    from connectors.discovery import Question
    from monitor.asking import Asking
    from monitor.discover_book import Book
    from monitor.discover_plan import Round


class Deposed(Exception):
    """Asking is not ours any more: stop at once."""


async def look(asking: Asking, plan: Round, book: Book) -> None:
    """Everything that is due on this platform, once; never raises."""
    if asking.closed:
        return
    try:
        await _resolve(asking, plan, book)
        await _sweep(asking, plan, book)
    except Deposed:
        return
    except Exception as failure:  # noqa: BLE001 — judged and counted there
        asking.went_wrong(failure)
    else:
        asking.went_well()


async def _resolve(asking: Asking, plan: Round, book: Book) -> None:
    discoverer, now = asking.discoverer, asking.tools.now()
    if asking.spare < 1 or (accounts := plan.accounts(book, discoverer, now)) is None:
        return
    owners = accounts.owners
    for question, asked in accounts.questions:
        if asking.spare < question.cost or (body := await asking.ask(question)) is None:
            return
        for account in discoverer.read_resolved(question, body):
            for livestream in asked.get(account.asked, ()):
                owner = owners.setdefault(account.native_id, livestream) if account.native_id else livestream
                at = asking.tools.now()
                book.resolved(livestream, account, discoverer.title, at, owner=None if owner == livestream else owner)
    plan.resolved_day = book.schedule.day(int(now.timestamp()))


async def _sweep(asking: Asking, plan: Round, book: Book) -> None:
    """Who is live. A sweep that the quota does not allow at once goes on in the next turns."""
    discoverer, now = asking.discoverer, asking.tools.now()
    together = (0.0, 0.0) if plan.begins(now) else discoverer.together_seconds
    pressing = book.pressing(plan.platform, now, paid=discoverer.units_per_day is not None, together=together)
    regular = plan.is_due(now)
    if not regular and not pressing:
        return
    discoverer.purse = purse(await asking.left(), book.rules, discoverer, now)
    due, by_id = plan.due(book, discoverer, asking.options, now, pressing)
    done: set[str] = set()
    try:
        for question in discoverer.discover(list(due.values()), now, await asking.budget()):
            body = await (_free(asking, plan, question) if question.free else asking.ask(question))
            if body is None:
                return
            for sighting in discoverer.read_status(question, body):
                if (livestream := by_id.get(sighting.native_id)) is not None:
                    # What may be live is asked about with the next turn; where units are few and nobody told of it, with everybody's next look.
                    if not sighting.candidates or (discoverer.together_seconds[0] and livestream not in pressing):
                        done.add(livestream)
                    book.sighted(livestream, sighting, discoverer, asking.tools.now())
    finally:
        plan.waiting = [livestream for livestream in plan.waiting if livestream not in done]
    if regular and not plan.waiting:
        asking.desk = replace(asking.desk, asked_at=asking.tools.now(), interval_seconds=discoverer.looks_every)


async def _free(asking: Asking, plan: Round, question: Question) -> bytes | None:
    """The answer to a question that costs nothing; None when nobody answers, which is no trouble of the platform."""
    try:
        body = await asking.free(question)
    except ConnectorFailure:
        plan.free_answered(asking.tools.now(), well=False, at_all=False)
        return None
    plan.free_answered(asking.tools.now(), well=bool(body))
    return body
