"""What the README says of dialogs names its proof: the tests are there, and they say it."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.rst").read_text()
FILES = {path.name: path.read_text() for path in (ROOT / "tests").rglob("test_*.py")}


def rows() -> list[list[str]]:
    """The cells of "What keeps a dialog", each on one line."""
    _, _, section = README.partition("\nWhat keeps a dialog\n")
    table = section.partition(".. list-table::")[2].partition("\nNot kept")[0]
    _, *found = re.split(r"^   \* - ", table, flags=re.M)
    return [
        [" ".join(cell.split()) for cell in re.split(r"^     - ", r, flags=re.M)] for r in found
    ]


def test_every_row_names_a_test_that_is_there() -> None:
    """Files, and in brackets behind one its functions."""
    title, *body = rows()
    assert title == ["What happens", "Where it goes", "Proven by"]
    assert len(body) > 15
    for _, _, proof in body:
        named = re.findall(r"``(test_\w+\.py)``(?: \(([^)]*)\))?", proof)
        assert named, proof
        for file, functions in named:
            assert file in FILES, file
            for function in re.findall(r"``(\w+)``", functions):
                assert f"def {function}(" in FILES[file], f"{file} {function}"


def test_scripts_of_the_table_are_played() -> None:
    """A function that is no test of its own is one of those that a test plays."""
    for _, _, proof in rows()[1:]:
        for file, functions in re.findall(r"``(test_\w+\.py)`` \(([^)]*)\)", proof):
            for function in re.findall(r"``(\w+)``", functions):
                uses = re.findall(rf"\b{function}\b", FILES[file])
                assert function.startswith("test_") or len(uses) > 1, function
