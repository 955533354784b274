"""What all browser tests share: one Chromium a file, pages that are watched, and one patience.

``PATIENCE_SECONDS`` is for whatever must become true in a page: a passing test never waits it out, and a machine under load has it.
Nothing may be asked of a page that holds for a moment only, and no test waits for a time to pass that could wait for a state.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from playwright.async_api import async_playwright, expect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from types import TracebackType

    from playwright.async_api import Browser, BrowserContext, Page

HERE = Path(__file__).parent
WALL = HERE.parents[1] / "dashboards" / "wall"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
PATIENCE_SECONDS = 120.0
PATIENCE_MS = 1000 * PATIENCE_SECONDS
PHONE = {"width": 390, "height": 844}
WALL_SCREEN = {"width": 1920, "height": 1080}

_WALK = (HERE / "walk.js").read_text(encoding="utf-8").rstrip().removesuffix(";")
_WATCH = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (e) => window.violations.push(`${e.violatedDirective} ${e.blockedURI} ${e.sample}`));
"""
_STILL = """
{
  const Real = Date;
  let now = Real.now();
  globalThis.passed = (ms) => void (now += ms);
  globalThis.Date = class extends Real {
    constructor(...given) { given.length ? super(...given) : super(now); }
    static now() { return now; }
  };
}
"""
_DRAWN = (
    "document.fonts.ready.then(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(0)))))"
)

expect.set_options(timeout=PATIENCE_MS)


@asynccontextmanager
async def launched(*more: str) -> AsyncIterator[Browser]:
    """The Chromium of Debian, without a window."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=[*ARGUMENTS, *more], timeout=PATIENCE_MS
        )
        yield browser
        await browser.close()


class Pages:
    """The pages of one test, closed with it; no script of theirs may fail, and nothing break the content security policy."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._contexts: list[BrowserContext] = []
        self._pages: list[Page] = []
        self.errors: list[str] = []

    async def open(self, address: str = "", *, size: dict[str, int] = PHONE, still: bool = False, **context: Any) -> Page:
        """A page in a context of its own, so that cookies and storage are nobody else's. ``still``: its clock stands (see `passes`)."""
        made = await self._browser.new_context(viewport=size, reduced_motion="reduce", **context)  # type: ignore[arg-type]
        self._contexts.append(made)
        made.set_default_timeout(PATIENCE_MS)
        if still:
            await made.add_init_script(_STILL)
        page = await made.new_page()
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        if context.get("java_script_enabled", True):
            await page.add_init_script(_WATCH)
            self._pages.append(page)
        if address:
            await page.goto(address)
        return page

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if kind is None:
                for page in self._pages:
                    if not page.is_closed():
                        broken = await broken_policies(page)
                        assert broken == [], broken
                assert self.errors == [], self.errors
        finally:
            async with asyncio.timeout(PATIENCE_SECONDS):
                for context in self._contexts:
                    await context.close()


async def evaluated(page: Page, script: str) -> Any:
    """What the script gives; unlike Playwright's own it has an end where the page has hung."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        return await page.evaluate(script)


async def until(page: Page, predicate: str, arg: Any = None) -> None:
    """Returns when the predicate, a JavaScript function of ``arg``, is true in the page, asked once per frame drawn.

    Our own loop, never Playwright's ``wait_for_function``: that one evaluates an expression's text anew each time inside the page,
    which our Content-Security-Policy refuses from the second time on, so a test passed only where the first look was lucky.
    """
    script = f"(arg) => new Promise((done) => {{ const look = () => (({predicate})(arg) ? done(0) : requestAnimationFrame(look)); look(); }})"
    async with asyncio.timeout(PATIENCE_SECONDS):
        await page.evaluate(script, arg)


async def becomes(look: Callable[[], Awaitable[Any]], wanted: Any) -> None:
    """Returns when what is looked at is as wanted: never a first look alone, which a page may be too busy to deserve."""
    end = asyncio.get_running_loop().time() + PATIENCE_SECONDS
    while (found := await look()) != wanted and asyncio.get_running_loop().time() < end:
        await asyncio.sleep(0.05)
    assert found == wanted


async def passes(page: Page, ms: int) -> None:
    """So much time passes in a page whose clock stands, however long anything takes here; its timers run as ever."""
    await evaluated(page, f"passed({ms})")


async def broken_policies(page: Page) -> list[str]:
    """What the content security policy stopped since the page was loaded."""
    return list(await evaluated(page, "window.violations"))


async def drawn(page: Page) -> None:
    """Returns when the fonts are there and what was decided is on the screen."""
    await evaluated(page, _DRAWN)


async def walked(page: Page, floor: float = 20, *, lenient: bool = False) -> int:
    """Every text can be read; returns how many texts there were. ``lenient``: a name may end in "…"."""
    found = await evaluated(page, f"{_WALK}({floor}, {str(lenient).lower()})")
    assert found["problems"] == [], found["problems"]
    return int(found["texts"])


async def accessibility(page: Page) -> list[Any]:
    """What axe has against the page as it is now."""
    if not await evaluated(page, "'axe' in window"):
        await evaluated(page, (WALL / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8"))
    script = "axe.run().then((r) => r.violations.map((v) => [v.id, v.nodes.map((n) => n.html).slice(0, 5)]))"
    return list(await evaluated(page, script))
