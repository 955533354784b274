"""A partner that calls us: any signed webhook whose body is JSON, mapped to events by the table in the configuration.

Collected: whatever the map of the section says; without a map our own shape (docs/webhooks.md). Not collected: what names a channel that
is not in the roster, and what the map skips as test traffic.

API: HTTP POST to ``/hooks/<name of the section>``; Standard Webhooks https://www.standardwebhooks.com/ and the older ways to sign,
checked 2026-11-20.

Login: the sender's proof, see ``auth``; without a secret nothing comes in.

Limits: a body of 256 KiB, an answer within a second. Repeats cost nothing: what is sent again has the same ids.

Resume: the sender's. A 2xx is sent once the events are on our disk, so a sender that tries again until it sees one loses nothing.

Quirks: what proves to be genuine but cannot be mapped is answered with success and counted as unknown, because senders that see failures
stop sending altogether; a body that is no JSON is refused with 400.
"""

from __future__ import annotations

from connectors.receiving import Hook, HookOptions

Options = HookOptions


class Webhook(Hook):
    """One sender and its map."""

    name = "webhook"
    options = Options
