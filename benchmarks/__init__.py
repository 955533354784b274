"""Benchmarks: each figure beside its raw limit, measured in the same run. ``make bench`` writes benchmarks/results.json.

A module has SIZE, QUICK (the same, small) and ``run(size) -> list[Row]``; docs/benchmarks.md says how to read the rows.
"""

NAMES = (
    "parse_twitch",
    "parse_bluesky",
    "parse_youtube",
    "parse_kick",
    "parse_telegram",
    "parse_mastodon",
    "enrich",
    "discovery",
    "growth",
    "collect",
    "memory",
    "count",
    "feed",
    "spikes",
    "fan_out",
    "event_to_frame",
    "retraction",
)
"""In river order."""
