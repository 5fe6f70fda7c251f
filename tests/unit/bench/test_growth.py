"""The calls that fill a table, and the memory of processes."""

from pe_nfq.packet.callid import scan_call_id
from tests.bench import fill, services
from tests.bench.datagrams import LAP, lap_digits
from tests.bench.footprint import proportional
from tests.bench.many import Size, config


def test_calls_differ() -> None:
    """Also where a word is used again, in the next lap."""
    numbers = [0, 1, fill.WORDS - 1, fill.WORDS, fill.WORDS + 1, 10 * fill.WORDS - 1]
    call_ids = {fill.call_id(number) for number in numbers}
    assert len(call_ids) == len(numbers)
    assert {len(call_id) for call_id in call_ids} == {35}


def test_datagrams_of_few_calls_are_theirs() -> None:
    """Each carries the Call-ID of one of the calls; its branch is new in each lap."""
    made = fill.datagrams(3)
    assert [scan_call_id(one, 0, len(one)) for one in made] == [fill.call_id(n) for n in range(3)]
    assert all(one.count(LAP.encode()) == 1 for one in made)


def test_datagrams_of_many_calls_are_those_of_a_lap() -> None:
    """What the sender writes in its second lap makes the second hundred thousand of calls."""
    first, *_ = made = fill.datagrams(2 * fill.WORDS)
    assert len(made) == fill.WORDS
    sent = first.replace(LAP.encode(), lap_digits(1).encode())
    assert scan_call_id(sent, 0, len(sent)) == fill.call_id(fill.WORDS)


def test_pages_of_the_table_are_not_counted_twice() -> None:
    """Those that a process has mapped from tmpfs are left out of its share."""
    text = "55d0-7ffc ---p 00:00 0 [rollup]\nRss: 90 kB\nPss: 70 kB\nPss_Shmem: 30 kB\n"
    assert proportional(text) == 40 * 1024
    assert proportional("Pss: 70 kB\n") == 70 * 1024


def test_a_file_has_as_many_services_and_servers_as_wanted() -> None:
    """Each service of an address of its own."""
    text = config(Size(services=300, servers=3), "/run/x")
    assert text.count("[[service]]") == 300
    assert text.count("[[service.server]]") == 900
    assert 'address = "10.0.1.44:5060"' in text


def test_spread_over_one_service_is_to_one() -> None:
    """So it is not run twice."""
    assert services.names((1, 1000), ("traffic to one", "spread over all")) == [
        "1 service, traffic to one",
        "1000 services, traffic to one",
        "1000 services, spread over all",
    ]
