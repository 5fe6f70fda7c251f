"""Choosing a steering, and the one that does nothing."""

from dataclasses import asdict

import pytest

from pe_nfq.config import parse
from pe_nfq.errors import SteeringError
from pe_nfq.steering import Report, Settings, make_steering
from pe_nfq.steering.contract import DEFAULT_RULE_PRIORITY, DEFAULT_TABLE_BASE
from pe_nfq.steering.mark import MarkSteering
from tests.unit.steering.fib import service, snapshot


def test_marks_only_changes_nothing() -> None:
    """The operator's own rules do the rest."""
    steering = make_steering("mark", Settings())
    now = snapshot(service(("192.0.2.1:5060", 1)))

    assert isinstance(steering, MarkSteering)
    assert steering.apply(now) == steering.plan_changes(now) == steering.clear() == Report()
    assert steering.show() == ()
    assert steering.wait_event(0.001) is False
    steering.close()
    assert steering.wait_event(60) is False


def test_an_unknown_steering_is_refused() -> None:
    """With what there is."""
    with pytest.raises(SteeringError, match="ipvs, route and mark are supported"):
        make_steering("tproxy", Settings())


def test_settings_have_the_defaults_of_the_configuration() -> None:
    """What is written twice must agree."""
    config = parse({"service": [{"address": "203.0.113.10:5060"}]}, "test")

    assert Settings.of(config) == Settings()
    assert (config.table_base, config.rule_priority) == (DEFAULT_TABLE_BASE, DEFAULT_RULE_PRIORITY)


def test_settings_come_from_the_configuration() -> None:
    """Each from the option of its name."""
    wanted = Settings(mark_base=0x51000000, table_base=7000, rule_priority=9, vip_local=True)
    services = [{"address": "203.0.113.10:5060"}]

    assert Settings.of(parse({**asdict(wanted), "service": services}, "test")) == wanted
