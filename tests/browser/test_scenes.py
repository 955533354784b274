"""The scenes of the wall in a real browser: their addresses and keys, the safe scene, and that every text of each can be read in
both languages, both themes and at 4K, with no report of the content security policy and no violation of axe.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from fakefeed import empty_state, full_state, iso, livestreams, rate
from harness import PATIENCE_MS, WALL, accessibility, becomes, drawn, until
from playwright.async_api import expect
from walls import SHOW, open_wall, steady, text

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

SCENES = ["overview", "countries", "topics", "moves", "sessions", "voices", "livestreams", "spikes"]
CORPUS = [
    '<img src=x onerror="window.hurt = 1">',
    "<script>window.hurt = 1</script>",
    "{{constructor.constructor('window.hurt = 1')()}} ${window.hurt = 1}",
    "\u202eevil.exe\u2066\u2067 \u0645\u0631\u062d\u0628\u0627",
    "Z" + "\u0335" * 200 + "algo",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467" * 12,
    "W" * 70,
    "\u0e01" * 60,
    "\ufdfd" * 6,
    "a\nb\nc\nd\ne\nf",
    "\x00\x07\u0085 line\u2028break",
    "javascript:window.hurt=1",
]
"""Each short enough for some place of Voices, or refused by all."""
HOSTILE = "<img src=x onerror=alert(1)>\u202egnp.exe \u0645\u0631\u062d\u0628\u0627 Z" + "\u0335" * 60 + "W" * 200


PSEUDO = """
import type {{ Translation }} from "../lib/languages";
import en, {{ type Words }} from "./en";

const LETTERS = "אבגדהוזחטיכלמנסעפצקרשתאבגד";
const change = (text: string): string => {change};
function told(value: unknown): unknown {{
  if (typeof value === "string") return change(value);
  if (typeof value === "function") return (...given: unknown[]) => change(String((value as (...given: unknown[]) => string)(...given)));
  if (Array.isArray(value)) return value.map(told);
  return Object.fromEntries(Object.entries(value as object).map(([key, one]) => [key, told(one)]));
}}
export default {{
  tag: "{tag}",
  html: "{html}",
  direction: "{direction}",
  numerals: "thousands",
  words: told(en.words) as Words,
}} satisfies Translation;
"""
"""A language file: English with every word a third longer, or in Hebrew letters and mirrored."""
LONGER = 'text.replace(/\\p{L}{3,}/gu, (word) => word + "ëëëëëë".slice(0, Math.ceil(word.length * 0.3)))'
TURNED = "text.replace(/[a-z]/gi, (letter) => LETTERS[letter.toLowerCase().charCodeAt(0) - 97]!)"


@pytest.fixture(scope="module")
def translated(wall: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wall built with two more files in words/, and nothing else changed."""
    copy = tmp_path_factory.mktemp("translated") / "wall"
    shutil.copytree(WALL, copy, ignore=shutil.ignore_patterns("node_modules", "dist", "tests"))
    (copy / "node_modules").symlink_to(WALL / "node_modules")
    for tag, html, direction, change in (("xa", "en", "ltr", LONGER), ("xr", "he", "rtl", TURNED)):
        file = PSEUDO.format(tag=tag, html=html, direction=direction, change=change)
        (copy / "src" / "words" / f"{tag}.ts").write_text(file, encoding="utf-8")
    subprocess.run(["npx", "vite", "build"], cwd=copy, check=True, capture_output=True, timeout=300)
    return copy / "dist"


async def shown(wall: Any, scene: str) -> None:
    await wall.page.wait_for_selector(f".wall[data-scene={scene}]")
    await wall.truth("live")
    if scene == "livestreams":
        await wall.page.wait_for_selector("canvas")  # the cells are asked for apart


async def at(wall: Any, end: str) -> None:
    """The browser tells of a changed address later than the page changes."""
    await expect(wall.page).to_have_url(re.compile(f"{re.escape(end)}$"))


async def go(wall: Any, scene: str, query: str = "") -> None:
    """To another scene of the same page, as a link would."""
    turn = """(hash) => new Promise((done) => {
        if (location.hash === hash) return done(0);
        addEventListener("hashchange", () => done(0), { once: true });  // after the page's own
        location.hash = hash;
    })"""
    await wall.page.evaluate(turn, f"#/{scene}?{query}")
    await shown(wall, scene)
    await drawn(wall.page)


