"""The configuration file: TOML to the types of config.py, section by section, in the order of docs/config.md.

``read(path)`` reads a file, ``parse(text, …)`` a text. Nothing unknown passes: what is no section of ours must be a platform, which
config_platforms.py reads.
"""

from __future__ import annotations

import os
import re
import tomllib
import zoneinfo
from datetime import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import urlsplit

from connectors.connector import Secret
from monitor.attention import OWNERS
from monitor.config import (
    Alert,
    Config,
    ConfigError,
    Event,
    KeywordRule,
    Moderation,
    Privacy,
    Public,
    Scope,
    Session,
    Simulator,
    Spikes,
    Topic,
    Turn,
    Wall,
)
from monitor.config_platforms import platforms_of
from monitor.stage import SCENES
from monitor.tables import Source, Table, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")

SCALES = (1.0, 1.15, 1.3)
CROSS_DIMENSIONS = ("country", "topic", "platform")
REDIS_SCHEMES = ("redis", "rediss", "unix", "redis+sentinel", "redis+cluster")
USUAL = Config(event=Event(name="", timezone=zoneinfo.ZoneInfo("UTC")))
"""The defaults, said once: in config.py."""


def default_path() -> Path:
    """``config.toml`` in the current folder, else the one shipped: inside the installed package, or at the top of a checkout."""
    package = Path(__file__).resolve().parent
    candidates = (Path("config.toml"), package / "shipped" / "config.toml", package.parent / "config.toml")
    return next((path for path in candidates if path.is_file()), candidates[0])


def read(path: Path | None = None, *, environment: Mapping[str, str] | None = None, tells: bool = True) -> Config:
    """Read a configuration file, or the default one; raises ConfigError with one sentence.

    ``tells``: whoever reads delivers alerts, so an alert whose address is not to be had is a mistake.
    """
    file = path or default_path()
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({error.strerror}); name another file with --config") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file}: is not UTF-8 text; save it again as UTF-8") from error
    return parse(text, file=file, environment=os.environ if environment is None else environment, tells=tells)


