"""What becomes of a worker's record on its way to the log."""

from typing import Any

from pe_nfq.supervisor.chronicle import Chronicle


def test_call_ids_are_bytes_of_the_wire_again() -> None:
    """They travel as Latin-1 text; whose server a template shares is a Call-ID as well."""
    told: list[dict[str, Any]] = []
    chronicle = Chronicle(lambda event, **facts: told.append({"event": event, **facts}))
    record = {"pe_data": "a\xff", "related": "b\xfe", "why": "Replaces", "dest_id": 7}
    chronicle.record({"event": "template-created", **record})
    assert told == [
        {
            "event": "template-created",
            "pe_data": b"a\xff",
            "related": b"b\xfe",
            "why": "Replaces",
            "dest": "#7",
        }
    ]
