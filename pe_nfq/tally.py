"""What a worker counts by real server and by service, on its way to the supervisor's totals.

The cells of the heartbeat are a worker's sums; these are numbers of many
servers, so they go as growth, once a second, through the pipe of
`pe_nfq.events`. What the pipe does not take goes with the next: nothing is
lost but the last second of a worker that is killed. Unlike events they have
no budget: there is one number for each server and word.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Final

from pe_nfq.record import PIPE_BUF

#: The event's name in the pipe.
TALLY: Final = "tally"
#: How often it is told (ms).
TELL_EVERY: Final = 1000
#: Numbers that are told between two rounds of a worker: 2 ms. Those of 10,000 servers take 50.
AT_ONCE: Final = 1000

# Words, and what the number beside them is. A `Reason` is a word too: beside a service's id.
MARK: Final = "mark"  # datagrams that got it: the mark
CREATED: Final = "created"  # templates: the dest's id
MOVED_IN: Final = "moved-in"
MOVED_OUT: Final = "moved-out"


class Tally:
    """Numbers that have grown since they were told, by word and number."""

    def __init__(self) -> None:
        self._grown: Counter[tuple[str, int]] = Counter()
        self._marked: Counter[int] = Counter()

    def count(self, word: str, number: int, amount: int = 1) -> None:
        """Add to one of them."""
        self._grown[word, number] += amount

    def count_marks(self, marks: Iterable[int]) -> None:
        """Add the marks of datagrams, one each."""
        self._marked.update(marks)

    def tell(self, worker: str, write: Callable[[bytes], bool], most: int | None = AT_ONCE) -> bool:
        """Write records of what has grown, `most` numbers, as long as `write` takes them.

        The rest stays; whether it would be taken now.
        """
        for mark, amount in self._marked.items():
            self._grown[MARK, mark] += amount
        self._marked.clear()
        for keys, record in _records(worker, list(islice(self._grown.items(), most))):
            if not write(record):
                return False
            for key in keys:
                del self._grown[key]
        return bool(self._grown)


def _records(
    worker: str, grown: list[tuple[tuple[str, int], int]]
) -> Iterator[tuple[list[tuple[str, int]], bytes]]:
    """Lines of JSON that a pipe takes whole, and what each tells of."""
    head, tail = f'{{"event":"{TALLY}","worker":"{worker}","grown":[', "]}\n"
    keys: list[tuple[str, int]] = []
    items: list[str] = []
    room = PIPE_BUF - len(head) - len(tail)
    for (word, number), amount in grown:
        item = f'["{word}",{number},{amount}]'
        if room < len(item) + 1:
            yield keys, f"{head}{','.join(items)}{tail}".encode()
            keys, items = [], []
            room = PIPE_BUF - len(head) - len(tail)
        keys.append((word, number))
        items.append(item)
        room -= len(item) + 1
    if items:
        yield keys, f"{head}{','.join(items)}{tail}".encode()
