"""The browser of each file, and walls opened in it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from harness import launched
from walls import open_wall

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from playwright.async_api import Browser
    from walls import Opened


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with launched() as browser:
        yield browser


@pytest.fixture
def opened(browser: Browser, wall: Path) -> Callable[..., AbstractAsyncContextManager[Opened]]:
    """`async with opened(make, query)` is a wall that shows the states of `make`."""
    return partial(open_wall, browser, wall)
