"""What every steering offers to the supervisor, and what it is told."""

from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol, Self

from pe_nfq.marks import DEFAULT_MARK_BASE
from pe_nfq.model import RealServer, Snapshot

DEFAULT_TABLE_BASE: Final = 506000000
DEFAULT_RULE_PRIORITY: Final = 5060


class _Configured(Protocol):
    """The part of a configuration that steering reads."""

    @property
    def mark_base(self) -> int: ...
    @property
    def table_base(self) -> int: ...
    @property
    def rule_priority(self) -> int: ...
    @property
    def vip_local(self) -> bool | None: ...


@dataclass(frozen=True, slots=True)
class Settings:
    """Where our objects stand.

    `vip_local`: whether the VIPs are addresses of this machine; None: look.
    """

    mark_base: int = DEFAULT_MARK_BASE
    table_base: int = DEFAULT_TABLE_BASE
    rule_priority: int = DEFAULT_RULE_PRIORITY
    vip_local: bool | None = None

    @classmethod
    def of(cls, config: _Configured) -> Self:
        """The settings that a configuration holds."""
        return cls(config.mark_base, config.table_base, config.rule_priority, config.vip_local)


class Report(NamedTuple):
    """What was changed, as command lines, and all that is not as it should be right now."""

    changes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class Steered(NamedTuple):
    """Where one mark leads at this moment; `server` is empty where it is refused.

    `table` and `device` are policy routing's; `method`, `weight` and `packets`
    (since the last zeroing) are of IPVS, where a mark may lead to several servers.
    """

    family: int
    mark: int
    table: int
    server: str
    device: str
    method: str = ""
    weight: int = 0
    packets: int = 0


class Steering(Protocol):
    """Makes the kernel follow marks. Synchronous; `wait_event` may run in a thread of its own."""

    def apply(self, snapshot: Snapshot, retired: tuple[RealServer, ...] = ()) -> Report:
        """Bring the kernel to what `snapshot` asks for.

        `retired` servers are no longer in it, but templates may still name
        them. A second call changes nothing. Raises SteeringError.
        """
        ...

    def plan_changes(self, snapshot: Snapshot, retired: tuple[RealServer, ...] = ()) -> Report:
        """What `apply` would change; nothing is changed. Raises SteeringError."""
        ...

    def clear(self, *, dry_run: bool = False) -> Report:
        """Remove all that is ours, whatever configuration left it, and nothing else.

        Raises SteeringError.
        """
        ...

    def show(self) -> tuple[Steered, ...]:
        """What of ours is in the kernel, by family and mark. Raises SteeringError."""
        ...

    def wait_event(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds for something after which `apply` should be called again."""
        ...

    def close(self) -> None:
        """Release descriptors; what is in the kernel stays. Not while `wait_event` waits."""
        ...
