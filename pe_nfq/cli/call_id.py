"""A Call-ID on the command line: as listings show it, in hex, whole or its beginning. Pure."""

import argparse
from typing import Final, NamedTuple

from pe_nfq.escape import CUT, read_bytes, show_bytes

_HEX: Final = "hex:"
_ANY: Final = "*"
#: For the help of those that take one.
HELP: Final = (
    r"as listings show it, where a backslash is \\ and any other byte \xNN, or in hex as hex:NN..; "
    r"with a * at its end all that begin so (a * of its own is \x2a there)"
)


class Wanted(NamedTuple):
    """pe_data that is looked for: exactly, or what begins so."""

    pe_data: bytes
    is_prefix: bool

    def __str__(self) -> str:
        return show_bytes(self.pe_data) + (_ANY if self.is_prefix else "")


def wanted(text: str) -> Wanted:
    """What an argument stands for; argparse tells the user what is wrong with it."""
    rest = text.removesuffix(CUT) if _is_cut(text) else text.removesuffix(_ANY)
    is_prefix = rest != text
    try:
        pe_data = _from_hex(rest) if rest.startswith(_HEX) else read_bytes(rest)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if not pe_data and not is_prefix:
        raise argparse.ArgumentTypeError("an empty Call-ID; * stands for any")
    return Wanted(pe_data, is_prefix)


def _from_hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text.removeprefix(_HEX))
    except ValueError:
        raise ValueError(f"{_HEX} takes two hex digits a byte, like {_HEX}6140") from None


def _is_cut(text: str) -> bool:
    """Whether a listing cut it: the backslash before the dots is no half of another's escape."""
    before = text.removesuffix(CUT[1:])
    return text.endswith(CUT) and (len(before) - len(before.rstrip(CUT[0]))) % 2 == 1
