"""Which rule machinery to use, found out by trying; loading and unloading with any of them."""

import fcntl
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, Protocol

from pe_nfq.errors import RulesError
from pe_nfq.netfilter.command import Command, run
from pe_nfq.netfilter.drain import is_empty, wait_empty
from pe_nfq.netfilter.nft import Nft
from pe_nfq.netfilter.returns import Returns
from pe_nfq.netfilter.ruleset import Kind, RuleSet
from pe_nfq.netfilter.xtables import Xtables


class Backend(Protocol):
    """What `Xtables` and `Nft` have in common; each method says more there."""

    @property
    def name(self) -> str: ...  # noqa: D102
    def held(self) -> tuple[int, ...]: ...  # noqa: D102
    def has_foreign(self) -> bool: ...  # noqa: D102
    def queues(self) -> set[int]: ...  # noqa: D102
    def show(self) -> Iterator[str]: ...  # noqa: D102
    def ours(self) -> list[str]: ...  # noqa: D102
    def expected(self, rules: RuleSet) -> list[str]: ...  # noqa: D102
    def load(self, rules: RuleSet) -> list[Command]: ...  # noqa: D102
    def stop(self, families: Iterable[int]) -> list[Command]: ...  # noqa: D102
    def clear(self, families: Iterable[int]) -> list[Command]: ...  # noqa: D102
    def tidy(self, families: Iterable[int]) -> list[Command]: ...  # noqa: D102


#: On a machine where nobody has rules yet, the first that works: what Debian calls iptables,
#: then its older variant, then native nft.
BACKENDS: Final[Sequence[Backend]] = (Xtables("iptables-nft"), Xtables("iptables-legacy"), Nft())
NAMES: Final = tuple(backend.name for backend in BACKENDS)
#: Beside any of them.
RETURNS: Final = Returns()


def holders() -> list[Backend]:
    """The backends that hold rules of ours."""
    return [backend for backend in BACKENDS if backend.held()]


def choose(name: str, rules: RuleSet) -> Backend:
    """The backend `name`, or for ``auto`` the best one. Raises RulesError where none can.

    `auto` stays with what holds our rules, then with what holds others'.
    Whether one can is tried with the very rules, in a network namespace of their own.
    """
    wanted = [backend for backend in BACKENDS if name in (backend.name, "auto")]
    # In the input hook native nft has room behind all filters, and iptables has not.
    late = rules.kind is Kind.INPUT
    wanted.sort(key=lambda b: (not b.held(), not b.has_foreign(), late and b.name != "nft"))
    reasons = []
    for backend in wanted:
        try:
            backend.expected(rules)
        except RulesError as error:
            reasons.append(f"{backend.name} cannot hold the rules here ({error})")
        else:
            return backend
    raise RulesError("; ".join(reasons))


def load(backend: Backend, rules: RuleSet) -> None:
    """Make `rules` the only ones of ours. Raises RulesError."""
    for command in planned_load(backend, rules):
        run(command)
    retire(leftovers(backend, rules))


def planned_load(backend: Backend, rules: RuleSet) -> list[Command]:
    """What puts `rules` in place, replies first: no reply of theirs leaves as it is."""
    returns = RETURNS.load(rules) if uses_returns(rules) else []
    return [*returns, *backend.load(rules)]


def uses_returns(rules: RuleSet) -> bool:
    """Whether a load of `rules` is one of the table for replies as well."""
    # Taking the table away would take a hook down; without a masq server it is emptied.
    return bool(RETURNS.held()) or (bool(rules.returns) and rules.rewrites)


def leftovers(backend: Backend, rules: RuleSet) -> list[tuple[Backend, tuple[int, ...]]]:
    """What is ours in other backends, or in families that `rules` do not have."""
    found = []
    for other in BACKENDS:
        kept = rules.families if other is backend else ()
        # Native nft has one table for both families, which a load replaces whole.
        families = () if other is backend and isinstance(other, Nft) else other.held()
        found.append((other, tuple(family for family in families if family not in kept)))
    return [(other, families) for other, families in found if families]


def everything() -> list[tuple[Backend, tuple[int, ...]]]:
    """All that is ours."""
    return [(held, families) for held in (*BACKENDS, RETURNS) if (families := held.held())]


def retire(victims: Sequence[tuple[Backend, tuple[int, ...]]]) -> None:
    """Remove what is ours in these without losing what is queued. Raises RulesError."""
    queues = {queue for backend, _ in victims for queue in backend.queues()}
    # Planned first: what is left when our rules are gone cannot be told from others' any more.
    tidying = [command for backend, families in victims for command in backend.tidy(families)]
    for backend, families in victims:
        for command in backend.stop(families):
            run(command)
    if not wait_empty(queues):
        raise RulesError(
            "datagrams still wait in our queues: no more come, but the worker does not decide"
            " them; start or kill it, then unload again"
        )
    for backend, families in victims:
        for command in backend.clear(families):
            run(command)
    # Removing a table takes a hook down, and with it whatever anybody has queued here.
    if is_empty():
        for command in tidying:
            run(command)


def planned_unload(victims: Sequence[tuple[Backend, tuple[int, ...]]]) -> Iterator[str]:
    """What `retire` would do, as text for a shell."""
    for backend, families in victims:
        yield from map(str, backend.stop(families))
    if victims:
        yield "# wait until our queues are empty"
    for backend, families in victims:
        yield from map(str, [*backend.clear(families), *backend.tidy(families)])


class Exclusive:
    """While entered, no other load or unload runs in this network namespace."""

    def __enter__(self) -> None:
        """Wait for the other one."""
        self._file = Path("/proc/self/ns/net").open()
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        self._file.close()
