"""What a reload follows, what it refuses, and what it says beforehand."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from pe_nfq.config import Config, load, to_snapshot
from pe_nfq.errors import PeNfqError
from pe_nfq.lifetime import Kind
from pe_nfq.supervisor.reload_plan import differences, moves, refuse_to_change
from tests.unit.config.test_config import NumberedByFirstUse
from tests.unit.supervisor.specs import A, B, C, specs, table
from tests.unit.supervisor.specs import config as config_of

#: Part of every snapshot, or of what `pe-nfq adm` adds to it; `allow_disk` only matters for
#: `state_dir`. The rest has a test of its own in `tests/e2e/test_reload.py`.
FOLLOWED = {
    "services",
    "adopt",
    "max_templates",
    "allow_disk",
    "lifetimes",
    "workers",
    "worker_cpus",
    "verbosity",
    "log_rate",
}


@pytest.fixture
def config(tmp_path: Path) -> Config:
    path = tmp_path / "pe-nfq.toml"
    path.write_text(
        f'state_dir = "{tmp_path}"\nallow_disk = true\n'
        '[[service]]\naddress = "203.0.113.10:5060"\n'
        '[[service.server]]\naddress = "192.0.2.1"\n'
    )
    return load(path)


@pytest.mark.parametrize("field", [field.name for field in fields(Config)])
def test_a_reload_follows_a_change_or_refuses_it(field: str, config: Config) -> None:
    """None is silently left out."""
    changes: dict[str, Any] = {field: "another"}
    changed = replace(config, **changes)
    if field in FOLLOWED:
        refuse_to_change(config, changed)
        return
    with pytest.raises(PeNfqError, match=f"{field} has changed: restart pe-nfq"):
        refuse_to_change(config, changed)


def test_differences_are_what_an_operator_changed(config: Config) -> None:
    """Services and servers by name, settings and workers beside them."""
    old = specs(table(A, "192.0.2.11", "192.0.2.12"), table(B, "192.0.2.21"))
    new = specs(table(A, "192.0.2.11", "192.0.2.13", key="from-user"), table(C, "192.0.2.31"))
    changed = replace(config, workers=3, verbosity=4, worker_cpus=(2, 3))

    assert differences(config, changed, old, new) == {
        "services": [
            {
                "service": f"udp {A}",
                "change": "changed",
                "what": [
                    "key none -> from-user",
                    "192.0.2.13:5060 added, weight 1",
                    "192.0.2.12:5060 removed",
                ],
            },
            {"service": C, "change": "added", "what": ["192.0.2.31:0 added, weight 1"]},
            {"service": f"udp {B}", "change": "removed", "what": []},
        ],
        "settings": ["workers 1 -> 3", "worker_cpus none -> 2,3", "verbosity 2 -> 4"],
        "workers": {"before": 1, "after": 3, "started": [2, 3], "stopped": []},
    }
    assert differences(changed, config, (), ())["workers"]["stopped"] == [2, 3]


def test_nothing_differs_from_itself(config: Config) -> None:
    same = specs(table(A, "192.0.2.11"))
    facts = differences(config, config, same, same)

    assert (facts["services"], facts["settings"]) == ([], [])


def moved(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> list[tuple[str, int, str]]:
    """By dest: how many move and why, where each dest has one template of each kind."""
    numbers = NumberedByFirstUse()
    before, after = (
        to_snapshot(_of(tables), number, numbers) for number, tables in enumerate((old, new), 1)
    )
    found = moves(before, after, lambda _: (1,) * len(Kind))
    return [(facts["dest"], facts["dialogs"], facts["why"]) for facts in found]


def _of(tables: list[dict[str, Any]]) -> Config:
    return config_of(Path("/dev/shm/unused"), *tables)


def weighted(address: str, weights: dict[str, int], **keys: Any) -> dict[str, Any]:
    found = table(address, **keys)
    found["server"] = [{"address": a, "weight": weight} for a, weight in weights.items()]
    return found


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (weighted(A, {"192.0.2.11": 5, "192.0.2.12": 1}), []),
        (weighted(A, {"192.0.2.12": 1}), [("192.0.2.11:5060", 5, "removed")]),
        # Registrations and one-shots are renewed elsewhere; calls wait.
        (
            weighted(A, {"192.0.2.11": 0, "192.0.2.12": 1}),
            [("192.0.2.11:5060", 2, "weight 0")],
        ),
        (
            weighted(A, {"192.0.2.11": 0, "192.0.2.12": 1}, expire_quiescent=True),
            [("192.0.2.11:5060", 5, "weight 0")],
        ),
        (
            weighted(A, {"192.0.2.11": 1, "192.0.2.12": 1}, key="to-user"),
            [
                ("192.0.2.12:5060", 5, "key changed: they are placed anew"),
                ("192.0.2.11:5060", 5, "key changed: they are placed anew"),
            ],
        ),
    ],
    ids=["weight", "removed", "quiesced", "expired", "rekeyed"],
)
def test_dialogs_that_would_move_are_counted(
    now: dict[str, Any], told: list[tuple[str, int, str]]
) -> None:
    """As workers will decide, for each kind of dialog."""
    assert moved([weighted(A, {"192.0.2.11": 1, "192.0.2.12": 1})], [now]) == told


def test_what_moves_already_is_not_counted() -> None:
    """A reload that changes nothing of it is not its reason."""
    quiet = weighted(A, {"192.0.2.11": 0, "192.0.2.12": 1})
    assert moved([quiet], [quiet]) == []


def test_a_service_that_goes_leaves_its_dialogs_undecided() -> None:
    """They are not moved to another server: nobody decides them."""
    [(dest, dialogs, why)] = moved([weighted(A, {"192.0.2.11": 1})], [table(B)])
    assert (dest, dialogs) == ("192.0.2.11:5060", 5)
    assert why == "service removed: they are decided no longer"
