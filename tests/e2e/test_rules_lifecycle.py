"""Loading, replacing and unloading the rules: once is enough, nothing is lost, nothing remains."""

import itertools
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Final

import pytest

from tests.e2e.rules_lab import (
    FIRST_MARK,
    LOAD_RULES,
    SECOND_MARK,
    SERVICES,
    VARIANTS,
    VIP,
    RulesLab,
)
from tests.lab.waiting import wait_until

INVITE: Final = b"INVITE sip:bob@example.com SIP/2.0\r\nCall-ID: a\r\n\r\n"
#: Datagrams that are sent while rules are replaced, at most.
_LOAD: Final = 2000

#: Loads as often as it is told, with two and three workers in turn, in one process.
_RELOADER: Final = """
import sys
from pe_nfq.cli import main
for number in range(int(sys.argv[1])):
    assert main(["rules", "load", "--workers", str(2 + number % 2), *sys.argv[2:]]) == 0
"""


@pytest.fixture(params=VARIANTS)
def lab(request: pytest.FixtureRequest) -> Iterator[RulesLab]:
    with RulesLab(request.param) as built:
        yield built


def both(lab: RulesLab) -> list[str]:
    """What iptables-save says, IPv4 and IPv6."""
    return [lab.save(4), lab.save(6)]


def prime(lab: RulesLab) -> None:
    """Make the tables: the kernel never removes one of the legacy variant again."""
    if lab.variant == "iptables-legacy":
        for tool, table in itertools.product((lab.tool(4), lab.tool(6)), ("raw", "mangle")):
            lab.director.run([tool, "-t", table, "-S"])


def test_two_loads_leave_one_set(lab: RulesLab) -> None:
    """Loading is idempotent to the byte."""
    lab.load("--workers", "2")
    once = both(lab)
    lab.load("--workers", "2")

    assert both(lab) == once


def test_a_load_replaces_what_was_loaded_with_other_parameters(lab: RulesLab) -> None:
    """Fewer workers, other queues, fewer services: the set is the same as after a first load."""
    lab.load("--service", "203.0.113.11:5070", "--workers", "5", "--server", "192.0.2.99")
    lab.load("--queue", "100", "--workers", "2")
    replaced = both(lab)
    lab.unload()
    lab.load("--queue", "100", "--workers", "2")

    assert both(lab) == replaced


def test_a_load_for_one_family_takes_the_other_ones_rules_away(lab: RulesLab) -> None:
    """The old set goes as a whole."""
    prime(lab)
    empty = lab.save(6)
    lab.load()
    lab.load("--family", "4")

    assert "PENFQ" in lab.save(4)
    assert lab.save(6) == empty


def test_unload_leaves_nothing_and_nothing_of_others_is_touched(lab: RulesLab) -> None:
    """The namespace reads as before, with the rules that somebody else has."""
    prime(lab)
    for family in (4, 6):
        theirs = ["-t", "raw", "-A", "PREROUTING", "-p", "tcp", "-m", "comment", "--comment", "a b"]
        lab.director.run([lab.tool(family), *theirs])
    before = both(lab)
    lab.load("--workers", "2")
    assert both(lab) != before
    lab.unload()

    assert both(lab) == before


def test_unload_leaves_an_untouched_namespace_empty() -> None:
    """The nft variant's tables go as well, where nobody else has anything in them."""
    with RulesLab("iptables-nft") as lab:
        assert lab.director.run(["nft", "list", "ruleset"]).stdout == ""
        lab.load()
        lab.unload()

        assert lab.director.run(["nft", "list", "ruleset"]).stdout == ""


def test_unload_of_nothing_is_no_error(lab: RulesLab) -> None:
    """It says so and changes nothing."""
    assert lab.rules("unload").stdout == "nothing was loaded\n"
    assert both(lab) == ["", ""]


CRASHES: Final[dict[str, list[str]]] = {
    "raw is not loaded": ["-t raw -F", "-t raw -X"],
    "chains without jump": ["-t raw -D PREROUTING 1", "-t mangle -D PREROUTING 1"],
    "jump to an empty chain": ["-t raw -F PENFQ-STAGE1"],
    "jump twice": ["-t raw -A PREROUTING -p udp -j PENFQ-STAGE1"],
    "another jump": ["-t mangle -I PREROUTING -i eth0 -j PENFQ-STAGE2"],
    "a chain too many": ["-t raw -N PENFQ-old", "-t raw -A PENFQ-STAGE1 -j PENFQ-old"],
}