@pytest.mark.parametrize(
    ("query", "size", "simulated"),
    [
        ("lang=en", 1920, False),
        ("lang=zh", 1920, True),
        ("lang=zh&theme=light", 3840, False),
        ("lang=en&profile=stage", 1920, False),
    ],
)
async def test_every_text_of_every_scene_can_be_read(opened: Any, query: str, size: int, simulated: bool) -> None:
    def make(now: datetime, tick: int) -> dict[str, Any]:
        state = full_state(now, tick=tick)
        state["event"]["simulated"] = simulated
        return state

    async with opened(make, f"#/overview?{query}", width=size, height=size * 9 // 16) as wall:
        for scene in SCENES:
            await go(wall, scene, query)
            assert await wall.walk(size / 96) > 40, scene


async def test_no_scene_has_an_accessibility_violation(opened: Any) -> None:
    async with opened(steady, "#/overview") as wall:
        for scene in [*SCENES, "safe"]:
            await go(wall, scene)
            for theme in ("dark", "light"):
                await wall.page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
                assert await accessibility(wall.page) == [], (scene, theme)


async def test_hostile_names_stay_text_on_every_scene(opened: Any) -> None:
    def make(now: datetime, tick: int) -> dict[str, Any]:
        state = full_state(now, tick=tick)
        state["event"]["name"] = HOSTILE
        for topic in state["topics"].values():
            topic["name"] = {"en": HOSTILE, "zh": HOSTILE}
        for session in state["sessions"].values():
            session["name"] = {"*": HOSTILE}
        state["countries"]["<b>"] = {"engagement": rate(9e6, 9e5), "livestreams": 9}
        for number, words in enumerate(CORPUS):
            voice = {"text": words, "state": "approved", "score": 99, "name": HOSTILE, "language": HOSTILE, "platform": HOSTILE}
            state["highlights"][f"<{number}>"] = voice | {"country": HOSTILE, "topics": [HOSTILE], "at": HOSTILE}
        for spike in state["spikes"].values():
            spike |= {"value": HOSTILE, "dimension": "hashtag", "owner": HOSTILE, "seen": {"by": HOSTILE, "at": HOSTILE}}
            spike["where"] = {"platform": HOSTILE, "livestreams": [HOSTILE]}
            spike["why"] = [{"word": HOSTILE, "share": 0.5}]
        state["trending"] = {f"#{HOSTILE}{n}": {"factor": 9 - n, "countries": [HOSTILE]} for n in range(5)}
        for line in state["attention"].values():
            if isinstance(line, dict):
                line |= {"kind": "unknown", "text": HOSTILE, "owner": HOSTILE, "link": "javascript:alert(1)"}
        return state

    for query in ("", "profile=stage"):
        async with opened(make, f"#/overview?{query}") as wall:
            dialogs: list[str] = []
            wall.page.on("dialog", lambda dialog, dialogs=dialogs: dialogs.append(dialog.message))
            for scene in SCENES:
                await go(wall, scene, query)
                assert await wall.page.locator("img, script:not([src]), main b b, a[href^=javascript]").count() == 0, scene
                assert dialogs == []
                assert await wall.page.evaluate(
                    "[document.documentElement.scrollWidth, document.documentElement.scrollHeight]"
                ) == [
                    1920,
                    1080,
                ], scene
                assert "\u202e" not in await wall.page.content(), scene
                assert await wall.page.evaluate("window.hurt") is None


async def test_on_a_phone_every_scene_is_one_column(opened: Any) -> None:
    async with opened(steady, "#/overview", width=360, height=780) as wall:
        for scene in SCENES[1:]:
            await go(wall, scene)
            found = await wall.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
            assert found[0] == found[1], scene


async def test_keys_change_the_scene_its_title_and_the_address(opened: Any) -> None:
    async with opened(steady, "?lang=en#/?theme=light") as wall:
        await shown(wall, "overview")
        await wall.page.keyboard.press("2")
        await shown(wall, "countries")
        await expect(wall.page.locator("header h1")).to_have_text("Countries and regions")
        await expect(wall.part("place")).to_contain_text("2 / 8")
        await at(wall, "?lang=en#/countries?theme=light")
        await expect(wall.page.locator("html")).to_have_attribute("data-theme", "light")
        await wall.page.keyboard.press("ArrowLeft")
        await shown(wall, "overview")
        await wall.page.evaluate("location.hash = '#/countries'")
        await shown(wall, "countries")


async def test_rotation_turns_by_itself_and_space_holds_it(opened: Any) -> None:
    async with opened(steady, "?rotate=5") as wall:
        await shown(wall, "overview")
        await expect(wall.part("place")).to_contain_text("every 5")
        await wall.page.wait_for_selector(".wall[data-scene=countries]")
        await wall.page.keyboard.press("Space")
        await expect(wall.part("place")).to_contain_text("paused")


async def test_the_measure_of_the_countries_is_one_key_away(opened: Any) -> None:
    async with opened(steady, "#/countries") as wall:
        await shown(wall, "countries")
        state = wall.feed.last

        def best(value: Any) -> list[int]:
            found = sorted((value(m) for c, m in state["countries"].items() if c != "ZZ" and m["livestreams"] >= 3), reverse=True)
            return [round(n) for n in found[:3]]

        async def top() -> list[int]:
            return [int(n.replace(",", "")) for n in (await wall.part("ranking").locator(".value").all_inner_texts())[:3]]

        await becomes(top, best(lambda m: m["engagement"]["per_minute"] / m["livestreams"]))
        await wall.page.keyboard.press("m")
        await expect(wall.page.locator("main h2").first).to_contain_text("Engagement per minute")
        await becomes(top, best(lambda m: m["engagement"]["per_minute"]))
        await expect(wall.page.locator("main")).to_contain_text("No approved map loaded")
        # ZZ, AX and GI are not on the grid
        await expect(wall.page.locator("[data-part=world] .tile")).to_have_count(len(state["countries"]) - 3)


async def test_shares_of_voice_are_of_the_groups_own_brands_and_say_so(opened: Any) -> None:
    async with opened(steady, "#/topics") as wall:
        await shown(wall, "topics")
        await expect(wall.part("voice")).to_contain_text("among the group’s own six brands · not the market · last 56 min")
        hour = {name: sum(n for n in minutes if n >= 0) for name, minutes in wall.feed.last["history"]["topics"].items()}
        brands = [name for name, topic in wall.feed.last["topics"].items() if topic["group"] == "brand"]
        shares = [hour[name] / sum(hour[name] for name in brands) for name in brands]
        await expect(wall.part("voice").locator(".share")).to_have_text(
            [re.compile(rf"^\s*{100 * share:.1f}\s*%\s*$") for share in shares]
        )
        await expect(wall.part("topics").locator("li")).to_have_count(8)
        await expect(wall.part("topics")).not_to_contain_text("CHERY")


async def test_without_brands_the_topics_have_the_scene_for_themselves(opened: Any) -> None:
    def make(now: datetime, tick: int) -> dict[str, Any]:
        state = full_state(now, tick=tick)
        state["topics"] = {name: topic for name, topic in state["topics"].items() if topic["group"] != "brand"}
        return state

    async with opened(make, "#/topics") as wall:
        await shown(wall, "topics")
        await expect(wall.part("topics").locator("li")).to_have_count(8)
        await expect(wall.part("voice")).to_have_count(0)
        await wall.walk()


async def test_what_moves_whom_is_lift_over_the_world(opened: Any) -> None:
    async with opened(steady, "#/moves") as wall:
        await shown(wall, "moves")
        pairs = wall.feed.last["cross"]["country_topic"]
        everything = sum(cell["hour"] for row in pairs.values() for cell in row.values())

        def lift(country: str, topic: str) -> float:
            here, world = sum(c["hour"] for c in pairs[country].values()), sum(row[topic]["hour"] for row in pairs.values())
            return float(pairs[country][topic]["hour"] / here / (world / everything))

        volume = {country: sum(c["hour"] for c in row.values()) for country, row in pairs.items() if country != "ZZ"}
        topics = {topic: sum(row[topic]["hour"] for row in pairs.values()) for topic in next(iter(pairs.values()))}
        rows = sorted(volume, key=lambda country: -volume[country])[:14]
        columns = sorted(topics, key=lambda topic: -topics[topic])[:10]
        best = max(lift(country, topic) for country in rows for topic in columns)
        await expect(wall.part("strongest").locator("b").first).to_have_text(f"{best:.1f}×")
        await becomes(
            wall.part("heat").locator("span.cell").all_inner_texts,
            [f"{n:.1f}×" if (n := lift(c, t)) >= 1.5 else "" for c in rows for t in columns],
        )


async def test_sessions_stand_side_by_side_and_those_to_come_count_down(opened: Any) -> None:
    async with opened(steady, "#/sessions") as wall:
        await shown(wall, "sessions")
        cards = wall.part("sessions").locator("li")
        await expect(cards).to_have_count(8)
        assert await cards.evaluate_all("(all) => all.map((e) => e.classList[0])") == ["past"] * 5 + ["now"] + ["later"] * 2
        total = wall.feed.last["sessions"]["robot-night"]["engagement"]["total"] / 1e6
        now, later = await text(cards.nth(5)), await text(cards.nth(6))
        assert re.match(r"Robot night now Today \d\d:\d\d " + re.escape(f"{total:.2f}"), now)
        assert re.match(r"Co-creation awards Today \d\d:\d\d 4[012]:\d\d until it starts", later)
        await until(
            wall.page,
            "(old) => document.querySelectorAll('.countdown')[0].innerText !== old",
            await cards.nth(6).locator(".countdown").inner_text(),
        )
        await expect(wall.part("sessions").locator(".gap")).to_have_count(1)


async def test_sessions_are_shown_before_the_first_livestream(opened: Any) -> None:
    def make(now: datetime, tick: int) -> dict[str, Any]:
        return empty_state(now)

    async with opened(make, "#/sessions") as wall:
        await wall.truth("waiting")
        await expect(wall.part("sessions")).to_contain_text("until it starts")
        await wall.walk()


async def test_livestreams_are_counted_by_state_and_the_counts_add_up(opened: Any) -> None:
    async with opened(steady, "#/livestreams") as wall:
        await shown(wall, "livestreams")
        cells = wall.feed.cells(wall.feed.now())["livestreams"].values()
        wanted = Counter(cell["state"] for cell in cells)
        for state in ("live", "quiet", "throttled", "refused", "broken", "ended"):
            await expect(wall.part(f"count-{state}").locator(".count")).to_have_text(f"{wanted[state]:,}")
        assert sum(wanted.values()) == 1200
        await expect(wall.part("count-broken")).to_contain_text("most in China: 7")


async def test_thousands_of_livestreams_are_counted_whole_and_those_without_room_are_said_also_while_one_is_chosen(
    opened: Any,
) -> None:
    many = livestreams(SHOW, times=8)
    crowd = livestreams(SHOW, times=20)
    async with opened(steady, "#/livestreams?lang=en") as wall:
        wall.feed.cells = lambda _: many
        await expect(wall.part("count-broken")).to_contain_text("most in China: 7")
        live = sum(cell["state"] == "live" for cell in many["livestreams"].values())
        await expect(wall.part("count-live").locator(".count")).to_have_text(f"{live:,}")
        await expect(wall.part("left")).to_have_count(0)
        wall.feed.cells = lambda _: crowd
        await expect(wall.part("left")).to_contain_text("have no room here")
        await wall.page.keyboard.press("ArrowDown")
        await expect(wall.part("chosen")).to_contain_text("sample_br_")
        await expect(wall.part("left")).to_be_visible()
        await wall.walk()


async def test_arrows_choose_a_livestream_and_enter_opens_it_without_an_opener(opened: Any) -> None:
    async with opened(steady, "#/livestreams") as wall:
        await shown(wall, "livestreams")
        await wall.page.evaluate("window.asked = []; window.open = (...how) => void window.asked.push(how); 0")
        for key in ("ArrowDown", "ArrowDown", "ArrowRight"):
            await wall.page.keyboard.press(key)
        await expect(wall.part("chosen")).to_contain_text("sample_br_")
        link = wall.part("chosen").get_by_role("link")
        await expect(link).to_have_attribute("rel", "noopener noreferrer")
        address = await link.get_attribute("href")
        await wall.page.keyboard.press("Enter")
        await until(wall.page, "() => window.asked.length > 0")
        assert await wall.page.evaluate("window.asked") == [[address, "_blank", "noopener,noreferrer"]]
        await wall.walk()
        await wall.page.keyboard.press("Escape")
        await expect(wall.part("chosen")).to_contain_text("choose a livestream")
        await wall.page.keyboard.press("ArrowLeft")
        await shown(wall, "voices")


async def test_under_the_safe_scene_enter_opens_nothing(opened: Any) -> None:
    async with opened(steady, "#/livestreams") as wall:
        await shown(wall, "livestreams")
        await wall.page.evaluate("window.asked = []; window.open = (...how) => void window.asked.push(how); 0")
        await wall.page.keyboard.press("ArrowDown")
        await expect(wall.part("chosen")).to_contain_text("sample_br_")
        for key in ("s", "Enter", "ArrowDown", "Escape", "Enter"):
            await wall.page.keyboard.press(key)
        assert await wall.page.evaluate("window.asked") == []
        await shown(wall, "livestreams")


async def test_cells_that_are_not_renewed_are_hatched_and_the_counts_are_those_of_the_feed(opened: Any) -> None:
    async with opened(steady, "#/livestreams") as wall:
        await shown(wall, "livestreams")

        def broken(now: datetime) -> dict[str, Any]:
            raise RuntimeError

        wall.feed.cells = broken
        await expect(wall.part("livestreams").locator(".chip")).to_contain_text("Cells stale since")
        await expect(wall.part("count-live").locator(".count")).to_have_text("1,043")
        await wall.truth("live")


async def test_hostile_livestreams_stay_text(opened: Any) -> None:
    def cells(now: datetime) -> dict[str, Any]:
        one = {
            "state": "broken",
            "platform": HOSTILE,
            "handle": HOSTILE,
            "reason": HOSTILE,
            "country": HOSTILE,
            "url": "javascript:alert(1)",
        }
        return {"livestreams": {HOSTILE: one, "__proto__": one}}

    async with opened(steady, "#/livestreams") as wall:
        wall.feed.cells = cells
        await shown(wall, "livestreams")
        await expect(wall.part("count-broken").locator(".count")).to_have_text("2")  # not the feed's, nor those of before
        await wall.page.keyboard.press("ArrowDown")
        await expect(wall.part("chosen")).to_contain_text("no address known")
        assert await wall.page.locator("img, script:not([src]), a[href^=javascript]").count() == 0
        assert await wall.page.evaluate("document.documentElement.scrollWidth") == 1920


async def test_navigation_comes_with_the_pointer_and_is_not_there_in_kiosk_mode(opened: Any) -> None:
    async with opened(steady) as wall:
        await shown(wall, "overview")
        links = wall.page.get_by_role("navigation")
        await expect(links).to_be_hidden()
        assert await wall.page.evaluate("getComputedStyle(document.querySelector('.wall')).cursor") == "none"
        await wall.page.mouse.move(500, 500)
        await expect(links).to_be_visible()
        await wall.page.keyboard.press("Tab")  # so that it stays, however long the click takes
        await wall.page.get_by_role("link", name="Countries and regions").click()
        await shown(wall, "countries")
    async with opened(steady, "?kiosk=1") as wall:
        await shown(wall, "overview")
        await wall.page.mouse.move(500, 500)
        assert await wall.page.get_by_role("navigation").count() == 0
        assert await wall.page.evaluate("getComputedStyle(document.querySelector('.wall')).cursor") == "none"


async def test_the_tab_key_reaches_the_navigation_and_what_a_scene_offers(opened: Any) -> None:
    focused = "document.activeElement.closest('nav') !== null"
    async with opened(steady, "#/overview?lang=en") as wall:
        await shown(wall, "overview")
        await expect(wall.part("attention").locator("a").first).to_be_visible()
        await wall.page.keyboard.press("Tab")
        assert await wall.page.evaluate(focused)
        await expect(wall.page.get_by_role("navigation")).to_be_visible()
        for _ in range(2):
            await wall.page.keyboard.press("Tab")
        await expect(wall.page.locator(":focus")).to_have_text("3 Topics and brands")
        await wall.page.keyboard.press("Enter")
        await shown(wall, "topics")
        await go(wall, "overview", "lang=en")
        await expect(wall.part("attention").locator("a").first).to_be_visible()
        reached = set()
        for _ in range(24):
            await wall.page.keyboard.press("Tab")
            reached.add(await wall.page.evaluate("document.activeElement.closest('[data-part=attention]') !== null"))
        assert reached == {True, False}


@pytest.mark.parametrize("scene", ["livestreams", "spikes", "overview"])
async def test_a_mouse_that_is_left_on_a_kiosk_points_at_nothing_and_keys_go_on(opened: Any, scene: str) -> None:
    async with opened(steady, f"?kiosk=1&lang=en#/{scene}") as wall:
        await shown(wall, scene)
        before = await text(wall.page.locator("main"))
        for x, y in ((120, 320), (700, 500), (1300, 240), (1500, 700)):
            await wall.page.mouse.move(x, y)
            under = await wall.page.evaluate(f"document.elementFromPoint({x}, {y}).closest('.picture') !== null")
            assert not under, (x, y)
        await wall.page.mouse.dblclick(700, 500)
        assert await wall.page.evaluate("getSelection().toString()") == ""
        for kind in ("contextmenu", "wheel"):
            event = f"new {'Wheel' if kind == 'wheel' else 'Mouse'}Event('{kind}', {{ bubbles: true, cancelable: true }})"
            assert await wall.page.evaluate(f"document.querySelector('.wall').dispatchEvent({event})") is False
        if scene == "livestreams":
            assert await text(wall.page.locator("main")) == before
        await shown(wall, scene)
        await wall.page.keyboard.press("3")
        await shown(wall, "topics")


async def test_a_session_of_another_day_is_announced_with_its_day(opened: Any) -> None:
    def make(now: datetime, tick: int) -> dict[str, Any]:
        state = full_state(now, tick=tick)
        gala = state["sessions"]["gala"]
        state["session"]["next"] = {"id": "gala"} | {key: gala[key] for key in ("name", "start", "end")}
        return state

    async with opened(make, "#/overview?lang=en") as wall:
        await expect(wall.page.locator("header")).to_contain_text(re.compile(r"next Day [45] \d\d:\d\d Closing gala"))
        await go(wall, "overview", "lang=zh")
        await expect(wall.page.locator("header")).to_contain_text(re.compile(r"下一场 第 [45] 天 \d\d:\d\d 闭幕盛典"))
    async with opened(steady, "#/overview?lang=en") as wall:
        await expect(wall.page.locator("header")).to_contain_text(re.compile(r"next (Day [45] )?\d\d:\d\d Co-creation awards"))


async def test_the_safe_scene_needs_no_network_and_leaves_only_by_two_acts(opened: Any) -> None:
    async with opened(steady, "#/countries") as wall:
        await shown(wall, "countries")
        await wall.feed.stop()
        await wall.truth("lost")
        await wall.page.keyboard.press("s")
        await expect(wall.part("safe")).to_be_visible()
        seen = await text(wall.page.locator("body"))  # with the safe scene: one is shown as the other is hidden
        assert re.fullmatch(r"International User Summit Robot night · until \d\d:\d\d Next: Co-creation awards, \d\d:\d\d", seen)
        for key in ("1", "Enter", "Space", "ArrowRight"):
            await wall.page.keyboard.press(key)
        await wall.page.evaluate("location.hash = '#/overview'")
        await expect(wall.part("safe")).to_be_visible()
        await until(wall.page, "() => location.hash === '#/safe'")
        await wall.page.keyboard.press("Escape")
        await expect(wall.part("safe").get_by_role("alert")).to_contain_text("Leave the safe scene?")
        await wall.walk()
        await wall.page.keyboard.press("Escape")  # asks once more: a question that nobody answers withdraws itself
        await expect(wall.part("safe").get_by_role("alert")).to_be_visible()
        await wall.page.keyboard.press("Enter")
        await wall.page.wait_for_selector(".wall[data-scene=countries]")
        await expect(wall.part("safe")).to_be_hidden()


async def test_the_safe_scene_stands_where_nothing_was_ever_received(opened: Any) -> None:
    async with opened(steady, "#/safe", mute=True) as wall:
        await expect(wall.part("safe")).to_be_visible()
        await expect(wall.part("safe")).to_have_text("One moment please")


async def test_before_the_first_livestream_every_scene_waits(opened: Any) -> None:
    def make(now: datetime, tick: int) -> dict[str, Any]:
        return empty_state(now)

    async with opened(make, "#/countries") as wall:
        await wall.truth("waiting")
        await expect(wall.part("empty")).to_be_visible()
        await wall.walk()


# --- Voices, Spikes, who must act -------------------------------------------------------------------------------------


async def test_voices_stand_in_seven_places_of_their_size_and_in_several_scripts(opened: Any) -> None:
    async with opened(steady, "#/voices") as wall:
        await shown(wall, "voices")
        messages = wall.part("voices").locator(".message")
        await expect(messages).to_have_count(7)
        sizes = await messages.evaluate_all("(all) => all.map((e) => parseFloat(getComputedStyle(e).fontSize))")
        assert sorted(sizes, reverse=True) == [92, 42, 42, 36, 34, 32, 32]
        assert set(await messages.evaluate_all("(all) => all.map((e) => e.dir)")) == {"auto"}
        scripts = await wall.part("voices").locator("article").evaluate_all("(all) => all.map((e) => e.dataset.script)")
        assert len(set(scripts)) >= 3
        cut = await messages.evaluate_all(
            "(all) => all.filter((e) => e.scrollHeight > e.clientHeight + 12).map((e) => e.textContent)"
        )
        assert cut == []
        arabic = wall.part("voices").locator("article[data-script=arabic] .message")
        assert await arabic.evaluate("(e) => [e.lang, getComputedStyle(e).textAlign]") == ["ar", "start"]
        await expect(wall.page.locator("main")).not_to_contain_text("nobody has looked")


async def test_a_voice_that_is_taken_back_is_gone_and_the_others_stay(opened: Any) -> None:
    gone: set[str] = set()

    def make(now: datetime, tick: int) -> dict[str, Any]:
        state = full_state(now, tick=tick)
        state["highlights"] = {name: one for name, one in state["highlights"].items() if name not in gone}
        return state

    where = "(all) => Object.fromEntries(all.map((e) => [e.dataset.voice, Math.round(e.getBoundingClientRect().top)]))"
    async with opened(make, "#/voices") as wall:
        await shown(wall, "voices")
        articles = wall.part("voices").locator("article")
        await expect(articles).to_have_count(7)
        before = await articles.evaluate_all(where)
        taken = list(before)[2]
        gone.add(taken)
        await expect(articles).to_have_count(6)
        assert await articles.evaluate_all(where) == {name: top for name, top in before.items() if name != taken}


async def test_a_pinned_voice_is_the_large_one_and_without_any_a_sentence_stands_there(opened: Any) -> None:
    def make(now: datetime, tick: int) -> dict[str, Any]:
        state = full_state(now, tick=tick)
        state["highlights"]["v9"]["pinned"] = True
        return state

    def none(now: datetime, tick: int) -> dict[str, Any]:
        state = full_state(now, tick=tick)
        state["highlights"] = {name: one for name, one in state["highlights"].items() if one["state"] == "waiting"}
        return state

    async with opened(make, "#/voices") as wall:
        await shown(wall, "voices")
        await expect(wall.part("voices").locator(".message.featured")).to_contain_text("Il test drive")
    async with opened(none, "#/voices?lang=en") as wall:
        await shown(wall, "voices")
        await expect(wall.part("voices")).to_have_text("No message has been approved yet. 3 waiting for approval.")
        await go(wall, "overview", "lang=en&profile=stage")
        await wall.page.reload()
        await expect(wall.part("voices")).to_contain_text("No message has been approved yet.")


async def test_the_strongest_spike_leads_and_a_link_puts_another_first(opened: Any) -> None:
    async with opened(steady, "#/spikes?lang=en") as wall:
        await shown(wall, "spikes")
        for words in (
            "among 412 series watched",
            "Brazil, Robots 6.1× expected",
            "severity 9 of 10",
            "3,420 authors top five wrote 2.0 %",
            "Robot night",
            "sambou 41 %",
            "owner public relations not yet seen",
            "confirming, 1 of 2 slots",
            "severity 5",
        ):
            await expect(wall.part("spikes")).to_contain_text(words)
        await expect(wall.part("spikes").locator("article")).to_have_count(3)
        await expect(wall.part("spikes").locator("ol li")).to_have_count(3)
        await expect(wall.part("spikes").locator(".strongest path.above").first).to_be_visible()
        await wall.page.evaluate("location.hash = '#/spikes/s3?lang=en'")
        await expect(wall.part("spikes").locator(".hero")).to_have_text("LEPAS, Mexico")
        await wall.page.keyboard.press("ArrowRight")
        await shown(wall, "overview")
        await at(wall, "#/overview?lang=en")


async def test_whoever_may_marks_the_strongest_spike_as_seen_by_key_or_click_and_it_says_who(opened: Any) -> None:
    async with opened(steady, "#/spikes?lang=en") as wall:
        wall.feed.role = "lead"
        await wall.page.reload()
        strongest, others = wall.page.locator(".strongest"), wall.page.locator(".others")
        mark = strongest.locator("[data-part=mark]")
        await expect(mark).to_be_visible()
        await expect(strongest).to_contain_text("not yet seen")
        await wall.page.keyboard.press("v")
        await expect(strongest.locator("[data-part=seen]")).to_contain_text("seen by Ana")
        await expect(mark).to_have_count(0)
        await wall.walk()
        await others.locator("article a").first.click()
        await expect(strongest.locator(".name")).to_contain_text("Saudi Arabia")
        await expect(others.locator("article").first.locator("[data-part=seen]")).to_contain_text("seen")
        await mark.click()
        await expect(strongest.locator("[data-part=seen]")).to_contain_text("seen by Ana")
        assert set(wall.feed.seen) == {"s1", "s2"}


async def test_who_only_looks_is_offered_no_mark_and_what_is_not_allowed_is_a_sentence(opened: Any) -> None:
    async with opened(steady, "#/spikes?lang=en") as wall:
        strongest = wall.page.locator(".strongest")
        await expect(strongest).to_contain_text("not yet seen")
        await wall.page.keyboard.press("v")
        await expect(strongest.locator("[data-part=mark]")).to_have_count(0)
        assert wall.feed.seen == {}
        wall.feed.role = "lead"
        await wall.page.reload()
        await expect(strongest.locator("[data-part=mark]")).to_be_visible()
        wall.feed.role = "viewer"
        await wall.page.keyboard.press("v")
        await expect(strongest).to_contain_text("Only a moderator or a lead may say so.")
        await wall.walk()


async def test_a_lead_says_on_the_phone_that_a_spike_was_seen_and_takes_it_back(opened: Any) -> None:
    async with opened(steady, "#/spikes?lang=en") as wall:
        wall.feed.role = "lead"
        phone = await wall.page.context.browser.new_page(viewport={"width": 360, "height": 780}, reduced_motion="reduce")
        phone.set_default_timeout(PATIENCE_MS)
        await phone.goto(f"{wall.feed.url}remote.html?lang=en")
        await expect(phone.locator("[data-key=unexpected]")).to_contain_text("4 not yet seen")
        await phone.locator("[data-key=unexpected]").click()
        key = phone.locator("[data-key='seen:s1']")
        await key.click()
        await expect(phone.locator("[data-spike=s1]")).to_contain_text("seen by Ana")
        await expect(key).to_contain_text("Take back")
        await expect(wall.page.locator(".strongest")).to_contain_text("seen by Ana")
        sizes = await phone.locator("dialog[open] button").evaluate_all(
            "(all) => all.map((b) => b.getBoundingClientRect().height)"
        )
        assert min(sizes) >= 56
        assert await accessibility(phone) == []
        await key.click()
        await expect(phone.locator("[data-spike=s1]")).to_contain_text("not yet seen")
        assert wall.feed.seen == {}
        await phone.close()


async def test_without_a_spike_it_says_how_many_series_are_watched_and_a_stage_names_no_owner(opened: Any) -> None:
    def calm(now: datetime, tick: int) -> dict[str, Any]:
        return full_state(now, tick=tick) | {"spikes": {}}

    async with opened(calm, "#/spikes?lang=en") as wall:
        await shown(wall, "spikes")
        await expect(wall.part("spikes")).to_have_text("Nothing unexpected now. 412 series watched.")
    async with opened(steady, "#/spikes?lang=en&profile=stage") as wall:
        await shown(wall, "spikes")
        await expect(wall.part("spikes")).to_contain_text("Brazil, Robots")
        await expect(wall.part("spikes")).not_to_contain_text("public relations")


async def test_while_it_learns_what_is_usual_it_does_not_say_that_nothing_is_unexpected(opened: Any) -> None:
    def learning(now: datetime, tick: int) -> dict[str, Any]:
        state = full_state(now, tick=tick) | {"spikes": {}}
        state["health"]["series_watched"] = 0
        state["totals"]["learning_until"] = iso(now.replace(hour=2, minute=40))
        return state

    async with opened(learning, "#/spikes?lang=en") as wall:
        await shown(wall, "spikes")
        await expect(wall.part("spikes")).to_have_text("learning, ready at about 10:40")


async def test_who_must_act_stands_in_the_back_room_with_owner_and_link(opened: Any) -> None:
    async with opened(steady, "#/overview?lang=en") as wall:
        await shown(wall, "overview")
        lines = wall.part("attention").locator("li")
        await becomes(
            lambda: lines.evaluate_all("(all) => all.map((e) => e.dataset.level ?? '')"),
            ["red", "red", "amber", "amber", "blue", ""],
        )
        await expect(lines.nth(1)).to_contain_text("YouTube: 41 live broadcasts not collected, quota 92 %")
        await expect(lines.nth(1)).to_contain_text(re.compile(r"operations · \d+ min"))
        await expect(lines.nth(5)).to_have_text("+3 more")
        await lines.nth(2).get_by_role("link").click()
        await shown(wall, "spikes")
        await at(wall, "#/spikes/s1?lang=en")
    async with opened(steady, "#/overview?lang=en&profile=stage") as wall:
        await shown(wall, "overview")
        await expect(wall.part("voices").locator("article")).to_have_count(3)
        await expect(wall.part("attention")).to_have_count(0)
        sizes = (
            await wall.part("voices")
            .locator(".message")
            .evaluate_all("(all) => all.map((e) => parseFloat(getComputedStyle(e).fontSize))")
        )
        assert min(sizes) >= 28


async def test_a_link_to_some_livestreams_shows_only_these_until_escape(opened: Any) -> None:
    async with opened(steady, "#/livestreams?lang=en&country=CN&state=broken") as wall:
        await shown(wall, "livestreams")
        await expect(wall.part("chosen")).to_contain_text("China · broken 7 of the cells are meant")
        await wall.page.keyboard.press("Escape")
        await expect(wall.part("chosen")).to_contain_text("choose a livestream")
        await wall.page.keyboard.press("ArrowRight")
        await shown(wall, "spikes")
        await at(wall, "#/spikes?lang=en")


async def test_a_panel_whose_source_is_silent_is_hatched_and_its_number_is_gone(opened: Any) -> None:
    def make(now: datetime, tick: int) -> dict[str, Any]:
        since = "2026-10-18T11:58:00Z"
        sources = ("platform:youtube", "country:CN", "search:spikes", "search:voices", "search:tags")
        return full_state(now, tick=tick) | {"stale": dict.fromkeys(sources, since)}

    async with opened(make, "#/overview?lang=en") as wall:
        await shown(wall, "overview")
        youtube = wall.part("platforms").locator("li", has_text="YouTube")
        await becomes(lambda: text(youtube), "YouTube stale since 19:58 –")
        await expect(wall.page.locator("[data-stale=CN]")).to_have_count(1)
        await expect(wall.page.locator("[data-ring]")).to_have_count(0)
        await expect(wall.page.locator("main")).not_to_contain_text("on yesterday")
        assert "expected – stale since 19:58" in await text(wall.page.locator(".trend-place"))
        await expect(wall.page.locator(".trend-place path.band")).to_have_count(0)
        for scene, words in (("spikes", "stale since 19:58"), ("voices", "stale since 19:58"), ("topics", "stale since 19:58")):
            await go(wall, scene, "lang=en")
            await expect(wall.page.locator("main")).to_contain_text(words)
            await expect(wall.page.locator("main")).not_to_contain_text("6.1×")
            await expect(wall.page.locator("main")).not_to_contain_text("31×")
            await wall.walk()


async def test_when_every_platform_is_silent_no_number_of_now_is_left(opened: Any) -> None:
    since = "2026-10-11T12:58:00Z"

    def make(now: datetime, tick: int) -> dict[str, Any]:
        state = full_state(now, tick=tick)
        return state | {"stale": {f"platform:{name}": since for name in state["platforms"]}}

    async with opened(make, "#/overview?lang=en") as wall:
        await shown(wall, "overview")
        await expect(wall.part("hero")).to_have_text("–")
        await expect(wall.part("per-minute")).to_have_text("–")
        await expect(wall.part("viewers")).to_contain_text("stale since 20:58")
        await expect(wall.part("topics")).to_contain_text("stale since 20:58")
        await expect(wall.part("topics").locator("li")).to_have_count(0)
        await expect(wall.page.locator("main")).not_to_contain_text("2.2×")
        await wall.walk()
        for scene in ("topics", "moves"):
            await go(wall, scene, "lang=en")
            await expect(wall.part("stale")).to_have_text("stale since 20:58")
            await expect(wall.page.locator("main")).not_to_contain_text(re.compile(r"\d×|\d\s*%"))
            await wall.walk()


async def test_of_three_sessions_at_once_the_header_has_two_and_says_that_there_is_another(opened: Any) -> None:
    def make(now: datetime, tick: int) -> dict[str, Any]:
        state = full_state(now, tick=tick)
        running = state["session"]["now"]["robot-night"]
        state["session"]["now"] |= {
            "lake": running | {"name": {"en": "Test drive"}},
            "chefs": running | {"name": {"en": "Chefs"}},
        }
        return state

    async with opened(make, "#/overview?lang=en") as wall:
        await shown(wall, "overview")
        await expect(wall.page.locator("header .session")).to_have_count(2)
        await expect(wall.page.locator("header")).to_contain_text("Now, and 1 more · next")
        await wall.walk(lenient=True)
        await go(wall, "overview", "lang=zh")
        await expect(wall.page.locator("header")).to_contain_text("进行中，另有 1 场")


async def test_eight_brands_of_long_names_have_two_lines_each_and_topics_without_a_row_are_counted(opened: Any) -> None:
    names = ["CHERY International Automotive", "OMODA & JAECOO Off-Road", "EXEED Intelligent Mobility", "iCAUR by Chery"]

    def make(now: datetime, tick: int) -> dict[str, Any]:
        state = full_state(now, tick=tick)
        topics, lines = state["topics"], state["history"]["topics"]
        brands = [topic for topic in topics.values() if topic["group"] == "brand"]
        for topic, name in zip(brands, names, strict=False):
            topic["name"] = {"en": name}
        for number in range(2):
            topics[f"brand{number}"] = {"name": {"en": names[number]}, "group": "brand", "engagement": rate(9000, 300)}
            topics[f"more{number}"] = {"name": {"en": f"More {number}"}, "group": "technology", "engagement": rate(90, 3)}
            lines[f"brand{number}"] = lines[f"more{number}"] = [30] * 60
        return state

    async with opened(make, "#/topics?lang=en") as wall:
        await shown(wall, "topics")
        await expect(wall.part("voice").locator("li")).to_have_count(8)
        await expect(wall.part("topics").locator("li")).to_have_count(8)
        await expect(wall.part("topics")).to_contain_text("the largest 8 of 10")
        await wall.walk(lenient=True)
        places = "(all) => [...new Set(all.map((e) => Math.round(e.getBoundingClientRect().top)))].length"
        assert await wall.part("voice").locator(".share").evaluate_all(places) == 1


async def test_the_name_of_a_session_stands_where_the_line_is_not(opened: Any) -> None:
    low = False

    def make(now: datetime, tick: int) -> dict[str, Any]:
        state = full_state(now, tick=tick)
        if low:
            state["totals"]["engagement"]["per_minute"] *= 20
        return state

    names = "(all) => all.map((e) => e.querySelector('bdi').getBoundingClientRect().top - e.getBoundingClientRect().top < 40)"
    async with opened(make, "#/overview?lang=en") as wall:
        await shown(wall, "overview")
        begins = wall.page.locator(".trend-place .begin")
        await becomes(lambda: begins.evaluate_all(names), [False])
        low = True
        await becomes(lambda: begins.evaluate_all(names), [True])
        await wall.walk()


async def test_a_table_of_too_few_messages_claims_nothing(opened: Any) -> None:
    def make(now: datetime, tick: int) -> dict[str, Any]:
        state = full_state(now, tick=tick)
        for row in state["cross"]["country_topic"].values():
            for cell in row.values():
                cell["hour"] = 7
        return state

    async with opened(make, "#/moves?lang=en") as wall:
        await shown(wall, "moves")
        await expect(wall.part("strongest")).to_contain_text("Too few messages yet to compare one place with another.")


async def test_emerging_hashtags_stand_on_the_starting_side_and_sessions_compare_with_yesterday(opened: Any) -> None:
    async with opened(steady, "#/topics?lang=en") as wall:
        await shown(wall, "topics")
        tags = wall.part("emerging").locator(".tag")
        await expect(tags).to_have_text(["#AiMOGA", "#robôdança", "#飞行汽车", "#سيارة_طائرة", "#BatteryBarat"])
        lefts = await tags.locator("bdi").evaluate_all("(all) => all.map((e) => Math.round(e.getBoundingClientRect().left))")
        assert len(set(lefts)) == 1
        await expect(wall.part("topics")).to_contain_text("against yesterday")
        await go(wall, "sessions", "lang=en")
        by = wall.feed.last["sessions"]["robot-night"]["change_vs_yesterday"] - 1
        now = wall.part("sessions").locator("li.now")
        await expect(now).to_contain_text(f"engagement · {'+' if by > 0 else '−'}{abs(by) * 100:.0f}")


async def test_an_approved_map_is_drawn_with_its_number_and_an_unreadable_one_is_said(opened: Any) -> None:
    def make(now: datetime, tick: int) -> dict[str, Any]:
        state = full_state(now, viewers=False)
        state["event"]["map_review"] = "GS(2026)0001"
        return state

    async with opened(make, "#/overview?lang=en") as wall:
        await go(wall, "countries", "lang=en")
        await expect(wall.part("map")).to_contain_text("cannot be read")
        wall.feed.map = {
            "review": "GS(2026)0001",
            "places": [{"code": "BR", "rings": [[[-70, 0], [-40, 0], [-50, -30], [-70, 0]]]}],
        }
        await go(wall, "topics", "lang=en")
        await go(wall, "countries", "lang=en")
        await expect(wall.part("map")).to_have_text("Approved map, review GS(2026)0001")
        await expect(wall.part("outlines").locator("path[data-code=BR]")).not_to_have_attribute("fill", "var(--tile)")
        await wall.walk()


async def test_larger_type_shows_fewer_rows_and_cuts_nothing(opened: Any) -> None:
    async with opened(steady, "#/overview?lang=en") as wall:
        for scale in ("1.15", "1.3"):
            for scene in SCENES:
                await go(wall, scene, f"lang=en&scale={scale}")
                await wall.walk(lenient=True)


async def test_a_third_language_is_one_file_even_a_longer_one_or_one_from_right_to_left(browser: Any, translated: Path) -> None:
    for language in ("xa", "xr"):
        async with open_wall(browser, translated, steady, f"#/overview?lang={language}") as wall:
            for scene in SCENES:
                await go(wall, scene, f"lang={language}")
                await wall.walk(lenient=True)
                assert await wall.page.evaluate("document.documentElement.scrollWidth") == 1920
            await expect(wall.page.locator("h1").first).to_have_text("Spikesëë" if language == "xa" else "קעטכהק")
            await expect(wall.page.locator("html")).to_have_attribute("dir", "rtl" if language == "xr" else "ltr")
