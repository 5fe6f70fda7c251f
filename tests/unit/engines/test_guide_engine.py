"""The engine of the README's guide, installed and at work: real registry, director and table.

In a process of its own, which has the example's distribution on its path.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pe_nfq.lifetime import Kind, Lifetimes
from tests.unit.engines.test_third_party_engine import build

ROOT = Path(__file__).parents[3]
CALLS = 200
P = 360

#: All calls come from one ip:port; two workers get their commands in turn, and the time is told.
PLAY = """
import json, sys
from pe_nfq.director import Director
from pe_nfq.lifetime import Lifetimes
from tests.packets import udp
from tests.tables import all_templates, by_number, open_table, publish_services, services

engine, calls, p, silence = sys.argv[1], *map(int, sys.argv[2:])
told = []

def play(worker, now, command):
    sent = [b"%d_1 %s call-%d@sbc %s" % (n, command[:1], n, command[2:]) for n in range(calls)]
    return [worker.decide(udp(payload), now).dest_id for payload in sent]

def lives(table):
    found = [template.life for template in all_templates(table).values()]
    return sorted({(life.kind, life.timeout) for life in found})

with open_table(max_templates=10_000) as table:
    facts = {"engine": engine, "timeout": p, "scheduler": "rr", "lifetimes": Lifetimes()}
    publish_services(table, services(by_number(1, 2, 3), max_templates=10_000, **facts))
    one, two = (
        Director(table, lambda *e: told.append(e[0]), lambda now, work: work()) for _ in range(2)
    )
    one.follow(), two.follow()
    now = 1000
    answers = {"U": play(one, now, b"U 192.0.2.1 4000 f ")}
    answers["L"] = play(two, now + 1000, b"L 192.0.2.2 4000 f t ")
    answered = lives(table)
    answers["U again"] = play(one, now + silence * 1000, b"U 192.0.2.1 4002 f t ")
    answers["D"] = play(two, now + silence * 1000 + 1000, b"D f t ")
    print(json.dumps([answers, answered, lives(table), sorted(set(told))]))
"""


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the example is installed."""
    base = tmp_path_factory.mktemp("guide")
    return build(base, base / "target", "pe-nfq-engine-example")


def play(example: Path, engine: str, silence: int) -> Any:
    """Servers by command and call; (kind, timeout) of all templates answered and ended; events."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{example}"}
    done = subprocess.run(
        [sys.executable, "-c", PLAY, engine, str(CALLS), str(P), str(silence)],
        env=environment,
        text=True,
        capture_output=True,
    )
    assert not done.stderr
    return json.loads(done.stdout)


def test_its_calls_stay_together(example: Path) -> None:
    """From one ip:port to three servers, by two workers, over three hours without a word."""
    answers, answered, ended, told = play(example, "rtpproxy", silence=3 * 3600)

    assert len(set(answers["U"])) == 3
    assert [answers[command] for command in answers] == [answers["U"]] * 4
    assert answered == [[Kind.CALL, Lifetimes().dialog]]
    assert ended == [[Kind.CALL, Lifetimes().ending]]
    assert "engine-error" not in told


def test_without_it_they_are_on_one_server(example: Path) -> None:
    """The same by client address alone: what the engine is for."""
    answers, answered, _, _ = play(example, "source", silence=10)

    assert len({server for servers in answers.values() for server in servers}) == 1
    assert answered == [[Kind.PLAIN, P]]


def test_beyond_the_dialog_timeout_they_are_placed_anew(example: Path) -> None:
    """The test above can fail: a day of silence is more than a dialog may have."""
    answers, _, _, _ = play(example, "rtpproxy", silence=86_400 + 1)

    assert answers["U again"] != answers["U"]
    assert answers["D"] == answers["U again"]
