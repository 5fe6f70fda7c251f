"""Running the kernel's rule tools; the one place of this package that runs anything."""

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from typing import Final, NamedTuple

from pe_nfq.capabilities import Capability, has
from pe_nfq.errors import RulesError

#: Seconds. The tools wait for each other's lock; one that still runs then will not end.
_TIMEOUT: Final = 60.0
#: What iptables puts before each message.
_VERSION: Final = re.compile(r"^\S+ v[\d.]+ \(\S+\): ?")


class Command(NamedTuple):
    """A command and what it is fed. Its text can be pasted into a shell."""

    argv: tuple[str, ...]
    stdin: str = ""

    def __str__(self) -> str:
        line = shlex.join(self.argv)
        return f"{line} <<'EOF'\n{self.stdin}EOF" if self.stdin else line


def is_installed(tool: str) -> bool:
    """Whether there is such a command."""
    return shutil.which(tool) is not None


def run(command: Command) -> str:
    """Its standard output. Raises RulesError that says what it complained about."""
    return _run(command, command.argv[0])


def run_aside(command: Command, then: Sequence[str]) -> str:
    """Run `command` and `then` in an empty network namespace of their own; the latter's output.

    What the kernel and its tools make of rules is found out by trying, and
    nothing of this machine's traffic ever meets them.
    """
    both = f"{shlex.join(command.argv)} && {shlex.join(then)}"
    # Who may not make one may where it is root of a user namespace as well.
    user = () if has(Capability.SYS_ADMIN) else ("--user", "--map-root-user")
    aside = ("unshare", *user, "--net", "sh", "-c", both)
    return _run(Command(aside, command.stdin), command.argv[0])


def _run(command: Command, name: str) -> str:
    try:
        done = subprocess.run(
            command.argv,
            input=command.stdin,
            capture_output=True,
            text=True,
            # an operator's comment may hold any bytes
            errors="backslashreplace",
            timeout=_TIMEOUT,
            # their complaints become ours: one language, plain quotes
            env={**os.environ, "LC_ALL": "C"},
        )
    except FileNotFoundError:
        raise RulesError(f"{name} is not installed") from None
    except OSError as error:
        raise RulesError(f"{name} cannot be started: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise RulesError(f"{name} did not end within {_TIMEOUT:g} s") from None
    if done.returncode:
        raise RulesError(f"{name}: {_complaint(done.stderr) or f'status {done.returncode}'}")
    return done.stdout


def _complaint(stderr: str) -> str:
    """The lines that matter, as one: no hints, no markers below a quoted line, no version."""
    lines = (" ".join(_VERSION.sub("", line).split()) for line in stderr.splitlines())
    kept = [line for line in lines if line.strip(" ^~") and not line.startswith(("Try `", "# "))]
    return "; ".join(kept[:3])
