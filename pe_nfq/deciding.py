"""Several datagrams decided together: what they read, and what they write, in one transaction each.

A transaction costs as much as a claim or two, and all workers share one write
lock. So a datagram that the caches do not answer is decided by a generator,
which stops where it has a question for the table; the questions of several
are settled at once, each under the rules of its own service.
"""

from collections.abc import Callable, Generator, Sequence

from pe_nfq.model import Decision
from pe_nfq.templates import Ask, Settled, Table

#: What asks the table to settle, and returns what it was made for.
Deciding = Generator[Ask, Settled, Decision]
#: The same; None: the snapshot it went by is old.
Looking = Generator[Ask, Settled, Decision | None]


def decide_together(
    table: Table, undecided: Sequence[Deciding], in_time: Callable[[], bool]
) -> list[Decision | Exception]:
    """The decision of each; an exception is what it raised.

    Of the first ones only, where `in_time` does not hold any more: the others have not begun.
    """
    decided: dict[int, Decision | Exception] = {}
    asking: list[tuple[int, Ask]] = []
    begun = 0
    with table.reading():
        for deciding in undecided:
            _step(deciding.__next__, (), begun, asking, decided)
            begun += 1
            if not in_time():
                break
    while asking:
        asked, asking = asking, []
        answers = table.settle([ask for _, ask in asked])
        for (number, _), answer in zip(asked, answers, strict=True):
            deciding = undecided[number]
            go_on = deciding.throw if isinstance(answer, Exception) else deciding.send
            _step(go_on, (answer,), number, asking, decided)
    return [decided[number] for number in range(begun)]


def _step(
    go_on: Callable[..., Ask],
    answer: tuple[Settled | Exception, ...],
    number: int,
    asking: list[tuple[int, Ask]],
    decided: dict[int, Decision | Exception],
) -> None:
    """Let one go on to its next question or to its end."""
    try:
        asking.append((number, go_on(*answer)))
    except StopIteration as end:
        decided[number] = end.value
    except Exception as error:
        decided[number] = error
