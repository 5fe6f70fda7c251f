"""The workers: what they decide, what waits for them, what passed them by."""

from collections.abc import Sequence
from typing import Final

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from pe_nfq.top.numbers import DIM, TROUBLE, WARNING, rate_text
from pe_nfq.top.picture import Rate, Worker, total

_TITLES: Final = ("pid", "verdicts/s", "waiting", "passed on", "lost")
_LONGEST_NAME: Final = 10
_NUMBER: Final = 10


def worker_table(workers: Sequence[Worker]) -> Table:
    """A line a worker, under titles."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style=DIM)
    table.add_column("worker", width=_LONGEST_NAME, no_wrap=True, overflow="ellipsis")
    for title in _TITLES:
        table.add_column(title, justify="right", width=_NUMBER, no_wrap=True)
    for worker in workers:
        table.add_row(
            Text(worker.name),
            Text(str(worker.pid)) if worker.lives else Text("dead", TROUBLE),
            Text(rate_text(worker.verdicts)),
            Text(f"{worker.waiting:,}"),
            Text(f"{worker.passed_on:,}", _alarm(worker.passed_on_rate, WARNING)),
            Text(f"{worker.lost:,}", TROUBLE if worker.lost else ""),
        )
    return table


def worker_line(workers: Sequence[Worker]) -> RenderableType:
    """All of them in one line, where a table has no room."""
    live = sum(worker.lives for worker in workers)
    dead = len(workers) - live
    parts = [
        Text.assemble(("workers ", DIM), str(live), (f", {dead} dead" if dead else "", TROUBLE)),
        Text.assemble(("verdicts/s ", DIM), rate_text(total(each.verdicts for each in workers))),
        Text.assemble(("waiting ", DIM), f"{sum(each.waiting for each in workers):,}"),
    ]
    line = Text("   ", no_wrap=True, overflow="ellipsis").join(parts)
    line.no_wrap, line.overflow = True, "ellipsis"
    return line


def _alarm(rate: Rate, style: str) -> str:
    return style if rate else ""
