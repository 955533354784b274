"""The sections of platforms: what no other section took must be one, and its keys must be fields of that connector's own options."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Any, get_type_hints

import connectors
from connectors.connector import Secret
from monitor.config import Platform
from monitor.tables import nearest

if TYPE_CHECKING:
    from monitor.tables import Table


def platforms_of(root: Table) -> dict[str, Platform]:
    """Every section that was not asked for yet, by its name."""
    sections = root.asked()
    found: dict[str, Platform] = {}
    for name in root.keys:
        if name in sections:
            continue
        if name not in connectors.KNOWN or "." in name:
            raise root.error("", f'unknown section or platform "{name}"; {nearest(name, [*sections, *connectors.KNOWN])}')
        table = root.table(name)
        named = _named(table, name) if name in connectors.NAMED else {}
        found |= named
        if not named or len(named) < len(table.keys):
            found[name] = _platform(table, name)
        table.done()
    return found


def _named(table: Table, kind: str) -> dict[str, Platform]:
    """The tables in a kind's table that are no option of it: ``[sse.mysite]`` is a platform of that name."""
    own = {option.name for option in dataclasses.fields(connectors.options_of(kind))}
    found: dict[str, Platform] = {}
    for key in table.keys:
        if key in own or not isinstance(table.raw(key), dict):
            continue
        if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,31}", key):
            raise table.error("", f'"[{kind}.{key}]": expected a name of small letters, digits, "-" and "_" (at most 32)')
        section = table.table(key)
        section.where = f"[{kind}.{key}]"
        found[f"{kind}.{key}"] = _platform(section, f"{kind}.{key}")
        section.done()
    return found


def _platform(table: Table, name: str) -> Platform:
    enabled = table.flag("enabled", default=True)
    in_totals = table.flag("in_totals", default=True)
    kind = _options_type(table, name)
    hints = get_type_hints(kind, localns={"Secret": Secret})  # A connector may import Secret for type checking only.
    options: dict[str, Any] = {}
    for option in dataclasses.fields(kind):
        if option.name == "section" and connectors.kind_of(name) in connectors.NAMED:
            options["section"] = name
            continue
        mandatory = option.default is dataclasses.MISSING and option.default_factory is dataclasses.MISSING
        needed = mandatory and enabled
        if table.has(option.name) or needed:
            value = table.typed(option.name, hints[option.name], needed=needed)
            if value is not None:
                options[option.name] = value
        else:
            table.asked(option.name)
    if enabled:
        try:
            kind(**options)
        except ValueError as error:
            raise table.error("", str(error)) from error
    return Platform(name=name, enabled=enabled, in_totals=in_totals, options=options)


def _options_type(table: Table, name: str) -> type[Any]:
    try:
        return connectors.options_of(name)
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("connectors."):
            raise
        others = ", ".join(sorted(set(connectors.PLATFORMS) - {name})) or "none"
        raise table.error("", f"unknown platform: this installation has no connector for it; the others are: {others}") from error