def parse(text: str, *, file: Path, environment: Mapping[str, str], tells: bool = True) -> Config:
    """A configuration from its text; ``file`` is named in errors, and relative paths start in its folder."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file}: is not valid TOML: {error}") from error
    source = Source(file=str(file), folder=file.parent, environment=environment)
    root = Table(values, "", source)
    if not root.has("event"):
        raise root.error("", 'the section [event] with "name" and "timezone" is missing')
    event = _section(root, "event", _event)
    public = _section(root, "public", _public)
    sessions = _list(root, "session", lambda table: _session(table, event.timezone))
    return Config(
        event=event,
        sessions=sessions,
        scope=_section(root, "scope", _scope),
        public=public,
        topics=_list(root, "topic", _topic),
        rules=_list(root, "rule", _rule),
        cross=_cross(root),
        moderation=_section(root, "moderation", _moderation),
        alerts=tuple(alert for alert in _list(root, "alert", lambda table: _alert(table, tells=tells)) if alert is not None),
        privacy=_section(root, "privacy", _privacy),
        spikes=_section(root, "spikes", _spikes),
        wall=_section(root, "wall", lambda table: _wall(table, [session.id for session in sessions])),
        owners=_section(root, "owners", _owners),
        simulator=_section(root, "simulator", _simulator),
        path=file,
        **_section(root, "roster", lambda table: _roster(table, public)),
        **_section(root, "redis", _redis),
        **_section(root, "server", _server),
        platforms=platforms_of(root),  # Last: what no section took must be a platform.
        notes=tuple(source.notes),
    )


def _section(root: Table, key: str, read_section: Callable[[Table], T]) -> T:
    table = root.table(key)
    found = read_section(table)
    table.done()
    return found


def _list(root: Table, key: str, read_one: Callable[[Table], T]) -> tuple[T, ...]:
    found: list[T] = []
    seen: set[str] = set()
    for table in root.tables(key):
        thing = read_one(table)
        table.done()
        name = getattr(thing, "id", None)
        if name in seen:
            raise table.error("id", f'"{name}" is used twice; every [[{key}]] needs its own id')
        if name is not None:
            seen.add(name)
        found.append(thing)
    return tuple(found)


# --- the event --------------------------------------------------------------------------------------------------------


def _event(table: Table) -> Event:
    languages = table.texts("languages", ("en",))
    hashtags = table.texts("hashtags", ())
    for tag in hashtags:
        if not re.fullmatch(r"#\w+", tag):
            raise table.error("hashtags", f'expected tags such as "#OurEvent", without spaces, found "{tag}"')
    names = table.names("name")
    return Event(
        name=next(names[language] for language in (*languages, "*", "en", *names) if language in names),
        names=names if names.keys() != {"*"} else {},
        timezone=_timezone(table),
        day_start=table.clock("day_start", time(0, 0)),
        languages=languages,
        hashtags=hashtags,
    )


def _timezone(table: Table) -> zoneinfo.ZoneInfo:
    name = table.text("timezone")
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        close = nearest(name, zoneinfo.available_timezones())
        says = close if close.startswith("did") else "write one such as Asia/Shanghai or Europe/Berlin"
        raise table.error("timezone", f'there is no time zone "{name}"; {says}') from None


def _session(table: Table, zone: zoneinfo.ZoneInfo) -> Session:
    session = Session(
        id=table.identifier(),
        name=table.names("name"),
        start=table.instant("start", zone),
        end=table.instant("end", zone),
        tags=frozenset(tag.strip().casefold() for tag in table.texts("tags", ())),
    )
    if session.end <= session.start:
        raise table.error("end", f'session "{session.id}" must end after it starts; mend start or end')
    return session


def _roster(table: Table, public: Public) -> dict[str, Any]:
    file = table.text("file", "")
    sign_up = table.flag("sign_up", default=False)
    if sign_up and public.url is None:
        raise table.error("sign_up", "the sign-up page needs an address; fill in url in the section [public]")
    return {
        "roster_file": table.source.folder / file if file else None,
        "require_consent": table.flag("require_consent", default=True),
        "sign_up": sign_up,
    }


def _scope(table: Table) -> Scope:
    return Scope(
        hours=cast("Any", table.choice("hours", ("event", "always"), "event")),
        grace_minutes=table.integer("grace_minutes", USUAL.scope.grace_minutes, low=0, high=1440),
        phrases=table.texts("phrases", ()),
        unsure=cast("Any", table.choice("unsure", ("ask", "count", "ignore"), "ask")),
    )


def _public(table: Table) -> Public:
    url = table.text("url", "").rstrip("/")
    if url and not re.fullmatch(r"https?://[^\s/?#]+(/[^\s?#]*)?", url):
        raise table.error("url", f'expected an address such as "https://live.example.org", found "{url}"')
    return Public(url=url or None)


# --- words ------------------------------------------------------------------------------------------------------------


def _topic(table: Table) -> Topic:
    return Topic(
        id=table.identifier(),
        name=table.names("name"),
        group=table.text("group", "topic"),
        phrases=table.phrases("phrases"),
        exclude=table.phrases("not", {}),
        context=table.phrases("context", {}),
    )


def _rule(table: Table) -> KeywordRule:
    return KeywordRule(
        id=table.identifier(),
        severity=table.integer("severity", low=1, high=4),
        phrases=table.phrases("phrases"),
        exclude=table.phrases("not", {}),
    )


def _cross(root: Table) -> tuple[tuple[str, str], ...]:
    pairs: list[tuple[str, str]] = []
    given = root.has("cross")
    for table in root.tables("cross"):
        found = table.texts("of")
        table.done()
        unknown = next((name for name in found if name not in CROSS_DIMENSIONS), None)
        if unknown is not None:
            raise table.error("of", f'unknown dimension "{unknown}"; {nearest(unknown, CROSS_DIMENSIONS)}')
        if len(set(found)) != 2 or len(found) != 2:
            raise table.error("of", 'expected two different dimensions, such as ["country", "topic"]')
        if any(set(found) == set(pair) for pair in pairs):
            raise table.error("of", f"the pair {found[0]} and {found[1]} is there twice; remove one")
        pairs.append((found[0], found[1]))
    return tuple(pairs) if given else USUAL.cross


# --- people -----------------------------------------------------------------------------------------------------------


def _moderation(table: Table) -> Moderation:
    show = table.text("show", "approved")
    if show == "approved":
        return Moderation(show="approved")
    clean = re.fullmatch(r"clean_after_([1-9]\d{0,3})s", show)
    if clean is None:
        raise table.error("show", f'expected "approved" or "clean_after_30s", found "{show}"')
    return Moderation(show="clean", clean_after_seconds=int(clean[1]))


def _alert(table: Table, *, tells: bool) -> Alert | None:
    enabled = table.flag("enabled", default=True)
    to = table.secret("to", needed=enabled and tells)
    severity = table.integer("severity", 3, low=1, high=4)
    text = table.choice("text", ("full", "snippet", "none"), "snippet")
    spikes = table.flag("spikes", default=False)
    return Alert(to=to, severity=severity, text=cast("Any", text), spikes=spikes) if enabled and to is not None else None


def _privacy(table: Table) -> Privacy:
    keep = table.table("keep")
    usual = USUAL.privacy
    privacy = Privacy(
        names_days=keep.integer("names_days", usual.names_days, low=1, high=3650),
        texts_days=keep.integer("texts_days", usual.texts_days, low=1, high=3650),
        numbers_days=keep.integer("numbers_days", usual.numbers_days, low=1, high=36500),
        contact=table.text("contact", "") or None,
    )
    keep.done()
    return privacy


def _wall(table: Table, sessions: list[str]) -> Wall:
    usual = USUAL.wall
    return Wall(
        seconds=table.integer("seconds", usual.seconds, low=5, high=3600),
        before_minutes=table.integer("before_minutes", usual.before_minutes, low=0, high=240),
        dead_man_seconds=table.integer("dead_man_seconds", usual.dead_man_seconds, low=0, high=86_400),
        rotation=(*_list(table, "rotation", lambda turn: _turn(turn, sessions)), *usual.rotation),
        scale=_scale(table),
        **_map(table),
    )


def _scale(table: Table) -> float:
    scale = table.number("scale", USUAL.wall.scale)
    if scale not in SCALES:
        raise table.error("scale", f"expected 1.0, 1.15 or 1.3, found {scale:g}")
    return scale


def _map(table: Table) -> dict[str, Any]:
    file, review = table.text("map", ""), table.text("map_review", "")
    if file and not review:
        raise table.error("map_review", "a map needs the number under which it was approved; write it, or remove the line map")
    return {"map": table.source.folder / file if file else None, "map_review": review}


def _owners(table: Table) -> dict[str, str]:
    for kind in table.keys:
        if kind not in OWNERS:
            raise table.error("", f'nothing on the wall is called "{kind}"; {nearest(kind, tuple(OWNERS))}')
    table.asked(*OWNERS)
    return {kind: table.text(kind) for kind in table.keys}


def _turn(table: Table, sessions: list[str]) -> Turn:
    table.where = table.where.replace("[[rotation]]", "[[wall.rotation]]")
    scenes = table.texts("scenes")
    unknown = next((name for name in scenes if name not in SCENES), None)
    if unknown is not None:
        raise table.error("scenes", f'there is no scene "{unknown}"; {nearest(unknown, SCENES)}')
    if not scenes:
        raise table.error("scenes", "expected at least one scene, found none")
    session = table.text("session", "") or None
    if session is not None and session not in sessions:
        raise table.error("session", f'there is no session "{session}"; {nearest(session, sessions)}')
    table.asked("seconds")
    return Turn(
        when=cast("Any", table.choice("when", ("before", "session", "between"))),
        scenes=scenes,
        session=session,
        seconds=table.integer("seconds", low=5, high=3600) if table.has("seconds") else None,
    )


def _spikes(table: Table) -> Spikes:
    usual = USUAL.spikes
    owners = table.table("owners")
    found = Spikes(
        minimum_count=table.integer("minimum_count", usual.minimum_count, low=1, high=1_000_000),
        minimum_authors=table.integer("minimum_authors", usual.minimum_authors, low=1, high=10_000),
        false_per_hour=table.number("false_per_hour", usual.false_per_hour, low=0.001),
        alert_severity=table.integer("alert_severity", usual.alert_severity, low=1, high=10),
        owner=table.text("owner", usual.owner),
        owners={name: owners.text(name) for name in owners.keys},
    )
    owners.done()
    return found


# --- machines ---------------------------------------------------------------------------------------------------------


def _simulator(table: Table) -> Simulator:
    usual = USUAL.simulator
    return Simulator(
        enabled=table.flag("enabled", default=usual.enabled),
        livestreams=table.integer("livestreams", usual.livestreams, low=1, high=100_000),
        rate=table.number("rate", usual.rate),
        seed=table.integer("seed", usual.seed, low=0, high=2**53),
    )


def _redis(table: Table) -> dict[str, Any]:
    partitions = table.integer("partitions", USUAL.partitions, low=1, high=100)
    if isinstance(table.raw("url"), dict):
        return {"redis_url": table.secret("url"), "partitions": partitions}
    url = table.text("url", "")
    parts = urlsplit(url)
    if parts.password:
        raise table.error(
            "url", 'a password does not belong in this file; write url = { env = "REDIS_URL" } and set that variable'
        )
    if url and parts.scheme not in REDIS_SCHEMES:
        schemes = ", ".join(f"{scheme}://" for scheme in REDIS_SCHEMES)
        raise table.error("url", f"expected an address that begins with one of {schemes}; empty for the built-in engine")
    return {"redis_url": Secret(url) if url else None, "partitions": partitions}


def _server(table: Table) -> dict[str, Any]:
    data_dir = table.text("data_dir", "")
    return {
        "host": table.text("host", USUAL.host),
        "port": table.integer("port", USUAL.port, low=0, high=65535),
        "data_dir": table.source.folder / Path(data_dir).expanduser() if data_dir else None,
    }
