"""How long templates live, and by which key: what a file can say of it, and what it becomes."""

from pathlib import Path
from typing import Any

import pytest

from pe_nfq import config
from pe_nfq.check.subject import Numbers
from pe_nfq.config.lifetime import TIMEOUTS, lifetime_changes, lifetime_text
from pe_nfq.config.persistence import MAX_TIMEOUT
from pe_nfq.errors import ConfigError
from pe_nfq.lifetime import Lifetimes
from tests.unit import keyed_engine

SECONDS = {
    "early_timeout": 201,
    "dialog_timeout": 202,
    "ending_timeout": 203,
    "one_shot_timeout": 204,
    "max_expires": 205,
}
#: Kinds of tables, and the key that names the service.
KINDS = {"service": "address", "adopt": "service"}
both_kinds = pytest.mark.parametrize("kind", KINDS)


def parse(kind: str, *tables: dict[str, Any], **top: Any) -> config.Config:
    """A file with tables of one kind, each of another address."""
    named = [{KINDS[kind]: f"203.0.113.{n}:5060", **table} for n, table in enumerate(tables, 10)]
    return config.parse({kind: named, **top}, "test")


def specs(read: config.Config) -> tuple[config.ServiceSpec | config.AdoptSpec, ...]:
    return (*read.services, *read.adopt)


@both_kinds
def test_by_default_the_engine_says(kind: str) -> None:
    """By its usual key, with the documented times."""
    (spec,) = specs(parse(kind, {}))
    assert (spec.key, spec.lifetimes) == ("", Lifetimes(200, 14400, 64, 64, 86400))


@both_kinds
def test_every_time_is_its_own(kind: str) -> None:
    """None is lost or taken for another."""
    (spec,) = specs(parse(kind, SECONDS))
    assert spec.lifetimes == Lifetimes(
        early=201, dialog=202, ending=203, one_shot=204, max_expires=205
    )


@both_kinds
def test_the_top_level_speaks_for_tables_that_say_nothing(kind: str) -> None:
    """And for what `pe-nfq adm` adds; a table's own word goes first."""
    tables: list[dict[str, Any]] = [{}, {"lifetime": "engine"}, {"lifetime": "fixed"}]
    for word, of_top in (("fixed", None), ("engine", Lifetimes())):
        read = parse(kind, *tables, lifetime=word)
        assert read.lifetimes == of_top
        assert [spec.lifetimes for spec in specs(read)] == [of_top, Lifetimes(), None]


@both_kinds
@pytest.mark.parametrize("key", SECONDS)
def test_the_shortest_and_the_longest_time(key: str, kind: str) -> None:
    """Of one-shots a retransmission, of all else transactions both ways; 31 days as for -p."""
    shortest = 5 if key == "one_shot_timeout" else 64
    for good in (shortest, MAX_TIMEOUT):
        (spec,) = specs(parse(kind, {key: good}))
        assert f"{key} {good}" in lifetime_text(spec.lifetimes)
    for bad in (shortest - 1, MAX_TIMEOUT + 1):
        with pytest.raises(ConfigError, match=rf"\]\.{key}: {bad} is not .* from {shortest} to "):
            parse(kind, {key: bad})


@both_kinds
def test_times_that_fixed_leaves_unused_are_told(kind: str) -> None:
    """A file may be switched from one to the other as it is; what is as by default is no news."""
    times = {"dialog_timeout": 7200, "max_expires": 100, "early_timeout": 200}
    read = parse(kind, {}, {"lifetime": "fixed", **times}, {"lifetime": "engine", **times})
    name = f"{kind}[2] (udp 203.0.113.11:5060)"
    assert [warning for warning in config.warnings(read) if "server" not in warning] == [
        f'{name} has lifetime = "fixed", which leaves dialog_timeout, max_expires without effect'
    ]


def test_differences_are_told_key_by_key() -> None:
    """As the file has them."""
    new = Lifetimes(dialog=7200, one_shot=5)
    assert list(lifetime_changes(Lifetimes(), new)) == [
        "dialog_timeout 14400 -> 7200",
        "one_shot_timeout 64 -> 5",
    ]
    assert list(lifetime_changes(new, None)) == ["lifetime engine -> fixed"]
    assert list(lifetime_changes(None, new)) == ["lifetime fixed -> engine"]
    assert list(lifetime_changes(new, new)) == list(lifetime_changes(None, None)) == []


def test_all_on_one_line() -> None:
    """For the log."""
    assert lifetime_text(None) == "fixed"
    assert lifetime_text(Lifetimes(1, 2, 3, 4, 5)) == (
        "early_timeout 1, dialog_timeout 2, ending_timeout 3, one_shot_timeout 4, max_expires 5"
    )


def test_every_time_has_an_option() -> None:
    """And no other."""
    assert [option.field for option in TIMEOUTS] == list(Lifetimes.__dataclass_fields__)


@both_kinds
def test_the_engine_is_asked_for_its_key(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it does not know is refused in its words, which may hold anything."""
    keyed_engine.install(tmp_path, monkeypatch)
    read = parse(kind, {"engine": keyed_engine.NAME, "key": "last"})
    (spec,) = specs(read)
    assert (spec.engine, spec.key) == ("by-word", "last")
    snapshot = config.to_snapshot(read, 1, Numbers())
    assert all((s.engine, s.key) == ("by-word", "last") for s in snapshot.services)
    assert len(snapshot.services) == len(read.services)
    with pytest.raises(ConfigError) as refused:
        parse(kind, {"engine": keyed_engine.NAME, "key": "mid\x1b[2J\ndle"})
    assert str(refused.value) == (
        rf"test: {kind}[1].key: mid\x1b[2J\x0adle is no word of it; choose first or last"
    )
