"""What the producer has put on the stage: a state, the commands that change it, and what it means at a moment. Pure.

Promises: who turns is the clock, not a process: the same state, programme and time give the same scene on every server, and nothing is
written when a scene turns. Commands are applied to the newest state (``monitor.remote`` compares and sets), so none of two at once
is lost. Only ``leave_safe`` ends the safe scene, and only the one that it names.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import msgspec

from monitor.moments import iso, moment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from monitor.config import Config, Session, Turn

SCENES: Final = ("overview", "countries", "topics", "moves", "sessions", "voices", "livestreams", "spikes")
LONGEST_EMBARGO_MS: Final = 31 * 86_400_000

OFFSET: Final = re.compile(r"(Z|[+-]\d\d:\d\d)$")

Scene = Literal["overview", "countries", "topics", "moves", "sessions", "voices", "livestreams", "spikes"]
Severity = Literal["note", "change", "serious"]


class Refused(ValueError):
    """A command that cannot be obeyed; the text is a sentence for the phone."""


# --- commands -----------------------------------------------------------------------------------------------------------


class Command(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="command"):
    """One act of a person; ``{"command": "scene", "scene": "voices"}``."""


class To(Command, frozen=True, tag="scene"):
    scene: Scene


class Next(Command, frozen=True, tag="next"):
    pass


class Pause(Command, frozen=True, tag="pause"):
    pass


class GoOn(Command, frozen=True, tag="go_on"):
    pass


class Rotate(Command, frozen=True, tag="rotate"):
    """Without anything: by the programme again."""

    scenes: tuple[Scene, ...] = ()
    seconds: int | None = None


class Pin(Command, frozen=True, tag="pin"):
    message: str | None = None
    country: str | None = None


class Unpin(Command, frozen=True, tag="unpin"):
    what: Literal["message", "country"]


class Freeze(Command, frozen=True, tag="freeze"):
    pass


class Unfreeze(Command, frozen=True, tag="unfreeze"):
    pass


class Embargo(Command, frozen=True, tag="embargo"):
    topic: str
    until: str
    """ISO 8601 with its offset."""


class Lift(Command, frozen=True, tag="lift"):
    topic: str


class Safe(Command, frozen=True, tag="safe"):
    pass


class LeaveSafe(Command, frozen=True, tag="leave_safe"):
    since: str
    """Of the safe scene that is meant: a touch that comes late must not end another one."""


class Seen(Command, frozen=True, tag="seen"):
    """A lead's phone is awake."""


AnyCommand = To | Next | Pause | GoOn | Rotate | Pin | Unpin | Freeze | Unfreeze | Embargo | Lift | Safe | LeaveSafe | Seen

SEVERITY: Final[Mapping[type[Command], Severity]] = {
    To: "change", Next: "change", Pause: "change", GoOn: "change", Rotate: "change", Pin: "change", Unpin: "change",
    Freeze: "serious", Unfreeze: "serious", Embargo: "serious", Lift: "serious", Safe: "serious", LeaveSafe: "serious",
    Seen: "note",
}  # fmt: skip
"""For the log: what takes something off the stage, or puts it back, is serious; a note is not written down."""

_command = msgspec.json.Decoder(AnyCommand)


def read_command(body: bytes) -> AnyCommand:
    """Raises Refused with a sentence."""
    try:
        found: AnyCommand = _command.decode(body)
    except msgspec.DecodeError as error:
        raise Refused(f"That is no command: {error}.") from error
    return found


# --- the state ----------------------------------------------------------------------------------------------------------


class SafeScene(msgspec.Struct, frozen=True):
    since_ms: int
    by: str
    why: Literal["lead", "dead_man"]


class Stage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """As it lies in Redis."""

    version: int = 0
    """Counts commands."""
    scene: str = "overview"
    """That a person last chose, or that was on when they paused."""
    at_ms: int = 0
    rotating: bool = True
    scenes: tuple[str, ...] = ()
    """Instead of the programme's."""
    seconds: int | None = None
    message: str | None = None
    country: str | None = None
    frozen_ms: int | None = None
    embargo: dict[str, int] = msgspec.field(default_factory=dict)
    """Topic → until when, in Unix milliseconds."""
    safe: SafeScene | None = None


_stage = msgspec.json.Decoder(Stage)
encode = msgspec.json.Encoder().encode


def read_stage(data: bytes | None) -> Stage:
    """Raises msgspec.DecodeError for what a newer version of ours wrote; nothing is the beginning."""
    return _stage.decode(data) if data else Stage()


def apply(stage: Stage, command: AnyCommand, *, by: str, now_ms: int, config: Config) -> Stage:
    """The state after a command; raises Refused. The same object where nothing changes."""
    changes = _changes(stage, command, by, now_ms, config)
    if all(getattr(stage, name) == value for name, value in changes.items()):
        return stage
    return msgspec.structs.replace(stage, version=stage.version + 1, **changes)


