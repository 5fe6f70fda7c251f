"""Arguments that `scripts/demo` and `scripts/bench` take alike."""

import argparse


def positive(text: str) -> int:
    """A whole number above 0. Raises ArgumentTypeError."""
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return int(text)
