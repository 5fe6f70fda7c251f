"""The scenarios are what the referee's table says they are."""

from collections import Counter

from tests.vm.referee_differences import DIFFERENCES, deadlines, decline, grammar, load, no_dest
from tests.vm.referee_scenarios import CALLS, scenarios
from tests.vm.referee_script import CLIENTS


def test_each_scenario_has_enough_calls_and_a_name_of_its_own() -> None:
    """At least 300 Call-IDs, for both schedulers."""
    found = scenarios()

    assert Counter(scenario.name for scenario in found).most_common(1)[0][1] == 1
    assert Counter(scenario.options.split()[1] for scenario in found) == {"rr": 14, "wrr": 14}
    for scenario in found:
        assert len({say.call_id for say in scenario.said()} - {b"trunk"}) >= CALLS


def test_masks_are_met_by_clients_inside_and_outside_of_them() -> None:
    """Every call comes from all of them, twice."""
    masked = next(scenario for scenario in scenarios() if "mask 255.255.255.0" in scenario.name)
    clients = Counter((say.call_id, say.client) for say in masked.said())

    assert {client for _, client in clients} == {*CLIENTS}
    assert {*clients.values()} == {2}


def test_each_difference_has_a_scenario() -> None:
    """Of its name."""
    own = (decline(), grammar(), no_dest(), *deadlines(), load())

    assert {scenario.name.partition(",")[0] for scenario in own} == {*DIFFERENCES}
