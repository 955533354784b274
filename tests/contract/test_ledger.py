"""docs/connectors.md and docs/platform-terms.md against the code, in both directions; no platform is named here but as the tables name it."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest
from fake_webhook import SENDERS
from fakes import FAKES

import connectors
from connectors.connector import Connector, Tools, Unreadable, make_pseudonym
from connectors.event import Viewers
from connectors.simulator import platform as simulator

ROOT = Path(__file__).parents[2]
LEDGER = (ROOT / "docs" / "connectors.md").read_text(encoding="utf-8")
TERMS = (ROOT / "docs" / "platform-terms.md").read_text(encoding="utf-8")
PLATFORMS = sorted({*connectors.PLATFORMS, *connectors.RECEIVERS})
EXEMPT = re.compile(r"exempt — because \S.{3,}")
TOOLS = Tools(pseudonym=make_pseudonym(b"ledger"))


def tables(text: str) -> dict[str, dict[str, str]]:
    """Rule → platform → cell, of all tables below the heading."""
    part = text.split("## What is done, per platform\n", 1)[1].split("\n## ", 1)[0]
    found: dict[str, dict[str, str]] = {}
    columns: list[str] = []
    for line in part.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else []
        if cells[:1] == ["Rule"]:
            columns = cells[1:]
        elif cells and not set(cells[0]) <= set("-: "):
            assert len(cells) == len(columns) + 1, line
            row = found.setdefault(cells[0], {})
            assert not row.keys() & set(columns), f"{cells[0]}: a platform stands in two tables"
            row.update(zip(columns, cells[1:], strict=True))
    return found


RULES = tables(LEDGER)


def has_option(platform: str, option: str) -> bool:
    return option in {field.name for field in dataclasses.fields(connectors.options_of(platform))}


def is_asked(platform: str) -> bool:
    return platform in connectors.PLATFORMS


def frames(platform: str) -> list[bytes]:
    files = sorted((ROOT / "tests" / "captures" / platform).glob("*"))
    texts = [line for file in files if file.suffix == ".txt" for line in file.read_bytes().split(b"\n") if line.strip()]
    return texts + [file.read_bytes() for file in files if file.suffix != ".txt"]


def tells_viewers(platform: str) -> bool:
    if platform in connectors.DISCOVERERS:
        return True
    if not is_asked(platform):
        return RULES["Viewers"][platform] == "done (as mapped)"
    for raw in frames(platform):
        try:
            events = connectors.class_of(platform).parse(raw, TOOLS)
        except Unreadable:
            continue
        if any(isinstance(event, Viewers) for event in events):
            return True
    return False


def is_planned(platform: str) -> bool:
    return platform in connectors.DISCOVERERS or (
        is_asked(platform) and connectors.class_of(platform).limit.__func__ is not Connector.limit.__func__
    )


CODE = {
    "Captures of each kind": lambda name: len(frames(name)) >= 5 or (not is_asked(name) and bool(frames(name))),
    "Fake server in the contract suite": lambda name: name in FAKES or name in SENDERS,
    "Three failures reached": lambda name: name in FAKES,
    "Removals": lambda name: not is_asked(name) or connectors.class_of(name).removes,
    "Viewers": tells_viewers,
    "Who is live is asked": lambda name: name in connectors.DISCOVERERS,
    "Tells us who goes live": lambda name: name in connectors.PUSHERS,
    "Receives at `/hooks`": lambda name: name in connectors.RECEIVERS,
    "Quota planned by `monitor check`": is_planned,
    "Login tried by `monitor check`": lambda name: (
        is_asked(name) and (not connectors.class_of(name).untried or name in connectors.DISCOVERERS)
    ),
    "Played by the simulator": lambda name: name in {connectors.kind_of(one) for one in simulator.PLATFORMS},
    "Through a proxy": lambda name: has_option(name, "proxy"),
    "Addresses of attendees are public only": lambda name: has_option(name, "allow_private"),
}
"""What the code says of a rule; of the others only a person can judge."""
JUDGED = {"Loses nothing silently over a drop", "Rate limits kept", "Tried against a foreign server", "Terms of use"}


def test_every_rule_is_held_against_the_code_or_known_to_be_a_persons_to_judge():
    assert RULES.keys() == CODE.keys() | JUDGED


@pytest.mark.parametrize("rule", sorted(CODE.keys() | JUDGED))
def test_each_rule_has_a_cell_for_each_platform_and_each_cell_is_done_todo_or_exempt_with_a_reason(rule):
    assert sorted(RULES[rule]) == PLATFORMS
    for platform, cell in RULES[rule].items():
        assert cell == "todo" or re.fullmatch(r"done( \(.+\))?", cell) or EXEMPT.fullmatch(cell), f"{rule}, {platform}: {cell}"


@pytest.mark.parametrize("rule", sorted(CODE))
@pytest.mark.parametrize("platform", PLATFORMS)
def test_what_is_said_to_be_done_is_done_and_what_is_done_is_said(rule, platform):
    cell = RULES[rule][platform]
    assert cell.startswith("done") is bool(CODE[rule](platform)), f"docs/connectors.md says of {platform}, {rule}: {cell}"


@pytest.mark.parametrize("platform", sorted(connectors.PLATFORMS))
def test_a_drop_is_resumed_or_owned_up_to_as_the_connector_says(platform):
    cell = RULES["Loses nothing silently over a drop"][platform]
    assert cell.startswith("done (")
    assert ("Gap" in cell) is not connectors.class_of(platform).resumes or "`resume`" in cell


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_foreign_server_is_named_by_the_test_that_tries_it(platform):
    cell = RULES["Tried against a foreign server"][platform]
    named = re.findall(r"`(test_\w+\.py)`", cell)
    assert bool(named) is cell.startswith("done")
    for name in named:
        assert platform in (ROOT / "tests" / "peers" / name).read_text(encoding="utf-8").lower()


@pytest.mark.parametrize("platform", PLATFORMS)
def test_each_platform_has_its_section_with_its_terms_in_both_documents(platform):
    sections = {
        title.lower(): text for title, text in re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", LEDGER, re.MULTILINE | re.DOTALL)
    }
    assert "**Terms of use.**" in sections[platform]
    terms = {
        title.lower(): text for title, text in re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", TERMS, re.MULTILINE | re.DOTALL)
    }
    assert re.search(r"^- \*\*Says\*\*: .{10,}", terms[platform], re.MULTILINE)
    assert re.search(r"^- \*\*We\*\*: .{10,}", terms[platform], re.MULTILINE)


def test_no_section_on_terms_is_of_a_platform_that_does_not_exist():
    titles = {title.lower() for title in re.findall(r"^## (.+)$", TERMS, re.MULTILINE)}
    assert titles == {*PLATFORMS, "platforms that are not read"}
