"""Addresses for a person who wants to see a livestream."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.addresses import watch_address


@pytest.mark.parametrize(
    ("platform", "handle", "broadcast", "address"),
    [
        ("twitch", "some_login", "40112233", "https://www.twitch.tv/some_login"),
        ("bluesky", "name.bsky.social", None, "https://bsky.app/profile/name.bsky.social"),
        ("youtube", "@name", "dQw4w9WgXcQ", "https://www.youtube.com/watch?v=dQw4w9WgXcQ"),
        ("youtube", "@name", None, "https://www.youtube.com/@name/live"),
        ("youtube", "UC123", None, None),
        ("tiktok", "@name", None, "https://www.tiktok.com/@name/live"),
        ("kick", "a/b?c#d", None, "https://kick.com/a%2Fb%3Fc%23d"),
        ("twitch.second", "login", None, "https://www.twitch.tv/login"),
        ("douyin", "12345", None, None),
        ("twitch", "", None, None),
    ],
)
def test_the_address_follows_from_what_is_known(platform, handle, broadcast, address):
    assert watch_address(platform, handle, broadcast=broadcast) == address


@pytest.mark.parametrize(
    "bad", ["javascript:alert(1)", "http://plain.example/", "https://", "https://[", "data:text/html,x", "//host"]
)
def test_only_https_of_the_roster_is_taken(bad):
    assert watch_address("facebook", "name", live_url=bad) is None
    assert watch_address("facebook", "name", live_url="https://fb.example/live/1") == "https://fb.example/live/1"


@given(st.sampled_from(["twitch", "youtube", "kick", "bluesky", "tiktok", "telegram", "other"]), st.text(), st.text() | st.none())
def test_no_handle_leads_to_another_host_or_scheme(platform, handle, broadcast):
    hosts = ("www.twitch.tv", "www.youtube.com", "kick.com", "bsky.app", "www.tiktok.com", "t.me")
    address = watch_address(platform, handle, broadcast=broadcast)
    assert address is None or address.startswith(tuple(f"https://{host}/" for host in hosts))
