"""`pe-nfq adm`: what needs no daemon, and what is told where there is none."""

import io
import socket
import sys
import threading
from pathlib import Path

import pytest

from pe_nfq import __version__, config
from pe_nfq.cli import main
from pe_nfq.cli.connections import PE_DATA_WIDTH
from pe_nfq.control.protocol import Answer, decode_request, encode_answer, socket_path
from pe_nfq.lifetime import Kind, Life
from pe_nfq.model import Snapshot
from pe_nfq.placement import Placement
from pe_nfq.templates import (
    Epoch,
    Ids,
    Scope,
    Table,
    boottime_ms,
    environment,
    publish,
)
from tests.tables import Ruled, settle

VIP = "203.0.113.10:5060"
Capture = pytest.CaptureFixture[str]


def adm(*words: str, state_dir: Path | None = None) -> int:
    where = ["--state-dir", str(state_dir)] if state_dir else []
    return main(["adm", *where, *words])


def test_help_and_version_need_no_daemon(capsys: Capture) -> None:
    """They are ours, not argparse's."""
    assert adm("-h") == adm("--help") == 0
    assert capsys.readouterr().out.count("usage: pe-nfq adm [--state-dir DIR") == 2
    assert adm("-v") == 0
    assert capsys.readouterr().out == f"pe-nfq {__version__}\n"


def test_wrong_words_need_no_daemon(capsys: Capture) -> None:
    """One line, and ipvsadm's status."""
    assert adm("-A", "-u", "x") == 2
    assert capsys.readouterr().err.startswith("pe-nfq: 'x' is not ADDRESS[:PORT] in numbers")
    assert adm("--bogus") == 255
    assert adm("--state-dir") == 255
    assert capsys.readouterr().err.count("\n") == 2


@pytest.mark.parametrize("words", [["--state-dir", "/x"], ["--state-dir=/x"], ["--config", "f"]])
def test_an_option_of_ours_behind_the_command_is_told_where_it_belongs(
    words: list[str], capsys: Capture
) -> None:
    """It is no unknown one: it is met among ipvsadm's words."""
    name = words[0].partition("=")[0]
    value = "FILE" if name == "--config" else "DIR"
    assert adm("-Ln", *words) == 255
    assert capsys.readouterr().err == (
        f"pe-nfq: {name}: it comes before the command: pe-nfq adm {name} {value} -Ln\n"
    )


def test_the_state_directory_may_stand_behind_an_equals_sign(
    tmp_path: Path, capsys: Capture
) -> None:
    """As every long option's value may."""
    assert adm(f"--state-dir={tmp_path}", "-L") == 255
    assert capsys.readouterr().err.startswith("pe-nfq: the daemon is not running")


def test_without_a_daemon(tmp_path: Path, capsys: Capture) -> None:
    """As when the kernel has no IPVS: refused, and what to do."""
    assert adm("-L", state_dir=tmp_path) == 255
    said = capsys.readouterr().err
    assert said.startswith("pe-nfq: the daemon is not running")
    assert said.count("\n") == 1


class Daemon:
    """Answers one request on a control socket."""

    def __init__(self, state_dir: Path, answer: Answer) -> None:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(socket_path(state_dir)))
        self._listener.listen()
        self._answer = answer
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        peer, _ = self._listener.accept()
        with peer, peer.makefile("rb") as lines:
            self.request = decode_request(lines.readline())
            peer.sendall(encode_answer(self._answer))

    def asked(self) -> dict[str, object]:
        """What was sent."""
        self._thread.join()
        self._listener.close()
        return {"verb": self.request.verb, **self.request.facts}


def test_words_go_to_the_daemon_and_its_answer_comes_back(tmp_path: Path, capsys: Capture) -> None:
    """Output as it is, every line of an error under our name, the status."""
    daemon = Daemon(tmp_path, Answer(255, "a\nb\n", "one\ntwo\n"))
    assert adm("-Ln", "--stats", state_dir=tmp_path) == 255
    assert daemon.asked() == {"verb": "adm", "argv": ["-Ln", "--stats"], "stdin": ""}
    assert capsys.readouterr() == ("a\nb\n", "pe-nfq: one\npe-nfq: two\n")


def test_what_is_restored_comes_from_standard_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any bytes of it, and only for -R."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"-C\n\xff\n")))
    daemon = Daemon(tmp_path, Answer())
    assert adm("-R", state_dir=tmp_path) == 0
    assert daemon.asked()["stdin"] == "-C\n\udcff\n"


def test_an_endless_input_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """More than any director's services."""
    with Path("/dev/zero").open("rb") as zeros:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(zeros))
        assert adm("-R", state_dir=tmp_path) == 255
    assert capsys.readouterr().err.startswith("pe-nfq: standard input is longer than")


def test_templates_are_read_from_the_table(tmp_path: Path, capsys: Capture) -> None:
    """Without a daemon, and with a Call-ID that would break a terminal."""
    facts = {"service": [{"address": VIP, "server": [{"address": "192.0.2.11"}]}]}
    env, _ = environment.create(tmp_path, 1000)
    table = Table(env, Epoch(env.directory))

    def build(number: int, ids: Ids) -> Snapshot:
        return config.to_snapshot(config.parse(facts, "test"), number, ids)

    publish(table, boottime_ms(), build, lambda state, old, new: state)
    snapshot = table.snapshot()
    assert snapshot is not None
    (service,) = snapshot.services
    scope = Scope.of(service.id, bytes((192, 0, 2, 1)), "sip")
    by = Ruled(Placement(service, snapshot).rules, lambda old: Life(Kind.PLAIN, 60))
    settle(table, scope.key(b"\x1b[2J" + b"x" * 200), boottime_ms(), by)
    table.close()

    assert adm("-Lcn", state_dir=tmp_path) == 0
    title, header, row = capsys.readouterr().out.splitlines()
    assert (title, header.split()[-1]) == ("IPVS connection entries", "destination")
    assert row.split()[3:] == ["192.0.2.1:0", VIP, "192.0.2.11:5060"]
    assert adm("-L", "-c", "--persistent-conn", state_dir=tmp_path) == 0
    *_, row = capsys.readouterr().out.splitlines()
    assert row.isprintable()
    assert row.endswith("x\\...")
    assert row.split()[6] == "sip"
    assert row.split()[7].startswith("\\x1b[2Jxxx")
    assert len(row.split()[7]) == PE_DATA_WIDTH
