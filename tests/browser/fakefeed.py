"""A feed that keeps the wall's contract on a real socket: made-up numbers, true structure, and a server that can be stopped.

Each frame's countries, ZZ included, add up to the totals, and so do its platforms; the wall is tested against frames that
could have come from the monitor. The seed fixes every number.
"""

from __future__ import annotations

import asyncio
import json
import math
import random
import socket
import weakref
from abc import ABC, abstractmethod
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

from aiohttp import web

from monitor.web import HEADERS
from monitor.yesterday import against

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BRANDS = {
    "chery": ("CHERY", "奇瑞", 38),
    "omoda": ("OMODA & JAECOO", "OMODA & JAECOO", 21),
    "exeed": ("EXEED", "星途", 13),
    "icaur": ("iCAUR", "iCAUR", 9),
    "lepas": ("LEPAS", "LEPAS", 7),
    "luxeed": ("LUXEED", "智界", 4),
}
TOPICS = {
    "robots": ("Robots", "机器人", 30),
    "hybrid": ("Hybrid", "混动", 24),
    "intelligent-driving": ("Intelligent driving", "智能驾驶", 19),
    "flying-mobility": ("Flying mobility", "飞行出行", 12),
    "esg": ("ESG", "可持续发展", 8),
    "smart-factory": ("Smart factory", "智能工厂", 7),
    "co-creation": ("Co-creation", "共创", 4),
    "safety": ("Safety", "安全", 2),
}
BIG = "BR ID RU MY MX TH ZA SA TR EG CN GB IT ES AE PH CL AU PL VN CO KZ PE UZ MA IQ KW NG"
MIDDLE = "QA KE EC AR OM DZ PK JO TN GH RO AZ GE PT FR DE HK BH ET BY KG CR GT PA BO UY LK BD NZ IL SN CI KH MN AM HU"
SMALL = "RS DO PY LB UG CM AO MZ ZM ZW RW TZ NA BW FJ MU MO TW KR JP LA MM NP SG BN HN NI SV MT AL CY SI HR SE NL BE CF VC"


VOICES = (
    ("O robô sambou e a arena inteira ficou de pé 🤖🔥 Nunca vi nada assim!", "pt", "BR", "tiktok", "sample_ana", "robots"),
    ("السيارة الطائرة حلّقت فوق رؤوسنا! لحظة لا تُنسى من OMODA 🚁", "ar", "SA", "instagram", "sample_noura", "flying-mobility"),
    ("现场看机器人跳舞，比视频里还稳，全场都在喊“再来一次”！", "zh", "CN", "bilibili", "sample_lin", "robots"),
    ("ไฮบริดวิ่งไกลกว่าที่คิดมาก ลองขับแล้วไม่อยากลงจากรถเลย 👩🏽‍🔧", "th", "TH", "facebook", "sample_ploy", "hybrid"),
    ("Three generations of my family are here, and my grandmother asked the best question.", "en", "ZA", "twitch", "sample_thabo", "co-creation"),
    ("Краш-тест прямо на сцене. Зал замер, потом взорвался 👏", "ru", "RU", "youtube", "sample_ilya", "safety"),
    ("स्मार्ट फ़ैक्ट्री देखकर लगा कि भविष्य सच में आ गया है 🙌🏽", "hi", "IN", "youtube", "sample_ravi", "smart-factory"),
    ("הרובוט רקד, וכל האולם קם על הרגליים", "he", "IL", "youtube", "sample_noa", "robots"),
    ("ロボットが踊った瞬間、会場が一つになった", "ja", "JP", "twitch", "sample_yui", "robots"),
    ("Il test drive in diretta mi ha convinto più di dieci recensioni", "it", "IT", "twitch", "sample_gio", "hybrid"),
)  # fmt: skip
"""Invented, in ten languages and eight scripts."""


def iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def rate(total: float, per_minute: float) -> dict[str, float]:
    return {"total": round(total), "per_minute": round(per_minute, 1)}


