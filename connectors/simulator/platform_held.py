"""One JSON array over HTTP that stays open: its pages, cut at odd places, and what mishaps make of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable
    from random import Random

    from connectors.simulator.faults import Mishaps


class Pages:
    """Writes the pages of one answer. ``write`` sends bytes, ``until`` waits for a time of the clock."""

    def __init__(
        self,
        write: Callable[[bytes], Awaitable[None]],
        transport: asyncio.Transport,
        *,
        mishaps: Mishaps,
        dice: Random,
        until: Callable[[float], Awaitable[None]],
        clock: Callable[[], float],
    ) -> None:
        self._write, self._transport, self._until, self._clock = write, transport, until, clock
        self._mishaps, self._dice = mishaps, dice
        self._lead = b"["
        self._later: bytes | None = None

    async def put(self, page: bytes) -> None:
        """The next page; raises ConnectionResetError when the plan cuts the connection."""
        fate = self._mishaps.fate()
        match fate:
            case "stall":
                await self._until(self._clock() + self._mishaps.faults.stall_seconds)
            case "drop":
                self._transport.abort()
                raise ConnectionResetError
            case "half":
                await self._write(self._lead + self._mishaps.cut(page))
                self._transport.close()
                raise ConnectionResetError
            case "garbage":  # within one array nothing that follows could be told from it
                await self._write(self._lead + self._mishaps.garbage())
                self._transport.close()
                raise ConnectionResetError
            case "reorder" if self._later is None:
                self._later = page
                return
        await self._out(page)
        if fate == "repeat":
            await self._out(page)
        if self._later is not None:
            later, self._later = self._later, None
            await self._out(later)

    async def end(self) -> None:
        """The array is closed."""
        if self._later is not None:
            await self._out(self._later)
        await self._pieces(self._lead.strip(b",\r\n") + b"]\n")

    async def _out(self, page: bytes) -> None:
        await self._pieces(self._lead + page)
        self._lead = b",\r\n"

    async def _pieces(self, data: bytes) -> None:
        """In two, cut anywhere: inside a character or an escape, too."""
        cut = self._dice.randrange(len(data))
        for piece in (data[:cut], data[cut:]):
            if piece:
                await self._write(piece)
