"""RADIUS packets for tests, built field by field, independently of the code that reads them."""

import struct

from pe_nfq.packet.radius_number import AcctStatus, Attribute, Code

AUTHENTICATOR = bytes(range(100, 116))


def attribute(number: int, value: bytes) -> bytes:
    """Type, length, value (RFC 2865, section 5)."""
    return bytes((number, len(value) + 2)) + value


def radius(code: int, *attributes: bytes, length: int | None = None) -> bytes:
    """A packet of these attributes; `length` where it is to be a wrong one."""
    body = b"".join(attributes)
    header = struct.pack("!BBH", code, 7, 20 + len(body) if length is None else length)
    return header + AUTHENTICATOR + body


def access(*attributes: bytes) -> bytes:
    """An Access-Request."""
    return radius(Code.ACCESS_REQUEST, *attributes)


def accounting(status: AcctStatus, session: bytes, *attributes: bytes) -> bytes:
    """An Accounting-Request of a session."""
    return radius(
        Code.ACCOUNTING_REQUEST,
        attribute(Attribute.ACCT_STATUS_TYPE, struct.pack("!I", status)),
        attribute(Attribute.ACCT_SESSION_ID, session),
        *attributes,
    )