def event(now: datetime, **more: Any) -> dict[str, Any]:
    return {
        "name": {"en": "International User Summit", "zh": "国际用户共创大会"},
        "timezone": "Asia/Shanghai",
        "day_start": "04:00",
        "languages": ["en", "zh"],
        "day": now.strftime("%Y-%m-%d"),
        "day_number": 3,
        "days": 5,
        "simulated": False,
        "started": True,
    } | more


def session(name: str, zh: str, start: datetime, minutes: int) -> dict[str, Any]:
    return {"name": {"en": name, "zh": zh, "*": name}, "start": iso(start), "end": iso(start + timedelta(minutes=minutes))}


def plan(one: dict[str, Any]) -> dict[str, Any]:
    return {key: one[key] for key in ("name", "start", "end")}


def programme(now: datetime, minute: datetime) -> dict[str, Any]:
    """Sessions of the days before and after, so that with the two of now there are eight."""
    day = timedelta(days=1)
    return {
        "opening": session("Opening ceremony", "开幕式", minute - 2 * day, 150),
        "factory": session("Green factory tour", "绿色工厂探访", minute - 2 * day + timedelta(hours=5), 150),
        "safety": session("Safety challenge", "安全挑战", minute - day, 210),
        "flying": session("Flying mobility show", "飞行汽车秀", minute - day + timedelta(hours=6), 300),
        "drive": session("Test drive live", "试驾直播", minute - timedelta(hours=5), 200),
        "gala": session("Closing gala", "闭幕盛典", minute + 2 * day - timedelta(hours=2), 150),
    }


def highlights(now: datetime) -> dict[str, Any]:
    """Messages that may be quoted, and three that wait for a person."""
    found: dict[str, Any] = {}
    for number, (text, language, country, platform, name, topic) in enumerate(VOICES):
        found[f"v{number}"] = {
            "text": text,
            "language": language,
            "country": country,
            "livestream": f"{platform}:{name}",
            "platform": platform,
            "name": f"@{name}",
            "topics": [topic],
            "at": iso(now - timedelta(minutes=number)),
            "score": 9.5 - number / 2,
            "state": "approved" if number % 3 else "clean",
        }
    for number in range(3):
        found[f"w{number}"] = found["v4"] | {"text": f"nobody has looked at this yet {number}", "state": "waiting", "score": 99}
    return found


def curve(now: datetime, base: float, top: float, since: int, slots: int = 60, *, seed: int = 5) -> dict[str, Any]:
    """Ten-second slots up to now; above what was expected for the last `since` of them."""
    dice = random.Random(seed)
    actual, low, high = [], [], []
    for i in range(slots):
        usual = base * (1 + 0.12 * math.sin(i / 7))
        up = max(0, i - (slots - since))
        actual.append(round(usual * (1 + dice.uniform(-0.14, 0.14)) + (top - base) * min(1, (up / 4) ** 0.8) * (1 - 0.004 * up)))
        low.append(round(usual * 0.7, 1))
        high.append(round(usual * 1.35, 1))
    return {"slot_seconds": 10, "start": iso(now - timedelta(seconds=10 * slots)), "actual": actual, "low": low, "high": high}