@pytest.mark.parametrize("crash", CRASHES)
def test_a_load_repairs_what_a_crash_left(lab: RulesLab, crash: str) -> None:
    """Whatever half of ours is there, loading again makes it right, and unload leaves nothing."""
    prime(lab)
    empty = lab.save(4)
    for last in (lab.load, lab.unload):
        lab.load()
        whole = lab.save(4)
        for command in CRASHES[crash]:
            lab.director.run([lab.tool(4), *command.split()])
        assert lab.save(4) != whole
        last()

        assert lab.save(4) == (whole if last == lab.load else empty)


def test_loads_at_the_same_time_leave_one_set(lab: RulesLab) -> None:
    """They wait for each other."""
    lab.load()
    once = both(lab)
    words = lab.director.enter([str(LOAD_RULES), "load", *SERVICES, "--backend", lab.variant])
    loads = [subprocess.Popen(words, stdout=subprocess.PIPE) for _ in range(4)]
    assert [load.communicate(timeout=60) and load.returncode for load in loads] == [0] * 4

    assert both(lab) == once


def test_replacing_under_load_loses_and_splits_nothing(lab: RulesLab) -> None:
    """50 replacements while datagrams flow: each arrives once and decided, none overlooked."""
    lab.load("--workers", "3")
    for queue in (5060, 5061, 5062):
        lab.listen(queue, FIRST_MARK)
    lab.listen(5059, SECOND_MARK)
    reloader = lab.director.start(
        [sys.executable, "-c", _RELOADER, "50", *SERVICES, "--backend", lab.variant]
    )
    sent: list[bytes] = []
    pause = threading.Event()
    while reloader.status is None and len(sent) < _LOAD:
        batch = [INVITE + str(len(sent) + n).encode() for n in range(5)]
        lab.send(batch)
        sent += batch
        pause.wait(0.03)
    assert reloader.wait(90) == 0

    arrivals = lab.receive(len(sent))
    assert len(sent) > 200
    assert sorted(arrival.payload for arrival in arrivals) == sorted(sent)
    assert all(arrival.is_decided for arrival in arrivals)


def test_unload_waits_for_what_is_queued(lab: RulesLab) -> None:
    """No hook goes down while a datagram waits: it would be dropped."""
    lab.load()
    holder = lab.listen(5060, FIRST_MARK, held=True)
    lab.send([INVITE] * 5)
    wait_until(lambda: _waiting(lab, 5060) == 5, "five datagrams in the queue")
    unload = lab.director.start([str(LOAD_RULES), "unload"])
    wait_until(lambda: "-A PREROUTING" not in lab.save(4), "the jumps to go")
    with pytest.raises(TimeoutError):
        unload.wait(1.0)
    assert "PENFQ" in lab.save(4)
    os.kill(holder.pid, signal.SIGUSR1)

    assert unload.wait(10) == 0
    assert lab.receive(5) == [(INVITE, FIRST_MARK)] * 5
    assert "PENFQ" not in lab.save(4)


def test_unload_gives_up_on_a_worker_that_hangs(lab: RulesLab) -> None:
    """Nothing new is queued, one line says what is wrong, and the next unload finishes."""
    lab.load()
    holder = lab.listen(5060, FIRST_MARK, held=True)
    lab.send([INVITE])
    wait_until(lambda: _waiting(lab, 5060) == 1, "a datagram in the queue")

    failed = lab.rules("unload")

    assert failed.returncode == 2
    assert failed.stderr.count("\n") == 1
    assert "datagrams still wait in our queues" in failed.stderr
    assert lab.exchange([b"later than that"]) == [(b"later than that", 0)]
    holder.stop(signal.SIGKILL)
    lab.unload()
    assert "PENFQ" not in lab.save(4)


def _waiting(lab: RulesLab, queue: int) -> int:
    table = lab.director.run(["cat", "/proc/net/netfilter/nfnetlink_queue"]).stdout
    rows = (line.split() for line in table.splitlines())
    return next((int(row[2]) for row in rows if int(row[0]) == queue), 0)


