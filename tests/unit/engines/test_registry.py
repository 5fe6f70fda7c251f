"""Plug-ins by name: what is found, and the one line for everything that can be wrong with it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pe_nfq.engines import load_engine
from pe_nfq.errors import RegistryError
from pe_nfq.registry import Registry
from pe_nfq.schedulers import load_scheduler

GROUP = "pe_nfq.test_tunes"

#: Writes a distribution as pip leaves it: (name, entry points of GROUP, source of its module).
Install = Callable[[str, str, str], None]

TUNE = """
class Tune:
    name = {name!r}
    api_version = 1
    def play(self): return "la"
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Distributions in a directory of their own on the path; their module is named like them."""

    def write(name: str, entry_points: str, source: str) -> None:
        facts = tmp_path / f"{name}-1.0.dist-info"
        facts.mkdir(parents=True)
        (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (facts / "entry_points.txt").write_text(f"[{GROUP}]\n{entry_points}\n")
        (tmp_path / f"{name}.py").write_text(source)

    monkeypatch.syspath_prepend(str(tmp_path))
    return write


def tunes() -> Registry[object]:
    """A registry that has seen nothing yet."""
    return Registry("tune", GROUP, api_version=1, methods=("play",))


def complaint(name: str) -> str:
    """What loading `name` says."""
    with pytest.raises(RegistryError) as caught:
        tunes().load(name)
    return str(caught.value)


def test_built_ins_load_by_name() -> None:
    """The engines and schedulers of this distribution are what its entry points say."""
    assert load_engine("source").name == "source"
    for name in ("rr", "wrr", "lc", "wlc", "sed", "nq", "fo", "ovf", "dh", "sh", "mh", "twos"):
        assert load_scheduler(name).name == name


def test_a_plug_in_is_built_once(install: Install) -> None:
    """Its class is called at the first load; later loads give the same object."""
    install("once", "once = once:Tune", TUNE.format(name="once"))
    registry = tunes()

    assert registry.load("once") is registry.load("once")


def test_nothing_is_imported_before_it_is_asked_for(install: Install) -> None:
    """Names are listed, and others loaded, without running a plug-in's code."""
    install("lazy_bad", "lazy-bad = lazy_bad:Tune", "raise RuntimeError('imported')")
    install("lazy_good", "lazy-good = lazy_good:Tune", TUNE.format(name="lazy-good"))
    registry = tunes()

    assert registry.names() == ("lazy-bad", "lazy-good")
    assert registry.load("lazy-good")


@pytest.mark.parametrize(
    ("asked", "hint"),
    [
        ("fugu", "did you mean 'fugue'?"),
        ("gugue", "did you mean 'gigue' or 'fugue'?"),
        ("zzz", "known are 'fugue', 'gigue', 'march'"),
        ("", "known are 'fugue', 'gigue', 'march'"),
    ],
)
def test_an_unknown_name_is_told_the_nearest(install: Install, asked: str, hint: str) -> None:
    """A typing error is answered with what was meant, anything else with all there is."""
    for name in ("march", "fugue", "gigue"):
        install(f"near_{name}", f"{name} = near_{name}:Tune", "")

    assert complaint(asked) == f"unknown tune {asked!r}: {hint}"


def test_a_hostile_name_stays_on_one_short_line(install: Install) -> None:
    """A name from a configuration file is escaped and cut."""
    install("some", "some = some:Tune", "")

    text = complaint("\n\x1b[2J" + "x" * 10_000)

    assert text.isprintable()
    assert len(text) < 300


def test_a_name_defined_twice_names_both(install: Install) -> None:
    """Neither wins by its place on the path; what to do is said."""
    install("twin_a", "twin = twin_a:Tune", TUNE.format(name="twin"))
    install("twin_b", "twin = twin_b:Tune", TUNE.format(name="twin"))

    assert complaint("twin") == (
        "tune 'twin' is defined by twin_a 1.0 and twin_b 1.0: uninstall all but one of them"
    )


def test_a_duplicate_does_not_stop_others(install: Install) -> None:
    """Two that share a name are an error only to who asks for that name."""
    install("dup_a", "dup = dup_a:Tune", "")
    install("dup_b", "dup = dup_b:Tune", "")
    install("solo", "solo = solo:Tune", TUNE.format(name="solo"))

    assert tunes().load("solo")


def test_a_second_copy_on_the_path_is_not_a_duplicate(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for imports, of two copies of one distribution the first on the path counts."""
    install("copied", "copied = copied:Tune", TUNE.format(name="copied"))
    again = tmp_path / "again" / "Copied-0.9.dist-info"
    again.mkdir(parents=True)
    (again / "METADATA").write_text("Metadata-Version: 2.1\nName: Copied\nVersion: 0.9\n")
    (again / "entry_points.txt").write_text(f"[{GROUP}]\ncopied = elsewhere:Tune\n")
    monkeypatch.syspath_prepend(str(again.parent))
    monkeypatch.syspath_prepend(str(tmp_path))

    assert tunes().load("copied")


FAULTS = {
    "other-api": (
        "class Tune:\n name = 'other-api'\n api_version = 2",
        "is written for api_version 2: install a release of it for api_version 1",
    ),
    "no-api": (
        "class Tune:\n name = 'no-api'",
        "is written for api_version None: install a release of it for api_version 1",
    ),
    "other-name": (
        TUNE.format(name="sonata"),
        "calls itself 'sonata': the entry point must have the same name",
    ),
    "no-method": (
        "class Tune:\n name = 'no-method'\n api_version = 1\n play = None",
        "lacks play: it must have play",
    ),
    "no-import": (
        "import a_module_that_nobody_has",
        "does not load: ModuleNotFoundError(\"No module named 'a_module_that_nobody_has'\"); "
        "repair or uninstall it",
    ),
    "exits": ("raise SystemExit(3)", "does not load: SystemExit(3); repair or uninstall it"),
    "no-class": (
        "Tune = 5",
        "does not load: TypeError(\"'int' object is not callable\"); repair or uninstall it",
    ),
    "raises": (
        "class Tune:\n def __init__(self): raise ValueError('two\\nlines')",
        "does not load: ValueError('two\\nlines'); repair or uninstall it",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_faulty_plug_in_is_one_clear_line(install: Install, name: str) -> None:
    """The line says which plug-in of which distribution, what is wrong and what would be right."""
    source, fault = FAULTS[name]
    module = "faulty_" + name.replace("-", "_")
    install(module, f"{name} = {module}:Tune", source)

    assert complaint(name) == f"tune '{name}' of {module} 1.0 ({module}:Tune) {fault}"


@pytest.mark.parametrize("length", [16, 17])
def test_a_name_has_at_most_16_bytes(install: Install, length: int) -> None:
    """As in the kernel; the limit itself is allowed."""
    name = "n" * length
    install(f"long_{length}", f"{name} = long_{length}:Tune", TUNE.format(name=name))

    if length == 16:
        assert tunes().load(name)
    else:
        assert complaint(name).endswith(": the name has 17 bytes; at most 16 are allowed")


def test_a_damaged_distribution_is_told_but_stops_nobody(install: Install, tmp_path: Path) -> None:
    """An unreadable one is named, by its place, only to who asks for what is not there."""
    install("sound", "sound = sound:Tune", TUNE.format(name="sound"))
    install("broken", "this is not an entry point", "")
    install("nameless", "nameless = nameless:Tune", "")
    (tmp_path / "nameless-1.0.dist-info" / "METADATA").unlink()

    assert tunes().load("sound")
    place = f"a distribution in {tmp_path}"
    assert complaint("nameless").endswith(f"'sound' (not readable: {place})")