def spikes(now: datetime) -> dict[str, Any]:
    """One strong, two open, one confirming, three closed."""

    def one(dimension: str, value: str, severity: int, factor: float, slots: int, **more: Any) -> dict[str, Any]:
        drawn = curve(now, 850 / factor, 850, slots, seed=severity)
        return {
            "dimension": dimension,
            "value": value,
            "state": "open",
            "since": iso(now - timedelta(seconds=10 * slots)),
            "severity": severity,
            "factor": factor,
            "actual": drawn["actual"][-1],
            "expected": {"low": drawn["low"][-1], "mid": drawn["low"][-1] * 1.4, "high": drawn["high"][-1]},
            "curve": drawn,
            "owner": "pr",
        } | more

    robots = {
        "session": "robot-night",
        "authors": 3420,
        "top_share": 0.02,
        "where": {
            "platform": "tiktok",
            "topic": "robots",
            "livestreams": ["tiktok:sample_ana", "tiktok:sample_rio", "twitch:sample_sp"],
        },
        "why": [{"word": "sambou", "share": 0.41}, {"word": "#robôdança", "share": 0.33}, {"word": "arena", "share": 0.19}],
    }
    closed = {"state": "closed", "since": iso(now - timedelta(minutes=41)), "closed_at": iso(now - timedelta(minutes=29))}
    return {
        "s1": one("country", "BR", 9, 6.1, 24, **robots),
        "s2": one("country", "SA", 6, 4.0, 15, authors=610, where={"platform": "instagram", "topic": "flying-mobility"}),
        "s3": one("topic", "lepas", 4, 2.7, 26, authors=240, where={"country": "MX"}),
        "s4": one("country", "TH", 3, 3.2, 6, authors=95, state="confirming", where={"topic": "hybrid"}),
        "s5": one("country", "KZ", 5, 3.4, 6, where={"topic": "co-creation"}, **closed),
        "s6": one("topic", "exeed", 3, 2.2, 6, **closed),
        "s7": one("session", "drive", 2, 2.1, 6, **closed),
    }


def trending(now: datetime) -> dict[str, Any]:
    rows = (
        ("#AiMOGA", 31, "BR TH MX"),
        ("#robôdança", 24, "BR"),
        ("#飞行汽车", 9, "CN HK"),
        ("#سيارة_طائرة", 7, "SA EG"),
        ("#BatteryBarat", 5, "ID"),
    )
    return {
        tag: {"count": 900 * factor, "per_minute": 6.0 * factor, "authors": 40 * factor, "factor": factor, "countries": codes.split(),
              "since": iso(now - timedelta(minutes=9))}
        for tag, factor, codes in rows
    }  # fmt: skip


def attention(now: datetime) -> dict[str, Any]:
    def line(level: str, kind: str, owner: str, seconds: int, link: str, **values: Any) -> dict[str, Any]:
        return {
            "id": f"{kind}:{owner}",
            "level": level,
            "kind": kind,
            "values": values,
            "text": kind,
            "owner": owner,
            "since": iso(now - timedelta(seconds=seconds)),
            "link": link,
        }

    where = {"topic": "robots"}
    return {
        "1": line("red", "flags", "moderation", 40, "/remote", count=1, severity=4, minutes=5),
        "2": line("red", "not_collected", "ops", 180, "#/livestreams?platform=youtube", platform="youtube", count=41, quota=0.92),
        "3": line("amber", "spike", "pr", 220, "#/spikes/s1", dimension="country", value="BR", factor=6.1, where=where),
        "4": line("amber", "broken", "ops", 360, "#/livestreams?country=TH", country="TH", count=14, of=58),
        "5": line("blue", "approval", "moderation", 540, "/remote", count=3),
        "more": 3,
    }


def empty_state(now: datetime) -> dict[str, Any]:
    """Connected, the roster is known, nobody is live yet."""
    later = session("Robot night", "机器人之夜", now + timedelta(hours=2, minutes=14, seconds=36), 90)
    return {
        "event": event(now, started=False),
        "session": {"now": {}, "next": {"id": "robot-night", **later}},
        "totals": {},
        "countries": {code: {"livestreams": 0} for code in f"{BIG} {MIDDLE}".split()},
        "topics": {},
        "platforms": {},
        "sessions": {"robot-night": later},
        "livestreams": {
            "live": 0,
            "quiet": 0,
            "connecting": 0,
            "throttled": 0,
            "refused": 0,
            "broken": 0,
            "ended": 0,
            "total": 1200,
        },
        "cross": {},
        "health": {
            "as_of": iso(now),
            "coverage": {"collected": 0, "known_live": 0, "reachable": 1127, "consented": 1200},
        },
    }


