"""The README's figures, written from a result: ``python -m tests.bench.readme``.

What stands between the two markers is this module's; the rest is the author's.
"""

import json
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from tests.bench.figures import FIGURES, Figure
from tests.bench.table import number

ROOT: Final = Path(__file__).parents[2]
README: Final = ROOT / "README.rst"
RESULT: Final = ROOT / "tests" / "data" / "performance.json"
CHART: Final = RESULT.with_suffix(".png")
_BEGIN: Final = ".. performance: written by python -m tests.bench.readme from tests/data\n"
_END: Final = ".. performance: end\n"
_WIDTH: Final = 90

_CPU: Final = ": CPU ns/datagram"
_PACKETS: Final = ": packets/s"
_LOST: Final = ": lost"
#: In the JSON alone: in another unit, or what notes say where it matters.
_ELSEWHERE: Final = (
    *(_PACKETS, _CPU, ": CPU s/million datagrams", ": supervisor CPU ns/datagram"),
    *(": waited for a core", ": sender could have sent more"),
)
#: As well: other loads than the half that the goals speak of, and what is beside the point.
_IN_FULL_ONLY: Final = ("at 25% of", "at 75% of", ": delay max", "sender late", ": CPU ns/packet")


def main() -> int:
    """Write the README anew; 1 when it lacks the markers."""
    found = json.loads(RESULT.read_text())
    try:
        README.write_text(replaced(README.read_text(), section(found)))
    except ValueError as error:
        print(f"bench: {README.name}: {error}", file=sys.stderr)
        return 1
    return 0


def replaced(text: str, new: str) -> str:
    """`text` with `new` between the markers. Raises ValueError: they are not there, once each."""
    if text.count(_BEGIN) != 1 or text.count(_END) != 1 or text.index(_BEGIN) > text.index(_END):
        raise ValueError(f"no {_BEGIN.strip()!r} with {_END.strip()!r} behind it")
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return f"{before}{_BEGIN}\n{new}\n{_END}{after}"


def section(found: dict[str, Any]) -> str:
    """What `found` (`Results.as_json`) says, in reStructuredText."""
    parts = [
        _paragraph(_measured_on(found["machine"])),
        f".. image:: {CHART.relative_to(ROOT)}\n   :alt: CPU and datagrams a second of each row\n",
        *_literal("Medians, with the lowest and the highest::", _rows(found)),
        *_literal(_RATIOS, _ratios(found)),
        *_literal("The other quantities::", _others(found)),
        "".join(_item(text) for text in (*_missed(found), *found["notes"])),
    ]
    return "\n".join(parts)


_RATIOS: Final = (
    "Ratios of pairs that were measured one right after the other; more than 1 is faster than"
    " what it is compared to. By CPU, which is the steady measure, unless they say otherwise::"
)


def _measured_on(machine: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    load = machine["load_average"][0]
    return (
        f"``{machine['command']}`` on {machine['date'][:10]}: {machine['cpu']},"
        f" {machine['cores']} cores, Linux {machine['kernel']}, load average {load:.2f} when it"
        f" began. Python {machine['python']}, {versions}."
    )


def _rows(found: dict[str, Any]) -> Iterator[str]:
    """A line for whatever has datagrams a second, with the CPU time of each."""
    rows = {row["name"]: row for row in found["rows"]}
    names = [name.removesuffix(_PACKETS) for name in rows if name.endswith(_PACKETS)]
    width = max((len(_short(name)) for name in names), default=0)
    yield f"{'':<{width}}  {'packets/s':>24}  {'CPU, ns/datagram':>24}"
    for name in names:
        cells = (_cell(rows.get(name + suffix)) for suffix in (_PACKETS, _CPU))
        yield f"{_short(name):<{width}}  " + "  ".join(f"{cell:>24}" for cell in cells)


def _cell(row: dict[str, Any] | None) -> str:
    if row is None:
        return "-"
    median, low, high = (number(row[key]) for key in ("median", "min", "max"))
    return median if row["min"] == row["max"] else f"{median} ({low}-{high})"


def _others(found: dict[str, Any]) -> Iterator[str]:
    """What is neither of the two, nor one of them in other words, nor a loss of nothing."""
    rows = [row for row in found["rows"] if not row["name"].endswith(_ELSEWHERE)]
    rows = [row for row in rows if not any(part in row["name"] for part in _IN_FULL_ONLY)]
    shown = [row for row in rows if row["max"] or not row["name"].endswith(_LOST)]
    width = max((len(_short(row["name"])) for row in shown), default=0)
    for row in shown:
        yield f"{_short(row['name']):<{width}}  {_cell(row)} {row['unit']}"


def _short(name: str) -> str:
    return name.removeprefix("pe-nfq ")


def _ratios(found: dict[str, Any]) -> Iterator[str]:
    width = max(len(figure.says) for figure in FIGURES.values())
    for name, figure in FIGURES.items():
        ratio, pairs = found["ratios"][name], found["pairs"].get(name, ())
        if ratio is None:
            yield f"{figure.says:<{width}}     -  not measured in this run{_goal(figure)}"
        else:
            spread = f"{min(pairs):.2f}-{max(pairs):.2f} of {len(pairs)}"
            yield f"{figure.says:<{width}}  {ratio:4.2f}  ({spread}){_goal(figure)}"


def _goal(figure: Figure) -> str:
    return "" if figure.goal is None else f"; goal {figure.goal:.2f}"


def _missed(found: dict[str, Any]) -> Iterator[str]:
    """A sentence for each figure that is below its goal."""
    for name, figure in FIGURES.items():
        ratio = found["ratios"][name]
        if ratio is not None and figure.goal is not None and ratio < figure.goal:
            yield (
                f"Missed by {figure.goal - ratio:.2f}: {figure.says}"
                f" ({ratio:.2f} where {figure.goal:.2f} is the goal)."
            )


def _item(text: str) -> str:
    """Of a list."""
    return textwrap.indent(_paragraph(text), "  ").replace("  ", "- ", 1)


def _paragraph(text: str) -> str:
    return textwrap.fill(text, _WIDTH, break_long_words=False, break_on_hyphens=False) + "\n"


def _literal(title: str, lines: Iterator[str]) -> list[str]:
    """A block as it is, behind its title; nothing where there are no lines."""
    block = [f"    {line}".rstrip() for line in lines]
    return [_paragraph(title), "\n".join([*block, ""])] if block else []


if __name__ == "__main__":
    sys.exit(main())
