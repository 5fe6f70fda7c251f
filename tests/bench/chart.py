"""The chart of a result: bars of what a datagram costs and how many pass, and how cost grows."""

from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

#: No display, and no state that a second chart would find.
mpl.use("Agg")

_CPU, _PACKETS = ": CPU ns/datagram", ": packets/s"
_GROWTH: Final = "templates"
_COLOURS: Final = {"pe-nfq": "#2a6f97", "": "#a3a3a3"}


def draw(found: dict[str, Any], path: Path) -> None:
    """Write a PNG of `found` (`Results.as_json`). Raises OSError."""
    rows = {row["name"]: row for row in found["rows"]}
    figure = Figure(figsize=(11, 0.9 + 0.33 * max(4, len(_bars(rows, _PACKETS)))), dpi=110)
    left, right = figure.subplots(1, 2)
    _draw_bars(left, _bars(rows, _CPU), "worker CPU, us a datagram", 1e-3)
    _draw_bars(right, _bars(rows, _PACKETS), "thousand datagrams a second", 1e-3)
    facts = found["machine"]
    figure.suptitle(f"{facts['cpu']}, {facts['cores']} cores, Linux {facts['kernel']}", fontsize=9)
    figure.tight_layout()
    figure.savefig(path, format="png", metadata={"Software": None})


def _bars(rows: dict[str, dict[str, Any]], suffix: str) -> list[tuple[str, dict[str, Any]]]:
    """(name, row) of the quantity that `suffix` names, in the order in which they were measured."""
    return [(name.removesuffix(suffix), row) for name, row in rows.items() if name.endswith(suffix)]


def _draw_bars(
    axes: Axes, bars: list[tuple[str, dict[str, Any]]], title: str, scale: float
) -> None:
    names = [name for name, _ in bars]
    values = [row["median"] * scale for _, row in bars]
    below = [value - row["min"] * scale for value, (_, row) in zip(values, bars, strict=True)]
    above = [row["max"] * scale - value for value, (_, row) in zip(values, bars, strict=True)]
    colours = [_COLOURS["pe-nfq" if name.startswith("pe-nfq") else ""] for name in names]
    axes.barh(names, values, color=colours, xerr=[below, above], ecolor="#404040")
    axes.invert_yaxis()
    axes.set_title(title, fontsize=9)
    axes.tick_params(labelsize=8)
    for at, value in enumerate(values):
        axes.annotate(f" {value:.3g}", (0, at), va="center", fontsize=8, color="white")
