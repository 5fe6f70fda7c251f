"""The user of a URI and of an address: what RFC 3261 allows, and what is met all the same."""

import pytest

from pe_nfq.packet.sip_uri import address_user, uri_user

#: (URI, user), after RFC 3261, section 19.1.3, and RFC 3966.
URIS = [
    (b"sip:alice@atlanta.com", b"alice"),
    (b"sip:alice:secretword@atlanta.com;transport=tcp", b"alice"),
    (b"sips:alice@atlanta.com?subject=project%20x&priority=urgent", b"alice"),
    (b"sip:+1-212-555-1212:1234@gateway.com;user=phone", b"+1-212-555-1212"),
    (b"sip:atlanta.com;method=REGISTER?to=alice%40atlanta.com", b""),
    (b"sip:alice;day=tuesday@atlanta.com", b"alice;day=tuesday"),
    (b"SIP:Alice@atlanta.com", b"Alice"),
    (b"sip:alice:@atlanta.com", b"alice"),
    (b"sip:host:5060", b""),
    (b"sip:host:5060;x=a@b", b""),
    (b"sip:@host", b""),
    (b"sip::secret@host", b""),
    (b"sip:alice@b@c", b"alice"),
    (b"tel:+1-201-555-0123", b"+1-201-555-0123"),
    (b"TEL:7042;phone-context=example.com", b"7042"),
    (b"tel:;phone-context=example.com", b""),
    (b"urn:service:sos", b""),
    (b"mailto:alice@atlanta.com", b""),
    (b"xsip:alice@atlanta.com", b""),
    (b"*", b""),
    (b"", b""),
]

#: What differs between an address and the URI in it.
ADDRESSES = [
    (b"sip:alice@h;tag=1", b"alice"),
    (b"<sip:alice@h>;tag=1", b"alice"),
    (b"Alice <sip:alice@h>", b"alice"),
    (b"A. G. Bell <sip:agb@bell-telephone.com> ;tag=a48s", b"agb"),
    (b'"Bob" <sips:bob@h>;tag=1', b"bob"),
    (b'"Bob"<sips:bob@h>', b"bob"),
    (b'"<sip:mallory@h>; x" <sip:bob@h>', b"bob"),
    (b'"a \\" <sip:mallory@h>" <sip:bob@h>', b"bob"),
    (b'"\\\\" <sip:bob@h>', b"bob"),
    (b'"J Rosenberg \\\\\\""       <sip:jdrosen@example.com> ; tag = 98asjd8', b"jdrosen"),
    (b"bob@h <sip:alice@h>", b"alice"),
    (b'sip:alice@h;x="<sip:bob@h>"', b"alice"),
    (b"<sip:alice;x=1@h>", b"alice;x=1"),
    (b"sip:h;x=a@b", b""),
    (b"sip:h?x=a@b", b""),
    (b"sip:a,b@h", b""),
    (b"<sip:h>;x=sip:a@b", b""),
    (b"<sip:h>", b""),
    (b'"bob" sip:bob@h', b""),
    (b'"never closed <sip:bob@h>', b""),
    (b'"\\', b""),
    (b"<>", b""),
    (b"tel:+123;tag=9", b"+123"),
    (b"<tel:+123;phone-context=x>;tag=9", b"+123"),
]

#: (as written, as compared): RFC 3261, section 19.1.4.
ESCAPED = [
    (b"%61lice", b"alice"),
    (b"a%6C%69ce", b"alice"),
    (b"ALICE", b"ALICE"),
    (b"j%40s0n", b"j%40s0n"),
    (b"%2b1%2B1", b"%2B1%2B1"),
    (b"%c3%a9", b"\xc3\xa9"),
    (b"%2541", b"%2541"),
    (b"a%0ab%0D", b"a%0Ab%0D"),
    (b"100%", b"100%"),
    (b"%zz%4", b"%zz%4"),
    (b"%00", b"\0"),
]


@pytest.mark.parametrize(("uri", "user"), URIS)
def test_the_user_of_a_uri(uri: bytes, user: bytes) -> None:
    assert uri_user(uri) == user


@pytest.mark.parametrize(("uri", "user"), [case for case in URIS if case[0] != b"*"])
def test_a_uri_in_brackets_has_the_same_user(uri: bytes, user: bytes) -> None:
    assert address_user(b"<" + uri + b">;tag=1") == user


@pytest.mark.parametrize(("address", "user"), ADDRESSES)
def test_the_user_of_an_address(address: bytes, user: bytes) -> None:
    assert address_user(address) == user


@pytest.mark.parametrize(("written", "compared"), ESCAPED)
def test_escapes_that_make_no_difference_are_undone(written: bytes, compared: bytes) -> None:
    assert uri_user(b"sip:" + written + b"@h") == compared


def test_no_two_escaped_bytes_become_one_user() -> None:
    """All 256, and each of them said in its own byte where a URI may have that."""
    users = {uri_user(b"sip:%%%02x@h" % byte) for byte in range(256)}
    assert len(users) == 256
    assert {uri_user(b"sip:%%%02X@h" % byte) for byte in range(256)} == users
