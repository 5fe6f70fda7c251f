"""What one supervisor leaves to the next, and what the next makes of a file that it cannot use."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pe_nfq.lifetime import Lifetimes
from pe_nfq.model import Method, OnDecline
from pe_nfq.supervisor import kept_file, memory
from pe_nfq.supervisor.desired import Desired
from pe_nfq.supervisor.kept_file import ForeignError
from pe_nfq.supervisor.memory import Remembered, recall, remember
from tests.unit import keyed_engine
from tests.unit.supervisor.specs import A, B, C, specs, table

FILE = specs(table(A, "192.0.2.11", "192.0.2.12"))
EDITED = specs(
    {
        "address": "[2001:db8::10]:5060",
        "engine": "source",
        "scheduler": "mh",
        "sched_flags": ["mh-port"],
        "timeout": 7,
        "dialog_timeout": 7200,
        "mask": 64,
        "on_decline": "drop",
        "expire_quiescent": True,
        "on_down": "keep",
        "panic": "drop",
        "health": "options",
        "health_accept": "2xx,405",
        "health_source": "2001:db8::1",
        "server": [
            {
                "address": "2001:db8::11",
                "method": "masq",
                "weight": 5,
                "upper_threshold": 9,
                "lower_threshold": 4,
            }
        ],
    },
    table(C, "192.0.2.12"),
)
ADOPTED = specs(table(B, lifetime="fixed"))


def left(state_dir: Path) -> list[str]:
    return sorted(path.name for path in state_dir.iterdir())


def test_services_come_back_as_they_were(tmp_path: Path) -> None:
    """Every value of them; own and adopted ones apart."""
    assert EDITED[0].on_decline is OnDecline.DROP
    assert EDITED[0].servers[0].method is Method.MASQ
    assert EDITED[0].lifetimes == Lifetimes(dialog=7200)
    assert EDITED[0].health is not None
    assert ADOPTED[0].lifetimes is None
    remember(tmp_path, Desired(FILE, EDITED, ADOPTED))
    assert recall(tmp_path, FILE) == Remembered(EDITED, ADOPTED)
    assert left(tmp_path) == ["services.json"]


def test_no_services_at_all_are_remembered_too(tmp_path: Path) -> None:
    """`adm -C` holds as well."""
    remember(tmp_path, Desired(FILE, ()))
    assert recall(tmp_path, FILE) == Remembered(())


def test_nothing_is_left_where_nothing_is_changed(tmp_path: Path) -> None:
    """Also what was there before goes."""
    assert recall(tmp_path, FILE) == Remembered()
    remember(tmp_path, Desired(FILE, EDITED))
    remember(tmp_path, Desired.of_file(FILE))
    assert left(tmp_path) == []


def test_changes_of_another_file_are_outdated(tmp_path: Path) -> None:
    """What was adopted is not: it never came from the file."""
    remember(tmp_path, Desired(FILE, EDITED, ADOPTED))
    assert recall(tmp_path, EDITED) == Remembered(None, ADOPTED, is_outdated=True)


def test_adopted_services_alone_are_never_outdated(tmp_path: Path) -> None:
    """There is nothing to be said when the file's services change."""
    remember(tmp_path, Desired.of_file(FILE, ADOPTED))
    assert recall(tmp_path, EDITED) == Remembered(None, ADOPTED)


