"""What went wrong on the way to a platform, in words for whoever looks at the log at night. Pure.

No sentence repeats what an exception says: it may quote an address, and an address may hold a key.
"""

from __future__ import annotations

from socket import gaierror
from ssl import SSLCertVerificationError

PROXY_DENIES = "the proxy does not let us through to this platform (HTTP 403); ask whoever runs it"
PROXY_REFUSES = "the proxy does not accept our name and password; correct proxy in the section, or HTTPS_PROXY"
PROXY_AWAY = "the proxy does not answer; look at proxy in the section, or HTTPS_PROXY"
SOCKS = "the environment names a SOCKS proxy, which cannot be used; set proxy in the section to an HTTP proxy"


def network_trouble(error: BaseException) -> str:
    """One sentence; of an error that wraps another one, the inner one's."""
    inner = getattr(error, "os_error", None)
    match inner if isinstance(inner, BaseException) else error:
        case gaierror():
            return "the platform's address is not found (is this machine online?)"
        case ConnectionRefusedError():
            return "nothing answers at the platform's address (connection refused)"
        case ConnectionResetError() | BrokenPipeError() | ConnectionAbortedError():
            return "the connection was cut"
        case SSLCertVerificationError(verify_message=why):
            return f"the platform's certificate is not accepted ({why}); look at this machine's clock and certificates"
        case OSError(strerror=str(why)) if why and "/" not in why:
            return f"the network failed ({why})"
        case _:
            return "the network failed and does not say why; look at the cable, the proxy and the firewall"


def proxy_trouble(status: int) -> tuple[bool, str]:
    """What a proxy's answer means: (whether a person must act, why)."""
    if status == 407:
        return True, PROXY_REFUSES
    if status == 403:
        return True, PROXY_DENIES
    return False, f"the proxy answered HTTP {status} instead of letting us through"