def _changes(stage: Stage, command: AnyCommand, by: str, now_ms: int, config: Config) -> dict[str, Any]:
    match command:
        case To(scene=scene):
            return {"scene": scene, "at_ms": now_ms}
        case Next():
            return {"scene": turning(stage, phase_at(config, now_ms), now_ms).then, "at_ms": now_ms}
        case Pause():
            here = turning(stage, phase_at(config, now_ms), now_ms).scene
            return {"scene": here, "at_ms": now_ms, "rotating": False} if stage.rotating else {}
        case GoOn():
            return {} if stage.rotating else {"at_ms": now_ms, "rotating": True}
        case Rotate(scenes=scenes, seconds=seconds):
            if seconds is not None and not 5 <= seconds <= 3600:
                raise Refused("A scene stays from 5 seconds to an hour.")
            return {"scenes": scenes, "seconds": seconds, "rotating": True, "scene": _now(stage, config, now_ms), "at_ms": now_ms}
        case Pin(message=message, country=country):
            return _pinned(message, country)
        case Unpin(what=what):
            return {what: None}
        case Freeze():
            return {"frozen_ms": stage.frozen_ms or now_ms}
        case Unfreeze():
            return {"frozen_ms": None}
        case Embargo(topic=topic, until=until):
            return {"embargo": _embargoed(stage, topic, until, now_ms, config)}
        case Lift(topic=topic):
            return {"embargo": {name: end for name, end in stage.embargo.items() if name != topic}}
        case Safe():
            return {"safe": stage.safe or SafeScene(now_ms, by, "lead")}
        case LeaveSafe(since=since):
            return _left(stage, since, now_ms)
        case Seen():
            return {}


def _now(stage: Stage, config: Config, now_ms: int) -> str:
    return turning(stage, phase_at(config, now_ms), now_ms).scene


def _pinned(message: str | None, country: str | None) -> dict[str, Any]:
    given = {name: value for name, value in (("message", message), ("country", country)) if value is not None}
    if not given or not all(1 <= len(value) <= 200 for value in given.values()):
        raise Refused("Name a message or a country to pin.")
    return given


def _embargoed(stage: Stage, topic: str, until: str, now_ms: int, config: Config) -> dict[str, int]:
    if topic not in {known.id for known in config.topics}:
        raise Refused("There is no such topic; choose one of the list.")
    end = moment(until) if len(until) <= 40 and OFFSET.search(until) else None
    if end is None or not now_ms < end * 1000 <= now_ms + LONGEST_EMBARGO_MS:
        raise Refused("Say until when, a time to come within a month.")
    return {**{name: old for name, old in stage.embargo.items() if old > now_ms}, topic: round(end * 1000)}


def _left(stage: Stage, since: str, now_ms: int) -> dict[str, Any]:
    if stage.safe is None:
        return {}
    if since != iso(stage.safe.since_ms):
        raise Refused("The safe scene was put up again meanwhile; leave it once more if you mean it.")
    return {"safe": None, "at_ms": now_ms} if not stage.rotating else {"safe": None}


# --- the clock ----------------------------------------------------------------------------------------------------------


class Phase(NamedTuple):
    """A part of the day, and its rotation."""

    when: Literal["before", "session", "between"]
    session: str | None
    scenes: tuple[str, ...]
    seconds: int
    since_ms: int
    until_ms: int | None


class Turning(NamedTuple):
    scene: str
    then: str
    next_ms: int | None
    """When the scene changes by itself; None: it does not."""


def phase_at(config: Config, now_ms: int) -> Phase:
    """A session, the minutes before one, or the time between; of sessions at once the one that began last."""
    running, ahead = _running(config, now_ms), [one for one in config.sessions if _start(one) > now_ms]
    coming = min(ahead, key=lambda one: (one.start, one.id), default=None)
    warned = _start(coming) - config.wall.before_minutes * 60_000 if coming is not None else None
    if running:
        newest = max(running, key=lambda one: (one.start, one.id))
        ends = [_end(newest), *([_start(coming)] if coming else [])]
        since = max(_start(newest), _latest_end(config, now_ms, begun_ms=_start(newest)))
        return _phase(config, "session", newest.id, since, min(ends))
    since = _latest_end(config, now_ms)
    if coming is not None and warned is not None and now_ms >= warned:
        return _phase(config, "before", coming.id, max(warned, since), _start(coming))
    return _phase(config, "between", None, since, warned)


def _phase(
    config: Config, when: Literal["before", "session", "between"], session: str | None, since: int, until: int | None
) -> Phase:
    turn: Turn = next(
        turn for turn in config.wall.rotation if turn.when == when and (turn.session is None or turn.session == session)
    )
    return Phase(when, session, turn.scenes, turn.seconds or config.wall.seconds, since, until)


