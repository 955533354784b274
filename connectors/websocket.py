"""Any server that sends JSON over a websocket: a partner's feed, nchan, Centrifugo, Social Stream Ninja's relay.

Collected: whatever the map of the section says; without a map our own shape (docs/webhooks.md). Not collected: what the map skips, and what
names a channel that is not in the roster.

API: websockets, https://www.rfc-editor.org/rfc/rfc6455, checked 2026-11-20.

Login: none, or a token in a header, in the address or in a frame of ``on_open``.

Limits: the server's. One connection per channel when the address has ``{handle}`` in it, else one for the whole section, which may
subscribe to each channel with a frame of ``on_open``.

Resume: only where the server takes a cursor in the address and says it in its messages (``resume``); else what was said while we
were away is recorded as a Gap.

Quirks: several documents in one frame are cut apart by ``split``; a list of documents is always read one by one. JSON inside
a string is opened by ``inner_json`` of the map. A server that asks for an answer to its own pings gets it by ``ping_reply``.
"""

from __future__ import annotations

from connectors.talk import Talker, TalkOptions

Options = TalkOptions


class Websocket(Talker):
    """One connection: of one channel, or of all channels of the section."""

    name = "websocket"
    options = Options
    resumes = False
