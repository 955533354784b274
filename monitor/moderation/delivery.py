"""Handing a text to Apprise without ever showing the address, and without waiting in the loop for a service that hangs.

An address is a secret: it goes into Apprise and appears nowhere else. Apprise's own log is off because it quotes addresses.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

LOUD = ("apprise", "urllib3", "requests")


def make_sender(url: str) -> tuple[str, Callable[[str, str], bool]] | None:
    """(name of the service, how to send); None when Apprise does not understand the address. Never says the address."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the hundred services that it loads import old modules
        return _make_sender(url)


def _make_sender(url: str) -> tuple[str, Callable[[str, str], bool]] | None:
    import apprise  # noqa: PLC0415 - heavy, and not needed while no alert is configured

    for name in LOUD:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    asset = apprise.AppriseAsset(app_id="livestream-monitor", app_desc="livestream-monitor", app_url="", async_mode=False)
    try:
        service = apprise.Apprise.instantiate(url, asset=asset)
    except Exception:  # noqa: BLE001 - its text may carry the address
        service = None
    if service is None:
        return None
    if service.overflow_mode == apprise.OverflowMode.UPSTREAM:
        service.overflow_mode = apprise.OverflowMode.SPLIT  # too long for the service would mean refused for ever
    sender = apprise.Apprise(asset=asset)
    sender.add(service)

    def send(heading: str, text: str) -> bool:
        return bool(sender.notify(title=heading, body=text, body_format=apprise.NotifyFormat.TEXT))

    return str(service.service_name), send


def in_thread(function: Callable[[], bool]) -> asyncio.Future[bool]:
    """The answer of a blocking call; an exception is False. A daemon thread: one that hangs must not keep us from ending."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[bool] = loop.create_future()

    def answer(value: bool) -> None:
        if not future.done():
            future.set_result(value)

    def work() -> None:
        try:
            value = function()
        except Exception:  # noqa: BLE001 - its text may carry the address
            value = False
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(answer, value)

    threading.Thread(target=work, name="alert", daemon=True).start()
    return future
