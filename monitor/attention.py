"""Who must act on what: at most five lines, ranked, each with an owner and a link. Pure; time and memory are handed in.

Promises: the same facts, memory and time give the same lines; there are never more than five, and ``more`` says how many there are beside
them; of what stands there first seen, the worse comes first and of equals the older; what is solved is gone at once. A line that is
there moves only when its rank has been another one for ten seconds, so that nobody loses the line that he is reading.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from monitor.livestreams import Livestream

Level = Literal["red", "amber", "blue"]

MOST: Final = 5
MOVE_MS: Final = 10_000
FLAGS_MS: Final = 300_000
GRAVE: Final = 4
LAG_SECONDS: Final = 10
LATE_SHARE: Final = 0.05
ENOUGH: Final = 3
"""So many broken livestreams of a country are a group, if they are a quarter of it."""
SILENT: Final = "its collector has stopped reporting"

OWNERS: Final[Mapping[str, str]] = {
    "flags": "moderation",
    "lag": "ops",
    "silent": "ops",
    "not_collected": "ops",
    "broken": "ops",
    "spike": "pr",
    "pending": "producer",
    "refused": "liaison",
    "stale_discovery": "ops",
    "stale_search": "ops",
    "approval": "moderation",
    "late": "ops",
}
"""Kind → team, where ``[owners]`` says nothing else."""

LEVELS: Final[Mapping[str, tuple[Level, int]]] = {
    "flags": ("red", 10),
    "lag": ("red", 9),
    "silent": ("red", 8),
    "not_collected": ("red", 7),
    "broken": ("red", 6),
    "spike": ("amber", 0),  # its own severity, 1 to 10
    "pending": ("amber", 5),
    "refused": ("amber", 4),
    "stale_discovery": ("amber", 3),
    "stale_search": ("amber", 2),
    "approval": ("blue", 2),
    "late": ("blue", 1),
}
"""Red: a person is waiting or data is being lost; amber: decide soon; blue: know. Then how bad, among those of one colour."""
GRACE_MS: Final[Mapping[str, int]] = {"not_collected": 30_000, "broken": 10_000, "late": 60_000}
"""What mends itself within so long is nobody's business: a broadcast begins, and is collected some seconds later."""
_ORDER: Final[Mapping[Level, int]] = {"red": 0, "amber": 1, "blue": 2}


class Asked(NamedTuple):
    """How asking one platform who is live goes."""

    at: float | None
    """Unix seconds of when every channel of it had last been asked; None: it cannot be asked."""
    interval: float = 0.0
    quota: float | None = None
    """Share of the day's quota that is spent."""

    def is_stale(self, now: float) -> bool:
        return self.at is not None and now - self.at > max(300.0, 3 * self.interval)


