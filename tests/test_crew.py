"""The tasks of a connection: all that one learnt is heard before its failure, and none is left behind."""

from __future__ import annotations

import asyncio

import pytest

from connectors.connector import Dropped, Target, Watch
from connectors.crew import Call, Crew
from connectors.ending import end


async def test_what_was_learnt_is_heard_before_the_failure():
    crew = Crew(4)

    async def work():
        await crew.say("one")
        await crew.say("two")
        raise Dropped("over")

    crew.start(work())
    assert [await crew.heard(), await crew.heard()] == ["one", "two"]
    with pytest.raises(Dropped, match="over"):
        await crew.heard()


async def test_changed_targets_are_no_time_that_came():
    watch, crew = Watch(), Crew(4)
    crew.start(crew.follow(watch))
    assert await crew.heard(until=asyncio.get_running_loop().time()) is Call.DUE
    watch.update([Target(livestream="a:b", handle="b")])
    assert await crew.heard() is Call.CHANGED
    await crew.stop()


async def test_what_was_said_is_heard_although_its_time_is_over():
    crew = Crew(4)
    await crew.say("late")
    assert await crew.heard(until=0.0) == "late"


async def test_who_does_not_listen_holds_up_the_speaker():
    crew = Crew(1)
    await crew.say("one")
    speaker = crew.start(crew.say("two"))
    await asyncio.sleep(0)
    assert not speaker.done()
    assert [await crew.heard(), await crew.heard()] == ["one", "two"]


async def test_stopped_before_it_began_nothing_is_left():
    """A coroutine that nobody awaited would be a warning, and warnings are failures here."""
    before, crew = asyncio.all_tasks(), Crew(4)
    crew.start(crew.follow(Watch()))
    await crew.stop()
    assert asyncio.all_tasks() == before


async def test_who_lost_the_word_that_it_should_end_is_told_again(monkeypatch):
    """python/cpython#86296: a cancellation in the moment in which something was sent is lost."""
    monkeypatch.setattr("connectors.ending.AGAIN_SECONDS", 0.0)
    before, crew, sending = asyncio.all_tasks(), Crew(4), asyncio.Event()

    async def work():
        try:
            sending.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            pass
        await asyncio.Event().wait()

    crew.start(work())
    await sending.wait()
    await crew.stop()
    assert asyncio.all_tasks() == before


async def test_who_ends_others_and_is_ended_has_ended_them():
    waiting = asyncio.create_task(asyncio.Event().wait())
    ender = asyncio.create_task(end([waiting]))
    while not waiting.cancelling():
        await asyncio.sleep(0)
    ender.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ender
    assert waiting.cancelled()
