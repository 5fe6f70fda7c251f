"""The table of events and the code that emits them agree."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pe_nfq
from pe_nfq.log.table import EVENTS

SOURCES = sorted(Path(pe_nfq.__file__).parent.rglob("*.py"))
#: How code that emits calls its log: `log.emit`, or `tell` where it is handed a function.
EMITTERS = {"emit", "_emit", "tell", "_tell"}


def emitted() -> Iterator[tuple[str, str, set[str]]]:
    """(where, event, facts) of every call that names its event."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            function, event = node.func, node.args[0]
            name = function.attr if isinstance(function, ast.Attribute) else ""
            if name in EMITTERS and isinstance(event, ast.Constant):
                facts = {keyword.arg for keyword in node.keywords if keyword.arg}
                for argument in node.args[1:]:
                    if isinstance(argument, ast.Dict):
                        facts |= {str(ast.literal_eval(key)) for key in argument.keys if key}
                yield f"{path.name}:{node.lineno}", str(event.value), facts


def test_every_event_that_is_emitted_is_listed() -> None:
    """With facts of its row only; ids become names on the way from a worker."""
    calls = list(emitted())
    assert calls
    for where, event, facts in calls:
        assert event in EVENTS, where
        named = {fact.replace("dest_id", "dest") for fact in facts}
        assert named <= set(EVENTS[event].facts), where


def test_no_row_lists_a_fact_twice() -> None:
    """A row is a set in an order."""
    for event, row in EVENTS.items():
        assert len(set(row.facts)) == len(row.facts), event
