"""``python -m tests.manual [--check]``: write all pages, or say which are not as they would be."""

import argparse
import sys
from pathlib import Path
from typing import Final

from tests.manual.commands import command_pages
from tests.manual.options import option_page

DIRECTORY: Final = Path(__file__).parents[2] / "pe_nfq" / "data" / "man"


def pages() -> dict[str, str]:
    """All pages by their file names."""
    return {**command_pages(), "pe-nfq.toml.5": option_page()}


def main() -> int:
    """Write or check."""
    parser = argparse.ArgumentParser(
        prog="scripts/man", description="Write the manual from parsers and option tables."
    )
    parser.add_argument("--check", action="store_true", help="write nothing; 1: a page is stale")
    args = parser.parse_args()
    made = pages()
    stale = [
        name
        for name in sorted(made.keys() | {path.name for path in DIRECTORY.glob("*.[15]")})
        if made.get(name) != _read(DIRECTORY / name)
    ]
    for name in stale:
        print(f"{name}: {'is not as it would be made' if args.check else 'written'}")
        if not args.check:
            _write(DIRECTORY / name, made.get(name))
    return 1 if stale and args.check else 0


def _read(path: Path) -> str | None:
    return path.read_text() if path.exists() else None


def _write(path: Path, text: str | None) -> None:
    if text is None:  # of a verb that is no more
        path.unlink()
        return
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)


if __name__ == "__main__":
    sys.exit(main())