def test_a_write_that_fails_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At any point: nothing half written is ever found."""
    remember(tmp_path, Desired(FILE, EDITED))
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", refuse)
        with pytest.raises(OSError, match="No space"):
            remember(tmp_path, Desired(FILE, ()))
    assert left(tmp_path) == ["services.json"]
    assert recall(tmp_path, FILE) == Remembered(EDITED)


def refuse(*_: Any) -> None:
    raise OSError(28, "No space left on device")


def test_a_file_that_is_cut_anywhere_is_refused(tmp_path: Path) -> None:
    """And one with any byte changed: nothing but the whole is used, nothing else is raised."""
    remember(tmp_path, Desired(FILE, EDITED, ADOPTED))
    path = tmp_path / memory.NAME
    whole = path.read_bytes()
    spoilt = [whole[:size] for size in range(len(whole) - 1)]
    spoilt += [flipped(whole, at) for at in range(len(whole) - 1)]
    for data in spoilt:
        path.write_bytes(data)
        with pytest.raises(ForeignError):
            recall(tmp_path, FILE)


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"version": 1}, "of another version"),
        ({"boot": "yesterday"}, "of another boot"),
        ({"digest": "0"}, "damaged: not as it was written"),
    ],
)
def test_a_file_of_somebody_else_says_whose(
    tmp_path: Path, change: dict[str, Any], why: str
) -> None:
    """Another version, another boot."""
    remember(tmp_path, Desired(FILE, EDITED))
    path = tmp_path / memory.NAME
    head, body = path.read_text().splitlines()
    path.write_text(f"{json.dumps(json.loads(head) | change)}\n{body}\n")
    with pytest.raises(ForeignError, match=why):
        recall(tmp_path, FILE)


@pytest.mark.parametrize("data", [b"", b"\n", b"\xff", b"{}\n{}\n", b"[]\n[]\n", b"[" * 100_000])
def test_what_is_no_file_of_ours_is_refused(tmp_path: Path, data: bytes) -> None:
    """Whatever it is."""
    (tmp_path / memory.NAME).write_bytes(data)
    with pytest.raises(ForeignError):
        recall(tmp_path, FILE)


def test_a_directory_in_its_place_is_refused(tmp_path: Path) -> None:
    """As is a file that may not be read."""
    (tmp_path / memory.NAME).mkdir()
    with pytest.raises(ForeignError, match="cannot be read"):
        recall(tmp_path, FILE)


def _rewrite(state_dir: Path, change: Callable[[str], str]) -> None:
    """Keep something else, as whole as what was kept."""
    body = (state_dir / memory.NAME).read_text().splitlines()[1]
    kept_file.write(state_dir / memory.NAME, memory.VERSION, json.loads(change(body)))


def test_an_engine_that_is_gone_is_met_here(tmp_path: Path) -> None:
    """And not in the workers."""
    own = specs(table(A, engine="source"))
    remember(tmp_path, Desired(FILE, own))
    _rewrite(tmp_path, lambda body: body.replace("source", "former"))
    with pytest.raises(ForeignError, match="'former'"):
        recall(tmp_path, FILE)


def test_a_key_that_the_engine_has_no_more_is_met_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A newer release of the engine may have given it up."""
    plug_ins, state_dir = tmp_path / "plug-ins", tmp_path / "state"
    plug_ins.mkdir()
    state_dir.mkdir()
    with monkeypatch.context() as patch:
        keyed_engine.install(plug_ins, patch)
        own = specs(table(A, engine=keyed_engine.NAME, key="last"))
        remember(state_dir, Desired(FILE, own))
        assert recall(state_dir, FILE) == Remembered(own)
        _rewrite(state_dir, lambda body: body.replace('"last"', '"former"'))
        with pytest.raises(ForeignError, match="former is no word of it"):
            recall(state_dir, FILE)


@pytest.mark.parametrize("missing", ["key", "lifetimes"])
def test_a_service_without_a_new_value_is_refused(tmp_path: Path, missing: str) -> None:
    """What an earlier release wrote, were its version not told."""
    remember(tmp_path, Desired(FILE, EDITED))

    def without(body: str) -> str:
        facts = json.loads(body)
        del facts["own"][0][missing]
        return json.dumps(facts)

    _rewrite(tmp_path, without)
    with pytest.raises(ForeignError, match=f"damaged: KeyError.*{missing}"):
        recall(tmp_path, FILE)


def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    """Nothing secret, but nobody else's business: as the directory around it."""
    before = os.umask(0)
    try:
        remember(tmp_path, Desired(FILE, EDITED))
    finally:
        os.umask(before)
    assert (tmp_path / memory.NAME).stat().st_mode & 0o077 == 0
