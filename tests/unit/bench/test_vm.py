"""What the host makes of a guest's turns."""

import pytest

from tests.bench import vm
from tests.bench.results import Plan, Results


def turns(*values: float, cpu_ns: float = 0.0) -> list[dict[str, float]]:
    return [{"packets_per_second": value, "cpu_ns": cpu_ns} for value in values]


def test_ratios_are_of_the_turns_of_a_round() -> None:
    """A slow moment of the host that hit a whole round leaves its pair alone."""
    results = Results()
    vm.summarise(
        {
            "kernel": turns(8.0, 4.0, 10.0),
            "ipvs": turns(6.0, 3.0, 2.0, cpu_ns=90.0),
            "route": turns(8.0, 4.0, 20.0, cpu_ns=60.0),
        },
        results,
    )
    made = results.as_json({})

    assert made["pairs"] == {
        "vm_ipvs_vs_kernel": [0.75, 0.75, 0.2],
        "vm_route_vs_kernel": [1.0, 1.0, 2.0],
    }
    assert {row["name"]: row["values"] for row in made["rows"]} == {
        "VM, the kernel's --pe sip -o: packets/s": [8.0, 4.0, 10.0],
        "VM, pe-nfq over IPVS: packets/s": [6.0, 3.0, 2.0],
        "VM, pe-nfq over IPVS: CPU ns/datagram": [90.0, 90.0, 90.0],
        "VM, pe-nfq over policy routing: packets/s": [8.0, 4.0, 20.0],
        "VM, pe-nfq over policy routing: CPU ns/datagram": [60.0, 60.0, 60.0],
    }


def test_a_quick_run_boots_no_guest() -> None:
    """Its figures are null, and a note says why."""
    results = Results()
    vm.measure(Plan(1, 0.5, quick=True), results, pytest.fail)
    made = results.as_json({})

    assert made["ratios"]["vm_ipvs_vs_kernel"] is made["ratios"]["vm_route_vs_kernel"] is None
    assert "full run only" in made["notes"][0]