def turning(stage: Stage, phase: Phase, now_ms: int) -> Turning:
    """Which scene is on. What a person chose has its full time, then the rotation goes on behind it."""
    scenes, step = stage.scenes or phase.scenes, 1000 * (stage.seconds or phase.seconds)
    chosen = stage.at_ms >= phase.since_ms and stage.at_ms > 0
    first = stage.scene if chosen else scenes[0]
    if not stage.rotating:
        return Turning(stage.scene, _after(stage.scene, scenes), None)
    begun = stage.at_ms if chosen else phase.since_ms
    turns = max(0, now_ms - begun) // step
    scene = first if turns == 0 else scenes[(_place(first, scenes) + turns) % len(scenes)]
    due = begun + (turns + 1) * step
    soon = due if phase.until_ms is None else min(due, phase.until_ms)
    return Turning(scene, _after(scene, scenes), soon if len(scenes) > 1 or scene not in scenes else phase.until_ms)


def _place(scene: str, scenes: tuple[str, ...]) -> int:
    """Behind it the rotation goes on; a scene that is not in it stands before its first."""
    return scenes.index(scene) if scene in scenes else -1


def _after(scene: str, scenes: tuple[str, ...]) -> str:
    return scenes[(_place(scene, scenes) + 1) % len(scenes)]


def deadline_ms(config: Config, seen_ms: int | None, now_ms: int) -> int | None:
    """When the safe scene comes by itself if no lead's phone is seen; None while nobody needs to be."""
    running = _running(config, now_ms)
    if not running or not config.wall.dead_man_seconds:
        return None
    return max(seen_ms or 0, min(_start(one) for one in running)) + 1000 * config.wall.dead_man_seconds


def tripped(stage: Stage, config: Config, seen_ms: int | None, now_ms: int) -> Stage | None:
    """The safe scene of the dead man; None while there is no reason for it."""
    deadline = deadline_ms(config, seen_ms, now_ms)
    if stage.safe is not None or deadline is None or now_ms < deadline:
        return None
    return msgspec.structs.replace(stage, version=stage.version + 1, safe=SafeScene(now_ms, "nobody was seen", "dead_man"))


def _running(config: Config, now_ms: int) -> list[Session]:
    return [one for one in config.sessions if _start(one) <= now_ms < _end(one)]


def _latest_end(config: Config, now_ms: int, begun_ms: int = 0) -> int:
    """Of those that are over and began then or later."""
    return max((_end(one) for one in config.sessions if _end(one) <= now_ms and _start(one) >= begun_ms), default=0)


def _start(session: Session) -> int:
    return round(session.start.timestamp() * 1000)


def _end(session: Session) -> int:
    return round(session.end.timestamp() * 1000)


# --- as the feed shows it -----------------------------------------------------------------------------------------------


def shown(stage: Stage, config: Config, now_ms: int, *, seen_ms: int | None = None, build: str = "") -> dict[str, Any]:
    """The part ``wall`` of the state; docs/feed.md describes it."""
    phase = phase_at(config, now_ms)
    turn = turning(stage, phase, now_ms)
    own = bool(stage.scenes or stage.seconds)
    rotation: dict[str, Any] = {
        "on": stage.rotating,
        "seconds": stage.seconds or phase.seconds,
        "scenes": list(stage.scenes or phase.scenes),
        "then": turn.then,
        "follows": "producer" if own else phase.when,
    }
    if phase.session is not None and not own:
        rotation["session"] = phase.session
    if turn.next_ms is not None:
        rotation["next_at"] = iso(turn.next_ms)
    result: dict[str, Any] = {"version": stage.version, "scene": turn.scene, "rotation": rotation}
    if pinned := {name: value for name in ("message", "country") if (value := getattr(stage, name)) is not None}:
        result["pinned"] = pinned
    if stage.frozen_ms is not None:
        result["frozen_at"] = iso(stage.frozen_ms)
    if hidden := {topic: iso(until) for topic, until in sorted(stage.embargo.items()) if until > now_ms}:
        result["embargo"] = hidden
    result["safe"] = {"on": stage.safe is not None}
    if stage.safe is not None:
        result["safe"] |= {"since": iso(stage.safe.since_ms), "by": stage.safe.by, "why": stage.safe.why}
    if config.wall.dead_man_seconds:
        result["dead_man"] = {"seconds": config.wall.dead_man_seconds}
        if seen_ms:
            result["dead_man"]["last_seen"] = iso(seen_ms)
        if (deadline := deadline_ms(config, seen_ms, now_ms)) is not None:
            result["dead_man"]["at"] = iso(deadline)
    if config.rehearsal:
        result["rehearsal"] = True
    if build:
        result["build"] = build
    return result
