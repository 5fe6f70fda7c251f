"""The sip engine's `key` option: what a datagram's pe_data is, when it is not the Call-ID alone.

    call-id        the dialog: the default
    from-user      the user at the client's end
    to-user        the user at the other end
    request-user   the user whom a request is for
    X-Account      the value of the header of that name
    ... + call-id  one of these and the Call-ID, in either order

Dialogs with the same key share a template, and with it a real server.

The ends of a dialog keep their URIs in From and To, and change places in them
with every request of the other end; a response repeats its request's (RFC
3261, sections 12.2.1.1 and 8.2.6.2). So a dialog has ONE from-user:

    sent by        from-user               to-user
    the client     From of a request       To of a request
                   To of a response        From of a response
    a real server  To of a request         From of a request
                   From of a response      To of a response

`request-user` is the Request-URI's in a request and the To header's in a
response, whoever sent it: within a dialog a Request-URI is the other end's
Contact, so only user agents whose Contact has the user that they are called by
stay together. What a user is: `pe_nfq.packet.sip_uri`. A message without one
(``<sip:host>``) has no key, nor has one that lacks the header, or either part
of two.

The parts of a key are parted by LF, which no value has in it. What a key other
than the Call-ID makes of a template: `pe_nfq.engines.sip.KeyedSipEngine`.
"""

import difflib
import re
from typing import Final, NamedTuple

from pe_nfq.escape import show_text
from pe_nfq.model import Reason
from pe_nfq.packet.callid import scan_call_id
from pe_nfq.packet.sip_header import FULL_NAMES
from pe_nfq.packet.sip_search import Search, header_search
from pe_nfq.packet.sip_start import is_response, request_uri
from pe_nfq.packet.sip_uri import address_user, uri_user

CALL_ID: Final = "call-id"
#: Parts of a key.
_SEPARATOR: Final = b"\n"
#: Characters of the operator's text in an error message.
_MAX_QUOTE: Final = 60
#: How near a word is to one of ours for a misspelling: `call-info` is 0.75 of `call-id`.
_NEAR: Final = 0.8

_TOKEN: Final = re.compile(r"[A-Za-z0-9.!%*_+`'~-]+").fullmatch

#: Headers that tell messages, transactions or directions of one dialog apart, or that only
#: some of its messages have: as a key each of them would tear it.
_VARYING: Final = frozenset(
    b"accept accept-encoding accept-language alert-info allow allow-events authentication-info"
    b" authorization contact content-disposition content-encoding content-language"
    b" content-length content-type cseq date error-info event expires identity in-reply-to join"
    b" max-forwards mime-version min-expires min-se path proxy-authenticate"
    b" proxy-authentication-info proxy-authorization proxy-require rack reason record-route"
    b" refer-to referred-by replaces require retry-after route rseq server service-route"
    b" session-expires sip-etag sip-if-match subscription-state supported target-dialog"
    b" timestamp unsupported user-agent via warning www-authenticate".split()
)
#: What an operator may have meant by a header with a tag.
_TAGGED: Final = {b"from": "from-user", b"to": "to-user"}


class Key(NamedTuple):
    """The key of a datagram that a client sends, and of one that a real server sends.

    `of_dialog`: no two dialogs with different Call-IDs share it.
    """

    inbound: Search
    outbound: Search
    of_dialog: bool


def parse_key(text: str) -> Key | None:
    """The key that an operator's `text` names; None: the Call-ID. Raises ValueError."""
    parts = [part.strip(" ") for part in text.split("+")]
    if len(parts) > 2:
        raise ValueError(f'{_quoted(text)} has more than two parts; write one, or one + "call-id"')
    words = [_word(part) for part in parts]
    if len(words) == 1:
        return None if words == [CALL_ID] else _key_of(words[0])
    others = [word for word in words if word != CALL_ID]
    if len(others) != 1:
        raise ValueError(f'{_quoted(text)} is not one part + "call-id"; choose one of the two')
    key = _key_of(others[0])
    return Key(_with_call_id(key.inbound), _with_call_id(key.outbound), of_dialog=True)


def _word(text: str) -> str:
    """A part as one of our words or a header's full name, in lower case. Raises ValueError."""
    if not _TOKEN(text):
        raise ValueError(
            f"{_quoted(text)} is not the name of a key or of a header; "
            f'choose {_WORDS} or a header such as "X-Account"'
        )
    word = text.lower()
    name = FULL_NAMES.get(word.encode(), word.encode())
    if name in _TAGGED:
        raise ValueError(
            f'{_quoted(text)} differs within a dialog, by its tag; choose "{_TAGGED[name]}"'
        )
    if name in _VARYING:
        raise ValueError(
            f"{_quoted(text)} differs within a dialog; "
            f'choose "from-user", or a header that all messages of a user have alike'
        )
    near = difflib.get_close_matches(word, _KNOWN, n=1, cutoff=_NEAR)
    if near and word not in _KNOWN and not word.startswith("x-"):
        raise ValueError(f'{_quoted(text)} is not the name of a key; did you mean "{near[0]}"?')
    return name.decode()


def _quoted(text: str) -> str:
    return f'"{show_text(text, _MAX_QUOTE)}"'


def _key_of(word: str) -> Key:
    if word in _USERS:
        return _USERS[word]
    search = header_search(word)
    return Key(search, search, of_dialog=False)


def _user(request: Search, response: Search) -> Search:
    """The user of an address in one header of a request, or in one of a response."""

    def search(packet: bytes, at: int, end: int) -> bytes | Reason:
        found = (response if is_response(packet, at, end) else request)(packet, at, end)
        if isinstance(found, Reason):
            return found
        return address_user(found) or Reason.NO_KEY

    return search


def _request_user(packet: bytes, at: int, end: int) -> bytes | Reason:
    if is_response(packet, at, end):
        return _TO_USER(packet, at, end)
    uri = request_uri(packet, at, end)
    if isinstance(uri, Reason):
        return uri
    return uri_user(uri) or Reason.NO_KEY


def _with_call_id(first: Search) -> Search:
    def search(packet: bytes, at: int, end: int) -> bytes | Reason:
        part = first(packet, at, end)
        if isinstance(part, Reason):
            return part
        call_id = scan_call_id(packet, at, end)
        if isinstance(call_id, Reason):
            return call_id
        return part + _SEPARATOR + call_id

    return search


_FROM: Final = header_search("From")
_TO: Final = header_search("To")
_SENDER: Final = _user(request=_FROM, response=_TO)
_RECEIVER: Final = _user(request=_TO, response=_FROM)
_TO_USER: Final = _user(request=_TO, response=_TO)
_USERS: Final = {
    "from-user": Key(_SENDER, _RECEIVER, of_dialog=False),
    "to-user": Key(_RECEIVER, _SENDER, of_dialog=False),
    "request-user": Key(_request_user, _request_user, of_dialog=False),
}
_KNOWN: Final = (CALL_ID, *_USERS)
_WORDS: Final = ", ".join(f'"{word}"' for word in _KNOWN)
