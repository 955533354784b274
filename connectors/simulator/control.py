"""The handles that a test or a person pulls while the simulator runs: HTTP GET ``/control/…``, answered with JSON.

Pure but for what it pulls; each handle is a function of the simulator and of the request's query.
"""

from __future__ import annotations

import dataclasses
import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable
from urllib.parse import parse_qsl, urlsplit

from connectors.simulator.faults import read_faults

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from connectors.simulator.run import Simulator


@runtime_checkable
class Holds(Protocol):
    """A platform that holds things back."""

    def flush(self) -> None:
        """They leave now."""


@runtime_checkable
class Orders(Protocol):
    """A platform that can order its clients to come again."""

    def reconnect_all(self) -> int: ...


@runtime_checkable
class Renames(Protocol):
    """A platform on which a channel can get another handle."""

    def rename(self, index: int, handle: str | None) -> None:
        """None: the handle is nobody's any more."""


class Control:
    """Answers for one simulator."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._handles: dict[str, Callable[[Mapping[str, str]], Any]] = {
            "drop": self._drop, "reconnect": self._reconnect, "pause": self._pause, "resume": self._resume, "day": self._day,
            "status": lambda _: self._simulator.status(), "faults": self._faults, "calm": self._calm, "air": self._air,
            "rename": self._rename,
        }  # fmt: skip

    def answer(self, path: str) -> tuple[HTTPStatus, str] | None:
        """The answer to a request, or None when it is not for us."""
        parts = urlsplit(path)
        if not parts.path.startswith("/control/"):
            return None
        handle = self._handles.get(parts.path.removeprefix("/control/"))
        if handle is None:
            return HTTPStatus.NOT_FOUND, f"there are {', '.join(self._handles)}\n"
        try:
            answer = handle(dict(parse_qsl(parts.query, keep_blank_values=True)))
        except ValueError as error:
            return HTTPStatus.BAD_REQUEST, f"{error}\n"
        return HTTPStatus.OK, json.dumps(answer) + "\n"

    def _platforms(self, query: Mapping[str, str]) -> list[str]:
        """Those that are meant: ``platform=kick``, or all."""
        name = query.get("platform", "all")
        names = list(self._simulator.platforms)
        if name != "all" and name not in names:
            raise ValueError(f"{name} is not played; there are {', '.join(names)}, all")
        return names if name == "all" else [name]

    # --- connections --------------------------------------------------------------------------------------------------------

    def _drop(self, query: Mapping[str, str]) -> Any:
        return {"dropped": sum(self._simulator.platforms[name].drop_all() for name in self._platforms(query))}

    def _reconnect(self, query: Mapping[str, str]) -> Any:
        told = [self._simulator.platforms[name] for name in self._platforms(query)]
        return {"told": sum(platform.reconnect_all() for platform in told if isinstance(platform, Orders))}

    # --- the crowd ----------------------------------------------------------------------------------------------------------

    def _pause(self, _: Mapping[str, str]) -> Any:
        self._simulator.paused = True
        for platform in self._simulator.platforms.values():
            if isinstance(platform, Holds):
                platform.flush()
        if self._simulator.ledger is not None:
            self._simulator.ledger.flush()
        return self._simulator.status()

    def _resume(self, _: Mapping[str, str]) -> Any:
        self._simulator.paused = False
        return self._simulator.status()

    def _day(self, _: Mapping[str, str]) -> Any:
        self._simulator.air.new_day(self._simulator.clock())
        return self._simulator.status()

    # --- what goes wrong ----------------------------------------------------------------------------------------------------

    def _faults(self, query: Mapping[str, str]) -> Any:
        names = self._platforms(query)
        given = {name: value for name, value in query.items() if name not in ("platform", "seconds")}
        if given:
            seconds = query.get("seconds")
            if seconds is not None and not seconds.replace(".", "", 1).isdigit():
                raise ValueError("seconds must be a number")
            new = {name: read_faults(given, self._simulator.mishaps[name].faults) for name in names}
            for name, faults in new.items():
                self._simulator.mishaps[name].set(faults, float(seconds) if seconds is not None else None)
        return {name: dataclasses.asdict(self._simulator.mishaps[name].faults) for name in names}

    def _calm(self, query: Mapping[str, str]) -> Any:
        for name in self._platforms(query):
            self._simulator.mishaps[name].calm()
        return {name: dataclasses.asdict(self._simulator.mishaps[name].faults) for name in self._platforms(query)}

    # --- channels -----------------------------------------------------------------------------------------------------------

    def _index(self, query: Mapping[str, str]) -> int:
        """The channel that is meant: ``livestream=youtube:somebody``."""
        wanted = query.get("livestream", "")
        found = next((index for index, one in enumerate(self._simulator.channels) if one.livestream == wanted), None)
        if found is None:
            raise ValueError(
                f'livestream must be the id of one that is played, such as "{self._simulator.channels[0].livestream}"'
            )
        return found

    def _air(self, query: Mapping[str, str]) -> Any:
        """``do`` with what one channel broadcasts."""
        index, air, now = self._index(query), self._simulator.air, self._simulator.clock()
        match query.get("do"):
            case "begin":
                air.go_offline(index)
                air.go_live(index, now, query.get("title", ""))
            case "end":
                air.go_offline(index, stays=True)
            case "announce":
                seconds = query.get("seconds", "60")
                if not seconds.isdigit():
                    raise ValueError("seconds must be a whole number")
                air.announce(index, now + int(seconds))
            case "beside":
                air.begin_beside(index, now, query.get("title") or air.channels[index].title)
            case "title":
                air.channels[index].title = query.get("title") or air.other_title()
            case _:
                raise ValueError("do must be begin, end, announce, beside or title")
        found = air.channels[index]
        return {"id": found.id, "title": found.title, "announced": found.announced, "beside": [one.id for one in found.beside]}

    def _rename(self, query: Mapping[str, str]) -> Any:
        """``to`` another handle; without it the channel is gone."""
        index, name = self._index(query), query.get("to") or None
        platform = self._simulator.platforms[self._simulator.channels[index].platform]
        if not isinstance(platform, Renames):
            raise ValueError(f"channels of {platform.name} have no handle that could change")  # noqa: TRY004 — the query's
        platform.rename(index, name)
        return {"livestream": self._simulator.channels[index].livestream, "handle": name}
