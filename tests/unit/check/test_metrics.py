"""Whether metrics are served, as `check` says it of a daemon that runs."""

from pathlib import Path
from typing import Any

from pe_nfq.check.daemon import metrics
from pe_nfq.check.items import Status
from pe_nfq.check.subject import Subject
from tests.status import status
from tests.unit.supervisor.specs import A, config, table


def said(tmp_path: Path, answer: dict[str, Any]) -> list[tuple[Status, str, str]]:
    subject = Subject(config(tmp_path, table(A, "192.0.2.1")), Path("/etc/pe-nfq.toml"))
    subject.__dict__["_answer"] = answer
    return [(item.status, item.what, item.remedy) for item in metrics(subject)]


def test_an_address_that_somebody_else_has_is_a_warning(tmp_path: Path) -> None:
    facts = {"address": "127.0.0.1:9506", "error": "Address already in use"}
    [(level, what, remedy)] = said(tmp_path, status(metrics=facts))
    assert (level, what) == (
        Status.WARN,
        "metrics are not served at 127.0.0.1:9506: Address already in use",
    )
    assert remedy.startswith("end who listens there, or set metrics to another address")


def test_where_they_are_served_is_said(tmp_path: Path) -> None:
    told = said(tmp_path, status())
    assert told == [(Status.OK, "metrics are served at 127.0.0.1:9506", "")]


def test_nothing_is_said_where_none_are_wanted_or_nobody_answers(tmp_path: Path) -> None:
    assert said(tmp_path, status(metrics={"address": None, "error": ""})) == []
    assert said(tmp_path, {}) == []