Trouble = tuple[str, str | None, str | None, int, int | None]
"""Kind of line, platform, country, how many livestreams, of how many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the list is made of; all of it stands in the state or behind it."""

    state: Mapping[str, Any]
    """As made so far: health, totals, highlights, spikes."""
    troubles: Sequence[Trouble] = ()
    """Of livestreams, as ``troubles`` finds them."""
    asked: Mapping[str, Asked] = field(default_factory=dict)
    kept: Mapping[str, float] = field(default_factory=dict)
    """Search of the keeper → Unix seconds, of those that have not been made for too long."""
    flags: Mapping[int, int] = field(default_factory=dict)
    """Severity → flags of the event."""
    owners: Mapping[str, str] = field(default_factory=dict)
    approved_only: bool = True
    """Nothing is quoted without a person's yes; else some always wait, and nobody has to act."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    id: str
    kind: str
    values: Mapping[str, Any]
    text: str
    link: str
    owner: str
    since_ms: int | None = None
    """None: since it was first seen."""
    severity: int = 0
    level: Level = "blue"


@dataclass(frozen=True, slots=True)
class Memory:
    """What must be remembered between two pictures; begin with ``Memory()``."""

    order: tuple[str, ...] = ()
    seen: Mapping[str, int] = field(default_factory=dict)
    """Line → when it was first true."""
    differs: Mapping[str, int] = field(default_factory=dict)
    """Line → since when its rank is another than its place."""
    flags: tuple[tuple[int, int], ...] = ()
    """(time, grave flags of the event), of the last five minutes."""


def attention(facts: Facts, memory: Memory, now_ms: int) -> tuple[dict[str, Any], Memory]:
    """``{"1": {…}, …, "more": 3}`` for the state, and what to hand in the next time."""
    grave = sum(count for severity, count in facts.flags.items() if severity >= GRAVE)
    flags = _remembered(memory.flags, grave, now_ms)
    found = {line.id: line for line in candidates(facts, now_ms, new_flags=grave - flags[0][1], flagged_ms=_rose(flags))}
    seen = {name: memory.seen.get(name, now_ms) for name in found}
    lines = {
        name: line
        for name, line in found.items()
        if now_ms - min(seen[name], line.since_ms or now_ms) >= GRACE_MS.get(line.kind, 0) or name in memory.order
    }
    since = {name: line.since_ms if line.since_ms is not None else seen[name] for name, line in lines.items()}
    wanted = sorted(lines, key=lambda name: (_ORDER[lines[name].level], -lines[name].severity, since[name], name))
    order, differs = settled([name for name in memory.order if name in lines], wanted, memory.differs, now_ms)
    shown: dict[str, Any] = {str(place): _shown(lines[name], since[name]) for place, name in enumerate(order[:MOST], start=1)}
    if len(order) > MOST:
        shown["more"] = len(order) - MOST
    return shown, Memory(tuple(order), seen, differs, flags)


def settled(before: list[str], wanted: list[str], differs: Mapping[str, int], now_ms: int) -> tuple[list[str], dict[str, int]]:
    """The order to show. New lines enter where they belong; a line that was there moves when it has been misplaced for ten seconds."""
    rank = {name: place for place, name in enumerate(wanted)}
    order = list(before)
    for name in wanted:
        if name not in before:
            _insert(order, name, rank)
    misplaced = {name: differs.get(name, now_ms) for place, name in enumerate(order) if rank[name] != place}
    ripe = [name for name in wanted if name in misplaced and now_ms - misplaced[name] >= MOVE_MS]
    if ripe:
        order = [name for name in order if name not in ripe]
        for name in ripe:
            _insert(order, name, rank)
        misplaced = {name: misplaced.get(name, now_ms) for place, name in enumerate(order) if rank[name] != place}
    return order, misplaced


def _insert(order: list[str], name: str, rank: Mapping[str, int]) -> None:
    place = next((i for i, other in enumerate(order) if rank[other] > rank[name]), len(order))
    order.insert(place, name)


def _remembered(flags: tuple[tuple[int, int], ...], grave: int, now_ms: int) -> tuple[tuple[int, int], ...]:
    """The counter now and as it was five minutes ago, with what lies between; a counter that fell was begun anew."""
    if flags and flags[-1][1] > grave:
        flags = ()
    if not flags or flags[-1][1] != grave:
        flags = (*flags, (now_ms, grave))
    while len(flags) > 1 and now_ms - flags[1][0] >= FLAGS_MS:
        flags = flags[1:]
    return flags


def _rose(flags: tuple[tuple[int, int], ...]) -> int | None:
    return flags[1][0] if len(flags) > 1 else None


# --- what may be a line -----------------------------------------------------------------------------------------------


def candidates(facts: Facts, now_ms: int, *, new_flags: int = 0, flagged_ms: int | None = None) -> Iterator[Line]:
    """Everything that somebody should know of, in no order."""
    owners = {**OWNERS, **facts.owners}

    def line(kind: str, of: str, text: str, link: str, **more: Any) -> Line:
        values = {name: value for name, value in more.pop("values", {}).items() if value is not None}
        level, usual = LEVELS[kind]
        about = {"level": level, "severity": usual} | more | {"owner": more.get("owner") or owners[kind]}
        return Line(id=f"{kind}:{of}", kind=kind, values=values, text=text, link=link, **about)

    if new_flags > 0:
        yield line(
            "flags",
            "grave",
            f"{new_flags} of severity {GRAVE} in 5 min",
            "/remote",
            values={"count": new_flags, "severity": GRAVE, "minutes": FLAGS_MS // 60_000},
            since_ms=flagged_ms,
        )
    health = facts.state.get("health", {})
    if (lag := health.get("lag_seconds", 0)) > LAG_SECONDS:
        text = f"Counting is {round(lag)} s behind"
        # In steps, so that the list does not change with every picture.
        yield line("lag", "", text, "#/overview", values={"seconds": round(lag)}, since_ms=now_ms - round(lag) * 1000)
    total = facts.state.get("totals", {}).get("engagement", {}).get("total", 0)
    if total >= 1000 and (late := health.get("late", 0) / total) > LATE_SHARE:
        yield line("late", "", f"{late:.0%} of all events come late", "#/overview", values={"share": round(late, 2)})
    if pending := health.get("coverage", {}).get("pending", 0):
        yield line("pending", "", f"{pending} live broadcasts to decide about", "/remote#pending", values={"count": pending})
    for name, platform, country, count, of in facts.troubles:
        asking = facts.asked.get(platform or "") if name == "not_collected" else None
        yield line(
            name,
            platform or country or "",
            _TEXTS[name].format(where=platform or country or "", count=count, of=of),
            f"#/livestreams?{_filter(name, platform, country)}",
            values={"platform": platform, "country": country, "count": count, "of": of, "quota": asking and asking.quota},
        )
    for platform, asked in facts.asked.items():
        if asked.at is not None and asked.is_stale(now_ms / 1000):
            text = f"{platform}: not asked who is live since {datetime.fromtimestamp(asked.at, UTC):%H:%M} UTC"
            at = round(asked.at * 1000)
            yield line("stale_discovery", platform, text, "#/livestreams", values={"platform": platform}, since_ms=at)
    for search, looked in facts.kept.items():
        text = f"{search}: last looked for at {datetime.fromtimestamp(looked, UTC):%H:%M} UTC"
        yield line("stale_search", search, text, "#/overview", values={"what": search}, since_ms=round(looked * 1000))
    for name, spike in _parts(facts.state, "spikes"):
        if spike.get("state") == "open":
            by = seen.get("by") if isinstance(seen := spike.get("seen"), dict) else None
            yield line(
                "spike",
                name,
                f"{spike.get('value', '')} {spike.get('factor', 0):.1f}× above expected" + (f", seen by {by}" if by else ""),
                f"#/spikes/{name}",
                values={key: spike.get(key) for key in ("dimension", "value", "factor", "where", "session")} | {"seen": by},
                level="blue" if by else LEVELS["spike"][0],  # somebody has it in hand; the others need to know only
                since_ms=_ms(spike.get("since")),
                severity=int(spike.get("severity", 1)),
                owner=spike.get("owner"),
            )
    waiting = [voice for _, voice in _parts(facts.state, "highlights") if voice.get("state") == "waiting"]
    if waiting and facts.approved_only:
        oldest = min((told for voice in waiting if (told := _ms(voice.get("at"))) is not None), default=None)
        text = f"{len(waiting)} voices waiting for approval"
        yield line("approval", "", text, "/remote", values={"count": len(waiting)}, since_ms=oldest)


_TEXTS: Final = {
    "silent": "{where}: no word from the collectors of {count} livestreams",
    "refused": "{count} livestreams refuse us",
    "broken": "{where}: {count} of {of} livestreams broken",
    "not_collected": "{where}: {count} live broadcasts not collected",
}


def troubles(livestreams: Mapping[str, Livestream]) -> Iterator[Trouble]:
    """Groups of livestreams that cannot be heard, each livestream in one of them."""
    silent: Counter[str] = Counter()
    missing: Counter[str] = Counter()
    broken: list[Livestream] = []
    refused = 0
    expected: Counter[str] = Counter()
    for livestream in livestreams.values():
        if livestream.state in ("ended", "waiting", "announced", "unreachable") or not livestream.reachable:
            continue
        expected[livestream.country] += 1
        expected[livestream.platform] += 1
        if livestream.state == "broken":
            if livestream.reason == SILENT:
                silent[livestream.platform] += 1
            else:
                broken.append(livestream)
        elif livestream.state == "refused":
            refused += 1
        elif livestream.state == "throttled" or (livestream.state == "connecting" and livestream.known_live):
            missing[livestream.platform] += 1
    for platform, count in silent.items():
        yield "silent", platform, None, count, None
    for platform, count in missing.items():
        yield "not_collected", platform, None, count, None
    if refused:
        yield "refused", None, None, refused, None
    yield from _broken(broken, expected)


def _broken(broken: Iterable[Livestream], expected: Mapping[str, int]) -> Iterator[Trouble]:
    """By country where a quarter of it is, else by platform."""
    countries = Counter(livestream.country for livestream in broken)
    grouped = {country for country, count in countries.items() if count >= ENOUGH and 4 * count >= expected[country]}
    for country in sorted(grouped):
        yield "broken", None, country, countries[country], expected[country]
    rest = Counter(livestream.platform for livestream in broken if livestream.country not in grouped)
    for platform, count in rest.items():
        yield "broken", platform, None, count, expected[platform]


def _filter(kind: str, platform: str | None, country: str | None) -> str:
    state = {"not_collected": "throttled", "silent": "broken"}.get(kind, kind)
    where = f"country={country}" if country else f"platform={platform}" if platform else ""
    return "&".join(filter(None, (f"state={state}" if kind != "not_collected" else "", where)))


def _parts(state: Mapping[str, Any], name: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The objects of a part; what else stands in it is not ours to judge."""
    for key, value in state.get(name, {}).items():
        if isinstance(value, dict):
            yield key, value


def _shown(line: Line, since_ms: int) -> dict[str, Any]:
    return {
        "id": line.id,
        "level": line.level,
        "kind": line.kind,
        "values": dict(line.values),
        "text": line.text,
        "owner": line.owner,
        "since": f"{datetime.fromtimestamp(since_ms / 1000, UTC):%Y-%m-%dT%H:%M:%S}Z",
        "link": line.link,
    }


def _ms(text: object) -> int | None:
    if not isinstance(text, str):
        return None
    try:
        return round(datetime.fromisoformat(text).timestamp() * 1000)
    except ValueError:
        return None
