"""Bytes of a terminal as keys, whole and in pieces; a terminal that is given back."""

import os
import pty
import termios

import pytest

from pe_nfq.top.keys import Decoder, Keyboard

KEYS = {
    b"q": ["q"],
    b"\x1b[A": ["up"],
    b"\x1bOB": ["down"],
    b"\x1b[5~": ["page-up"],
    b"\x1b[6~": ["page-down"],
    b"\x1b[H": ["home"],
    b"\x1b[4~": ["end"],
    b"\r": ["enter"],
    b"\x7f": ["backspace"],
    b"\x1bq": ["escape", "q"],
    b"\x1b[15~q": ["q"],
    b"\x1b[1;5Aq": ["q"],
    b"\x00\x01q": ["q"],
    b"\x1b\x1b[A": ["escape", "up"],
    "é".encode(): ["é"],
}


@pytest.mark.parametrize(("data", "keys"), KEYS.items(), ids=[repr(data) for data in KEYS])
def test_keys_of_terminals(data: bytes, keys: list[str]) -> None:
    """What is none of ours is left out, and what follows it is not."""
    assert Decoder().feed(data) == keys


@pytest.mark.parametrize("data", [data for data in KEYS if data.isascii()])
def test_keys_may_come_in_pieces(data: bytes) -> None:
    """Byte by byte they are the same."""
    decoder = Decoder()
    found = [key for at in range(len(data)) for key in decoder.feed(data[at : at + 1])]

    assert found == KEYS[data]


def test_a_lone_escape_is_a_key_when_nothing_follows() -> None:
    """An unfinished sequence is none."""
    decoder = Decoder()
    assert decoder.feed(b"\x1b") == []
    assert decoder.flush() == ["escape"]
    assert decoder.feed(b"\x1b[1;") == decoder.flush() == []


def test_a_sequence_without_end_is_not_kept() -> None:
    """Whatever comes: no more than eight characters wait."""
    decoder = Decoder()
    decoder.feed(b"\x1b[" + b"1" * 100_000)

    assert len(decoder.pending) <= 8


def test_a_terminal_is_given_back_as_it_was() -> None:
    """Each key at once and not echoed inside; afterwards, and while away, as before."""
    master, terminal = pty.openpty()
    before = termios.tcgetattr(terminal)
    with Keyboard(terminal) as keyboard:
        inside = termios.tcgetattr(terminal)[3]
        assert not inside & (termios.ECHO | termios.ICANON)
        assert inside & termios.ISIG
        with keyboard.away():
            assert termios.tcgetattr(terminal) == before
        os.write(master, b"s\x1b[A")
        assert keyboard.read() == ["s", "up"]
        os.write(master, b"\x1b")
        assert keyboard.read() == ["escape"]

    assert termios.tcgetattr(terminal) == before
    os.close(master)
    with pytest.raises(EOFError):
        keyboard.read()
    os.close(terminal)
