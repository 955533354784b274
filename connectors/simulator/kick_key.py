"""The key with which the simulated Kick signs its webhooks. Everybody can read it here, so it is worth nothing: it holds only while the
simulator is on, when everybody on the roster is invented.
"""

from __future__ import annotations

import base64
import functools
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

PUBLIC_KEY: Final = """-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA08pOTXcdapP1nNl7Qpri
fzpfaJBU2BMGH+NkqNNpVA9YcsciL6JvS67tg9YDTFTK3X7DyT2UB33DOaYMrbcC
vvAj48n4FViD9LdoaTh6wxZ9f6h5NyJvkyDB/3iWbjONT/BGnTckCC03/fwkd/Pe
RWGFGUsyLTDUocK9Fna1p0XcSo3hp7Dxm1PcB8ECtiCGVVt6tRLY2dGvsSj0Jxc7
+fd0ftFVQTnjZv/sBFcY9HbebeiKLCEwgckaZAdLBKlHjE++GTzwjUrENbQWxovL
9A6yk3DKr5Dl0k8bkAC1z9i8wp2o5/FotZc0U6Pq16ynEIKk1TJ5vtGi5cxUoeLa
UwIDAQAB
-----END PUBLIC KEY-----
"""
"""The other half, which our receiver is told."""
_P: Final = (
    "ed2ebe38beb6a2a8861266fa6e41accbc582c5522c3406132dc905db3ca6f32de9b301a11b6a6f10570290e17fa6ae90a44c"
    "e9db515015408d0f1663f79c506a482c283196ba50009c66d821ba9b7cb2bfc5c21dfb2c9ff0f98c6d35e4ffae50bc667006"
    "d8f548289466a069a13cb8e0c33f32375a3b6c267d5ddd3590a77223"
)
_Q: Final = (
    "e497d60c936c032f6adcd6ae0401589ca18da85e145a088ba9fe104c31d0ffcef18b4f82f02d7f0071dd34d3088d8cb29574"
    "8cfbe14b01b9066069226439c335d1a8d3072aa769ecc73298ec98f0d2d06d9c39dee6d68842b003472653b073d85e19154b"
    "53357f941638a04acb9cf345e813a6f18519d77ac1dee80e36a00211"
)
_EXPONENT: Final = 65537


def signature(message_id: str, timestamp: str, body: bytes) -> str:
    """Of one webhook: RSA, PKCS #1 v1.5, SHA-256, in base64."""
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15  # noqa: PLC0415 — only who signs needs it
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415

    return base64.b64encode(_key().sign(f"{message_id}.{timestamp}.".encode() + body, PKCS1v15(), SHA256())).decode()


@functools.cache
def _key() -> RSAPrivateKey:
    from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415

    p, q = int(_P, 16), int(_Q, 16)
    d = pow(_EXPONENT, -1, (p - 1) * (q - 1))
    public = rsa.RSAPublicNumbers(_EXPONENT, p * q)
    numbers = rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), public)
    return numbers.private_key()
