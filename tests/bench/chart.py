"""The chart of a result: bars of what a datagram costs and how many pass, and how cost grows."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

_CPU: Final = ": CPU ns/datagram"
_PACKETS: Final = ": packets/s"
#: What bars are drawn of; the rest of the rows varies one of these.
_MAIN: Final = re.compile(
    r"no queue|C null verdict|Kamailio .*|pe-nfq 2 workers, known dialogs"
    r"|pe-nfq 1 worker, (known dialogs|new dialog every third datagram|fresh calls"
    r"|two thirds one-shot)(, no budgets)?"
)
#: ``10,000 templates, known: CPU ns/datagram``: how many there are of what, and what is sent.
_GROWTH: Final = re.compile(rf"([\d,]+) (template|service|server)s?(, .+)?{_CPU}")
_OURS, _OTHERS = "#2a6f97", "#9a9a9a"


class Bar(NamedTuple):
    """What, and its median, lowest and highest."""

    name: str
    median: float
    low: float
    high: float


def draw(found: dict[str, Any], path: Path) -> None:
    """Write a PNG of `found` (`Results.as_json`). Raises OSError."""
    cpu, packets, lines = bars(found, _CPU), bars(found, _PACKETS), growth(found)
    height = 1.0 + 0.34 * max(4, len(packets))
    figure = Figure(figsize=(11, height + (2.6 if lines else 0)), dpi=100)
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(2 if lines else 1, 2, height_ratios=[height, 2.6][: 1 + bool(lines)])
    left, names = figure.add_subplot(grid[0, 0]), [bar.name for bar in packets]
    right = figure.add_subplot(grid[0, 1], sharey=left)
    _draw_bars(left, names, cpu, "CPU of the worker, us a datagram")
    _draw_bars(right, names, packets, "thousand datagrams a second")
    left.invert_yaxis()
    right.tick_params(labelleft=False)
    if lines:
        _draw_lines(figure.add_subplot(grid[1, :]), lines)
    facts = found["machine"]
    figure.suptitle(f"{facts['cpu']}, {facts['cores']} cores, Linux {facts['kernel']}", fontsize=9)
    figure.tight_layout()
    figure.savefig(path, format="png")


def bars(found: dict[str, Any], suffix: str) -> list[Bar]:
    """The rows of the comparison of one quantity, in thousands, in the order of measuring."""
    return [
        Bar(name, *(row[key] / 1000 for key in ("median", "min", "max")))
        for row in found["rows"]
        if row["name"].endswith(suffix)
        and _MAIN.fullmatch(name := row["name"].removesuffix(suffix))
    ]


def growth(found: dict[str, Any]) -> dict[str, list[tuple[int, float]]]:
    """CPU (us a datagram) by how many there are: of templates, of services, of servers."""
    lines: dict[str, list[tuple[int, float]]] = {}
    for row in found["rows"]:
        if many := _GROWTH.fullmatch(row["name"]):
            point = (int(many[1].replace(",", "")), row["median"] / 1000)
            lines.setdefault(f"{many[2]}s{many[3] or ''}", []).append(point)
    return {what: sorted(points) for what, points in lines.items() if len(points) > 1}


def _draw_bars(axes: Axes, names: Sequence[str], drawn: Sequence[Bar], title: str) -> None:
    """One a name; none where `drawn` has none."""
    for at, name in enumerate(names):
        for bar in (bar for bar in drawn if bar.name == name):
            colour = _OURS if name.startswith("pe-nfq") else _OTHERS
            reach = [[bar.median - bar.low], [bar.high - bar.median]]
            axes.barh(at, bar.median, color=colour, xerr=reach, ecolor="#404040")
            axes.annotate(
                f"{bar.median:,.3g}",
                (bar.high, at),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
                fontsize=8,
            )
    axes.set_yticks(range(len(names)), [name.removeprefix("pe-nfq ") for name in names])
    axes.set_title(title, fontsize=9)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.12)


def _draw_lines(axes: Axes, lines: dict[str, list[tuple[int, float]]]) -> None:
    for what, points in lines.items():
        axes.plot(*zip(*points, strict=True), marker="o", label=what)
    axes.set_xscale("log")
    axes.set_ylim(bottom=0)
    axes.set_title("CPU of the worker, us a datagram, by how many there are", fontsize=9)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="upper right", bbox_to_anchor=(-0.08, 1.0))