def test_a_dry_run_changes_nothing_and_says_all(lab: RulesLab) -> None:
    """What it prints, given to a shell, is what a load does; the same for unload."""
    prime(lab)
    empty = both(lab)
    shown = lab.rules("load", *SERVICES, "--backend", lab.variant, "--dry-run").stdout
    assert both(lab) == empty
    lab.director.run(["sh", "-e", "-c", shown])
    by_shell = both(lab)
    lab.load()
    assert both(lab) == by_shell

    shown = lab.rules("unload", "--dry-run").stdout
    assert both(lab) == by_shell
    lab.director.run(["sh", "-e", "-c", shown])
    assert both(lab) == empty


def test_auto_stays_with_the_variant_that_holds_rules(lab: RulesLab) -> None:
    """Others' rules first, then ours; a load with another variant moves ours there."""
    lab.director.run([lab.tool(4), "-A", "FORWARD", "-p", "tcp", "-j", "ACCEPT"])
    other = next(variant for variant in VARIANTS if variant != lab.variant)

    assert f"loaded with {lab.variant}" in lab.rules("load", *SERVICES).stdout
    assert f"loaded with {other}" in lab.rules("load", *SERVICES, "--backend", other).stdout
    assert "PENFQ" not in lab.save(4) + lab.save(6)
    assert f"loaded with {other}" in lab.rules("load", *SERVICES).stdout


def test_a_load_that_nobody_serves_says_what_that_means(lab: RulesLab) -> None:
    """It is no error: rules may come first. With a worker there is nothing to say."""
    words = ["load", *SERVICES, "--backend", lab.variant]
    assert lab.rules(*words, "--dry-run").stderr == ""
    done = lab.rules(*words)
    assert (done.returncode, done.stdout.count("\n")) == (0, 1)
    assert done.stderr == (
        "pe-nfq: no daemon serves these queues: datagrams follow the fallback marks until "
        "pe-nfq run says ready\n"
    )
    lab.listen(5060, FIRST_MARK)
    assert lab.rules(*words).stderr == ""


def test_what_the_kernel_cannot_hold_is_refused_with_the_reason() -> None:
    """Native nft needs nft_queue; where the kernel has it the rules are loaded and go again."""
    with RulesLab() as lab:
        done = lab.rules("load", *SERVICES, "--backend", "nft")
        if done.returncode == 0:
            assert "queue flags bypass to" in lab.rules("show").stdout
            lab.unload()
        else:
            assert "this kernel has no nft_queue" in done.stderr
            assert (done.returncode, done.stderr.count("\n")) == (2, 1)

        assert lab.director.run(["nft", "list", "ruleset"]).stdout == ""


def test_a_configuration_file_says_everything(lab: RulesLab) -> None:
    """Its queues, services and marks; an option that it has already said is refused."""
    config = lab.director.directory / "pe-nfq.toml"
    config.write_text("""\
workers = 2
queue = 300
mark_base = 0x10000000
[[service]]
address = "203.0.113.10:5070"
[[service.server]]
address = "192.0.2.11"
""")
    lab.rules("load", "-c", str(config), "--backend", lab.variant)
    by_file = lab.save(4)
    lab.unload()
    options = ["--vip", VIP[4], "--port", "5070", "--queue", "300", "--workers", "2"]
    lab.rules("load", *options, "--mark-base", "0x10000000", "--backend", lab.variant)

    assert "--queue-num 299" in by_file
    assert lab.save(4) == by_file
    done = lab.rules("load", "-c", str(config), "--queue", "1")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)


def test_operator_errors_are_one_line(lab: RulesLab) -> None:
    """What is wrong and what would be right; nothing is changed."""
    for words, text in (
        ([], "no service is given"),
        ([*SERVICES, "--workers", "99"], "--workers 99"),
        ([*SERVICES, "--standby-queue", "5060"], "--standby-queue 5060"),
        ([*SERVICES, "--mark-base", "5"], "--mark-base 0x5"),
        (["--vip", VIP[4], "--vip", VIP[4]], "given twice"),
        (["--vip", VIP[4], "--family", "6"], "--family 6"),
    ):
        done = lab.rules("load", *words)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert text in done.stderr
    assert both(lab) == ["", ""]