def full_state(now: datetime, *, seed: int = 7, viewers: bool = True, tick: int = 0) -> dict[str, Any]:
    """The middle of an event: a hundred countries, a running session, an hour of history with a gap."""
    dice = random.Random(seed)  # the seed is the same each tick, so that only the waves below move
    jitter = random.Random(seed * 7919 + tick)
    countries: dict[str, Any] = {}
    pairs: dict[str, Any] = {}
    for code in f"{BIG} {MIDDLE} {SMALL} ZZ AX GI".split():
        livestreams = dice.randint(20, 90) if code in BIG else dice.randint(4, 18) if code in MIDDLE else dice.randint(1, 5)
        temper = (7 if code == "ZZ" else 1) * dice.lognormvariate(3.4, 0.7) * (1 + 0.06 * jitter.random())
        per_minute = livestreams * temper * (0.4 if code in {"AX", "GI"} else 1)
        comments = per_minute * 0.62
        countries[code] = {
            "comments": rate(comments * 240, comments),
            "reactions": rate(per_minute * 91, per_minute - comments),
            "engagement": rate(0, 0),
            "livestreams": livestreams,
            "authors": {"event": round(per_minute * 9), "day": round(per_minute * 4)},
        }
        row = countries[code]
        row["engagement"] = {
            "total": row["comments"]["total"] + row["reactions"]["total"],
            "per_minute": round(row["comments"]["per_minute"] + row["reactions"]["per_minute"], 1),
        }
        pairs[code] = {}
        for topic, (_, _, weight) in (BRANDS | TOPICS).items():
            bias = dice.lognormvariate(-0.15, 0.55)
            hour = per_minute * weight / 100 * bias * 9
            pairs[code][topic] = {"total": round(hour * 4), "hour": round(hour), "per_minute": round(hour / 60, 1)}
    countries["ZZ"]["guessed"] = 410

    def total(kind: str) -> dict[str, float]:
        return {
            "total": sum(c[kind]["total"] for c in countries.values()),
            "per_minute": round(sum(c[kind]["per_minute"] for c in countries.values()), 1),
        }

    totals: dict[str, Any] = {kind: total(kind) for kind in ("comments", "reactions", "engagement")}
    totals["authors"] = {"event": 418400, "day": 96300}
    if viewers:
        totals["viewers"] = {"now": 184320 + tick * 7, "peak": 231904, "hours": 402113}
    share = {"twitch": 0.46, "bluesky": 0.17, "youtube": 0.21, "tiktok": 0.10, "bilibili": 0.06}
    platforms: dict[str, Any] = {}
    left = dict(totals["engagement"])
    for name, part in share.items():
        last = name == "bilibili"
        mine = left if last else rate(totals["engagement"]["total"] * part, totals["engagement"]["per_minute"] * part)
        left = {"total": left["total"] - mine["total"], "per_minute": round(left["per_minute"] - mine["per_minute"], 1)}
        platforms[name] = {"engagement": mine, "in_totals": True}
    platforms["recording"] = {"engagement": rate(5120, 310), "in_totals": False}
    topics: dict[str, Any] = {}
    histories = {}
    for topic, (en, zh, _) in (BRANDS | TOPICS).items():
        hour = sum(row[topic]["hour"] for row in pairs.values())
        group = "brand" if topic in BRANDS else "technology"
        mood = random.Random(f"{seed} {topic}")
        drift = mood.uniform(-0.4, 0.6)
        shape = [1 + drift * (i / 60 - 0.5) + mood.uniform(-0.12, 0.12) for i in range(60)]
        histories[topic] = [-1 if 8 <= i <= 11 else round(hour / 60 * level) for i, level in enumerate(shape)]
        total_weight = mood.uniform(3, 5)
        topics[topic] = {"name": {"en": en, "zh": zh}, "group": group}
        topics[topic]["engagement"] = rate(hour * total_weight, hour / 60 * shape[-1])
        usual = hour / 60 * (0.48 if topic == "robots" else 1 - drift / 3)
        topics[topic]["expected"] = {"low": round(usual * 0.8, 1), "mid": round(usual, 1), "high": round(usual * 1.3, 1)}
        topics[topic]["change_vs_yesterday"] = 3.12 if topic == "robots" else round(1 + drift / 2, 3)
    minute = now.replace(second=0, microsecond=0)
    per_minute = totals["engagement"]["per_minute"]
    walk = random.Random(seed + 1)
    history, level = [], 0.62
    for i in range(60):
        level += (0.035 if 20 < i < 32 else 0.002) + walk.uniform(-0.03, 0.03)
        history.append(-1 if 8 <= i <= 11 else round(per_minute * min(level, 1.08)))
    usual = [per_minute * (0.55 + 0.1 * math.sin(i / 14)) for i in range(60)]
    expected = {
        "low": [round(n * 0.86) if i > 3 else -1 for i, n in enumerate(usual)],
        "high": [round(n * 1.14) if i > 3 else -1 for i, n in enumerate(usual)],
    }
    totals["expected"] = {"low": expected["low"][-1], "mid": round(usual[-1]), "high": expected["high"][-1]}
    totals["change_vs_yesterday"] = 1.12
    running = session("Robot night", "机器人之夜", minute - timedelta(minutes=38), 80)
    later = session("Co-creation awards", "共创颁奖", minute + timedelta(minutes=42), 60)
    sessions = programme(now, minute) | {"robot-night": running, "awards": later}
    for number, (name, one) in enumerate(sessions.items()):
        begun = (minute - datetime.fromisoformat(one["start"])).total_seconds()
        length = (datetime.fromisoformat(one["end"]) - datetime.fromisoformat(one["start"])).total_seconds()
        if begun <= 0:
            continue
        mood = random.Random(f"{seed} {name}")
        size = 60 if length <= 4 * 3600 else 120
        shape = [
            0.2 + mood.random() * 0.05 + (number % 3 + 1) / 4 * math.sin(math.pi * i * size / length)
            for i in range(int(min(begun, length) // size))
        ]
        curve = [round(per_minute * size / 60 * level) for level in shape]
        if name == "factory":
            curve[10:20] = [-1] * 10
        one["curve"] = {"slot_seconds": size, "engagement": curve}
        one["engagement"] = rate(sum(n for n in curve if n > 0), per_minute)
        if name != "factory":
            one["change_vs_yesterday"] = round(1 + mood.uniform(-0.3, 0.4), 3)
        one["top_topic"], one["top_country"] = list(TOPICS)[number % 8], BIG.split()[number]
        if number % 3:
            one["viewers"] = {"peak": 96200 + 14000 * number} | ({"now": 141700} if begun < length and viewers else {})
    for name, before in {"robot-night": "safety", "safety": "opening", "flying": "factory"}.items():
        sessions[name]["yesterday"] = before
    if change := against(sessions["robot-night"]["curve"], sessions["safety"]["curve"]):
        sessions["robot-night"]["change_vs_yesterday"] = change
    return {
        "event": event(now),
        "session": {"now": {"robot-night": plan(running)}, "next": {"id": "awards", **plan(later)}},
        "totals": totals,
        "countries": countries,
        "topics": topics,
        "platforms": platforms,
        "sessions": sessions,
        "livestreams": {
            "live": 1043,
            "quiet": 41,
            "connecting": 3,
            "throttled": 12,
            "refused": 5,
            "broken": 9,
            "ended": 87,
            "total": 1200,
        },
        "cross": {"country_topic": pairs},
        "history": {
            "slot_seconds": 60,
            "start": iso(minute - timedelta(minutes=60)),
            "engagement": history,
            "topics": histories,
            "expected": expected,
        },
        "highlights": highlights(now),
        "spikes": spikes(now),
        "trending": trending(now),
        "attention": attention(now),
        "health": {
            "as_of": iso(now - timedelta(milliseconds=400)),
            "event_to_wall_ms": {"p50": 310, "p95": 620, "p99": 910},
            "coverage": {
                "collected": 1043,
                "known_live": 1084,
                "reachable": 1127,
                "consented": 1200,
                "discovery_age_seconds": 38,
                "pending": 3,
            },
            "late": 512,
            "duplicates": 1204,
            "series_watched": 412,
            "clamped": 3,
            "removed": 77,
            "lag_seconds": 0.4,
            "gaps": 6,
        },
    }


def livestreams(now: datetime, *, seed: int = 7, times: int = 1) -> dict[str, Any]:
    """What `/api/livestreams` would answer beside `full_state`: 1,200 cells (or times as many), with problems in some countries."""
    dice = random.Random(seed)
    sizes = {code: 52 - i * 3 // 2 for i, code in enumerate(BIG.split())} | {
        code: 3 + i % 4 for i, code in enumerate(MIDDLE.split())
    }
    sizes |= dict.fromkeys(SMALL.split(), 2) | {"ZZ": 4}
    sizes["BR"] += 1200 - sum(sizes.values())
    found: dict[str, Any] = {}
    for code, size in sizes.items():
        for number in range(size * times):
            roll = dice.random()
            state = (
                "live"
                if roll < 0.84
                else "quiet"
                if roll < 0.88
                else "ended"
                if roll < 0.95
                else "throttled"
                if roll < 0.97
                else "refused"
            )
            if code == "CN" and number < 7:
                state = "broken"
            platform = "twitch" if number % 3 else "bluesky"
            cell = {"state": state, "platform": platform, "country": code, "handle": f"sample_{code.lower()}_{number:03}"}
            cell["since"] = iso(now - timedelta(minutes=7))
            if state == "broken":
                cell["reason"] = "the connection is refused"
            if state in ("live", "quiet"):
                cell["last_event"] = iso(now - timedelta(seconds=4))
                cell["engagement"] = rate(0, 0 if state == "quiet" else round(dice.lognormvariate(2.5, 1.2)))
                cell["viewers"] = dice.randint(3, 4000)
            cell["url"] = f"https://livestreams.example/{cell['handle']}"
            found[f"{platform}:{cell['handle']}"] = cell
    return {"as_of": iso(now), "livestreams": found}


def merge_patch(old: Any, new: Any) -> Any:
    """The RFC 7396 patch that makes `new` of `old`; both are objects without null."""
    patch: dict[str, Any] = {key: None for key in old if key not in new}
    for key, value in new.items():
        if key not in old:
            patch[key] = value
        elif isinstance(value, dict) and isinstance(old[key], dict):
            if inner := merge_patch(old[key], value):
                patch[key] = inner
        elif value != old[key]:
            patch[key] = value
    return patch


class Served(ABC):
    """A web server that can go away and come back on the same port."""

    def __init__(self, port: int = 0) -> None:
        # Bound and never listening: while the server is away nobody else is given its port, and nobody is answered there.
        self._kept = socket.socket()
        self._kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._kept.bind(("127.0.0.1", port))
        weakref.finalize(self, self._kept.close)
        self.port: int = self._kept.getsockname()[1]
        self._runner: web.AppRunner | None = None

    @abstractmethod
    def application(self) -> web.Application:
        """What is served, made anew for each start."""

    async def start(self) -> None:
        self._runner = web.AppRunner(self.application(), access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True).start()

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"


class FakeFeed(Served):
    """Serves the built wall and the feed, with the product's own security headers; `make(now, tick)` gives the state of each frame."""

    def __init__(
        self,
        dist: Path,
        make: Callable[[datetime, int], dict[str, Any]],
        *,
        port: int = 0,
        tick_seconds: float = 0.25,
        at: datetime | None = None,
    ) -> None:
        self.dist = dist
        self.make = make
        super().__init__(port)
        self.tick_seconds = tick_seconds
        self.tick = 0
        self._next = datetime.min.replace(tzinfo=UTC)
        self.ahead = timedelta() if at is None else at - datetime.now(UTC)
        """By how much the clock of this feed and of its pages is ahead of the machine's."""
        self.skip_next = False
        """Loses one frame, as a broken proxy might; the wall must notice by the number."""
        self.cells: Callable[[datetime], dict[str, Any]] = livestreams
        """What `/api/livestreams` answers."""
        self.map: dict[str, Any] | None = None
        """What `/map.json` answers."""
        self.role = "viewer"
        """Whom `/api/me` says that the page is for."""
        self.seen: dict[str, dict[str, str]] = {}
        """Spike → who saw it, as `/api/spikes` was told by whoever may."""
        self.mute = False
        """Keeps the sockets open and sends nothing."""
        self.connections = 0
        self.last: dict[str, Any] = {}
        """The state of the newest frame."""

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/feed", self._feed)
        app.router.add_get("/api/livestreams", self._livestreams)
        app.router.add_get("/map.json", self._map)
        app.router.add_get("/api/me", self._me)
        app.router.add_post("/api/spikes", self._see)
        app.router.add_get("/", self._page)
        app.router.add_static("/", self.dist)
        app.on_response_prepare.append(self._headers)
        return app

    async def _headers(self, request: web.Request, response: web.StreamResponse) -> None:
        response.headers.update(HEADERS)
        response.headers["Date"] = format_datetime(self.now(), usegmt=True)  # a wall sets its clock by this one

    async def _page(self, request: web.Request) -> web.FileResponse:
        return web.FileResponse(self.dist / "index.html")

    async def _map(self, request: web.Request) -> web.Response:
        return web.json_response(self.map, status=200 if self.map is not None else 404)

    async def _me(self, request: web.Request) -> web.Response:
        return web.json_response({"role": self.role, "name": "Ana", "profile": "room"})

    async def _see(self, request: web.Request) -> web.Response:
        look = await request.json()
        if self.role == "viewer":
            return web.Response(status=403)
        if look["id"] not in self.last.get("spikes", {}):
            return web.Response(status=404)
        if look["seen"]:
            self.seen.setdefault(look["id"], {"by": "Ana", "at": iso(self.now())})
        else:
            self.seen.pop(look["id"], None)
        return web.json_response({"seen": look["seen"]})

    async def _livestreams(self, request: web.Request) -> web.Response:
        return web.json_response(self.cells(self.now()))

    def _state(self) -> dict[str, Any]:
        """The newest; made once a tick, for however many look."""
        now = self.now()
        if now >= self._next:
            self._next = now + timedelta(seconds=0.9 * self.tick_seconds)
            self.tick += 1
            self.last = self.make(now, self.tick)
            for name, look in self.seen.items():
                if name in self.last.get("spikes", {}):
                    self.last["spikes"][name] = {**self.last["spikes"][name], "seen": look}
        return self.last

    async def _feed(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.connections += 1
        telling = asyncio.create_task(self._tell(socket))
        try:
            async for _ in socket:  # ends with the page's connection, and then nothing is made for it any more
                pass
        finally:
            telling.cancel()
            with suppress(asyncio.CancelledError):
                await telling
        return socket

    async def _tell(self, socket: web.WebSocketResponse) -> None:
        old: dict[str, Any] | None = None
        seq = 41
        with suppress(ConnectionError):
            while not socket.closed:
                new = self._state()
                frame: dict[str, Any] = {"seq": seq, "as_of": new["health"]["as_of"]}
                if old is None:
                    frame |= {"type": "snapshot", "version": 1, "epoch": "e1", "state": new}
                else:
                    frame |= {"type": "delta", "patch": merge_patch(old, new)}
                if self.skip_next:
                    self.skip_next = False
                elif not self.mute:
                    await socket.send_str(json.dumps(frame, ensure_ascii=False))
                old = new
                seq += 1
                await asyncio.sleep(self.tick_seconds)
