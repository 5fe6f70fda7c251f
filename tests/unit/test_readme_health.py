"""The README's table of health checks is the one that is tried on a live director."""

import re
from pathlib import Path

from tests.e2e.test_health import TABLE

README = (Path(__file__).parents[2] / "README.rst").read_text()
#: Tried by tests of their own, there and in `tests/unit/supervisor/test_health.py`.
OTHERS = {"has no route to it": "down", "cannot be asked": "as"}


def test_every_row_is_tried() -> None:
    section = README.split("\nHealth checks\n")[1].split("\nWhen a part")[0]
    rule = r"={9,}  ={9,}"
    rows = re.search(rf"{rule}\n.*?{rule}\n(.*?){rule}", section, re.S)
    assert rows is not None
    found = dict(re.findall(r"^(\S.*?) {2,}(\w+)", rows[1], re.M))
    assert found == {name: state for name, _, state, _ in TABLE} | OTHERS
