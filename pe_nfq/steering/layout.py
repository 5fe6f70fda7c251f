"""Where our ip rules stand: a tree of gotos over the digits of a mark. Pure.

The kernel walks its rules one by one (`fib_rules_lookup`), about 10 ns each.
So whatever is not ours jumps over all of them, and a mark of ours meets at
most 16 rules on each of two levels, then those that share its leaf::

    0      not ours: goto end
    1, 2   decided, fallback marks: goto the branch, by bits 8-11
    3      32 branches: goto the leaf, by bits 4-7
    35     512 leaves: the exact mark, lookup its table
    547    ours, without a table: lookup local       (only while a VIP is local)
    548    end: nop

Decided marks come first: they are the traffic while we live. Every leaf rule
compares the whole mark, so gotos only save time; a missing one, or one whose
target is not there yet, changes no decision. A mark's rules depend on that
mark alone: adding a server never moves another's.
"""

from collections.abc import Iterator
from typing import Final

from pe_nfq.marks import DECIDED_COUNT, DECIDED_MASK, OURS_MASK
from pe_nfq.steering.objects import EXACT, LOCAL_TABLE, Action, Rule

_ROOTS: Final = 1
_BRANCHES: Final = 3
_LEAVES: Final = 35
_LOCAL: Final = 547
_END: Final = 548
#: How many priorities are ours, from `rule_priority` on.
SPAN: Final = 549

_BRANCH_BITS: Final = 0xF00
_LEAF_BITS: Final = 0xFF0


def frame(family: int, first: int, mark_base: int) -> Iterator[Rule]:
    """The way past our rules for all other packets; `first` is the first of our priorities."""
    end = first + _END
    yield Rule(family, first, Action.GOTO, end, mark_base, OURS_MASK, inverted=True)
    yield Rule(family, end, Action.NOP)


def lookups(family: int, first: int, mark: int, table: int) -> Iterator[Rule]:
    """The rules that lead a packet with `mark` to `table`; gotos are shared with other marks."""
    half = mark // DECIDED_COUNT & 1
    branch = first + _BRANCHES + 16 * half + ((mark & _BRANCH_BITS) >> 8)
    leaf = first + _LEAVES + 256 * half + ((mark & _LEAF_BITS) >> 4)
    for priority, bits, target in (
        (first + _ROOTS + half, _BRANCH_BITS, branch),
        (branch, _LEAF_BITS, leaf),
    ):
        mask = DECIDED_MASK | bits
        yield Rule(family, priority, Action.GOTO, target, mark & mask, mask)
    yield Rule(family, leaf, Action.LOOKUP, table, mark, EXACT)


def local_first(family: int, mark_base: int) -> Rule:
    """What stands in for the kernel's own first rule, `lookup local`, while a VIP is local.

    For packets that are not ours nothing changes, not even the order; ours
    pass by.
    """
    return Rule(family, 0, Action.LOOKUP, LOCAL_TABLE, mark_base, OURS_MASK, inverted=True)


def local_behind(family: int, first: int, mark_base: int) -> Rule:
    """The same for marks of ours that have no table: as if they had no mark."""
    return Rule(family, first + _LOCAL, Action.LOOKUP, LOCAL_TABLE, mark_base, OURS_MASK)
