"""Moderation: journal entries to flags, by a role that counting never waits for.

``rules`` decides (pure), ``moderate`` reads and publishes, ``alerts`` decides what is told to whom and when (pure; monitor.notify sends it).
"""

from __future__ import annotations

from monitor.moderation.moderate import run

__all__ = ["run"]
