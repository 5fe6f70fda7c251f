"""SIP messages of a dialog, as its two ends write them; the test says branches and tags."""

CALL_ID = "4711@192.0.2.1"


def request(
    method: str,
    branch: str = "",
    *headers: str,
    caller: str = "alice",
    to: str = "",
    cseq: int = 1,
) -> bytes:
    """A request; `to` is the To tag, `branch` as the method's name where it does not matter."""
    start = f"{method} sip:bob@192.0.2.9 SIP/2.0"
    return _message(start, method, branch or method, headers, caller, to, cseq)


def response(
    status: int,
    method: str,
    branch: str,
    *headers: str,
    caller: str = "alice",
    to: str = "bob",
    cseq: int = 1,
) -> bytes:
    """A response to a request of the same branch, method and CSeq."""
    return _message(f"SIP/2.0 {status} x", method, branch, headers, caller, to, cseq)


def _message(
    start: str, method: str, branch: str, headers: tuple[str, ...], caller: str, to: str, cseq: int
) -> bytes:
    lines = [
        start,
        f"Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK-{branch};rport",
        f'From: "Alice" <sip:alice@192.0.2.1>;tag={caller}',
        f"To: <sip:bob@192.0.2.9>{to and f';tag={to}'}",
        f"Call-ID: {CALL_ID}",
        f"CSeq: {cseq} {method}",
        *headers,
        "Content-Length: 0",
    ]
    return "\r\n".join([*lines, "", ""]).encode()
