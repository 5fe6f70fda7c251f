"""What workers tell, told to the operator: records become log events, numbers become names."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from pe_nfq.model import Snapshot

#: Facts of a record that are bytes of the wire, sent as Latin-1 text.
_WIRE_FACTS = ("pe_data", "related")


class Chronicle:
    """Turns worker records into log events. `tell(event, **facts)` never blocks."""

    def __init__(self, tell: Callable[..., None]) -> None:
        self._tell = tell
        self._names: dict[int, str] = {}
        self._services: dict[int, str] = {}

    def learn(self, snapshot: Snapshot) -> None:
        """Know the dests of a snapshot; earlier ones are kept, templates may still name them."""
        for service in snapshot.services:
            for dest in service.dests:
                self._names[dest.id] = str(dest.endpoint)
                self._services[dest.id] = str(service)

    def record(self, record: dict[str, Any]) -> None:
        """One record of a worker (`pe_nfq.events`)."""
        event = str(record.pop("event", "unknown"))
        for name in _WIRE_FACTS:
            if isinstance(record.get(name), str):
                record[name] = record[name].encode("latin-1", "replace")
        if "dest_id" in record:
            record["dest"] = self._dest(record.pop("dest_id"))
        old = record.pop("old_dest_id", 0)
        if old:
            record["old_dest"] = self._dest(old)
        self._tell(event, **record)

    def expired(self, ended: Counter[int]) -> None:
        """Templates that the sweep ended, by dest id."""
        services: Counter[str] = Counter()
        for dest_id, count in ended.items():
            services[self._services.get(dest_id, "unknown")] += count
        for service, count in services.items():
            self._tell("expired", service=service, count=count)

    def _dest(self, dest_id: Any) -> str:
        return self._names.get(dest_id, f"#{dest_id}")
