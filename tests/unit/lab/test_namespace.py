"""Which names belong to a lab that is no more."""

import os
import subprocess
import sys

from tests.lab.namespace import is_left_over


def test_a_name_is_left_over_when_its_process_is_gone() -> None:
    """Our own, a kept lab's and a foreign name are not."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()

    assert is_left_over(f"pelab-{ended.pid}-1-director")
    assert not is_left_over(f"pelab-{os.getpid()}-1-director")
    assert not is_left_over(f"pelab-kept-{ended.pid}-1-director")
    assert not is_left_over(f"other-{ended.pid}-1-director")
