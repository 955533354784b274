"""Trouble with the network: which way to fail it is, and the words that an operator reads."""

import errno
import os
import socket
import ssl
from datetime import UTC, datetime

import pytest

from connectors.connector import Dropped
from connectors.socket import connect, failure
from connectors.trouble import network_trouble

NOW = datetime(2026, 11, 20, tzinfo=UTC)


def certificate_error():
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_message = "certificate has expired"
    return error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (socket.gaierror(-2, "Name or service not known"), "is this machine online"),
        (ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED)), "connection refused"),
        (certificate_error(), "certificate has expired); look at this machine's clock"),
        (OSError(errno.ENETUNREACH, os.strerror(errno.ENETUNREACH)), "Network is unreachable"),
        (OSError("Multiple exceptions: …"), "the network failed and does not say why"),
    ],
)
def test_the_reason_is_in_words_and_it_is_tried_again(error, words):
    assert words in network_trouble(error)
    found = failure(error, NOW)
    assert isinstance(found, Dropped)
    assert found.reason == network_trouble(error)


async def test_an_address_where_nobody_listens_is_told_as_such():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(Dropped, match="nothing answers"):
            async with connect(f"ws://127.0.0.1:{port}/", now=lambda: NOW):
                pass
