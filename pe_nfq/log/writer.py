"""The thread that writes log lines, so that a full pipe or a stopped terminal stalls nobody else.

`emit` puts a record into a bounded queue and returns; rendering and writing
happen here. An output that takes nothing costs lines, which are counted and
reported when it takes some again.
"""

import os
import queue
import select
import threading
import time
from typing import Any, Final

from pe_nfq.escape import DEFAULT_LIMIT
from pe_nfq.log.file import LogFile
from pe_nfq.log.gate import Gate
from pe_nfq.log.render import Render, json_line

#: Records that wait for a slow output: some seconds' worth, some megabytes at most.
MAX_WAITING: Final = 10_000
#: A pipe that polls as writable takes this much without blocking (pipe(7)).
_CHUNK: Final = select.PIPE_BUF
#: How soon the thread notices that it shall end while the output takes nothing.
_POLL_MS: Final = 100
#: An output that polls as writable and is not must not keep a CPU busy.
_RETRY: Final = 0.01
_REPORT_EVERY: Final = 1.0


class LogWriter:
    """Writes to a file descriptor, which stays the caller's, or to a `LogFile`.

    `render` makes the lines; `verbosity` and `rate` (lines a second) are the
    configuration's. Thread-safe, but not to be called from a signal handler
    (`LogFile.reopen` excepted), nor after a fork.
    """

    def __init__(
        self,
        output: int | LogFile = 1,
        *,
        render: Render = json_line,
        verbosity: int = 2,
        rate: int = 1000,
    ) -> None:
        self._file = None if isinstance(output, int) else output
        self._fd = output if isinstance(output, int) else output.fd
        self._render = render
        self._gate = Gate(verbosity, rate)
        # Guards the gate's counters; never held while anything waits.
        self._lock = threading.Lock()
        self._records: queue.SimpleQueue[tuple[str, float, dict[str, Any]] | None]
        self._records = queue.SimpleQueue()
        self._poll = select.poll()
        self._poll.register(self._fd, select.POLLOUT)
        self._give_up_at = float("inf")
        #: Lines that no output took, since the start.
        self.lost = 0
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def emit(self, event: str, /, **facts: Any) -> None:
        """Write an event of `pe_nfq.log.table` soon, or count it. Never blocks, never raises."""
        with self._lock:
            if not self._gate.admits(event, _now()):
                return
        if self._records.qsize() >= MAX_WAITING:
            self._lose(event)
            return
        self._records.put((event, time.time(), {k: _short(v) for k, v in facts.items()}))

    def limit(self, verbosity: int, rate: int) -> None:
        """Take what these allow, from now on."""
        with self._lock:
            self._gate.limit(verbosity, rate)

    def close(self, timeout: float = 2.0) -> bool:
        """Write what waits, for `timeout` seconds at most; whether all of it was written."""
        self._give_up_at = time.monotonic() + timeout
        self._records.put(None)
        # Once the time is over the thread needs one more poll to see it.
        self._thread.join(timeout + 10 * _POLL_MS / 1000)
        return not self._thread.is_alive() and not self.lost

    # -- the thread ----------------------------------------------------------

    def _run(self) -> None:
        while True:
            try:
                record = self._records.get(timeout=_REPORT_EVERY)
            except queue.Empty:
                self._follow_file()
                self._report()
                continue
            if record is None:
                self._report(last=True)
                return
            self._follow_file()
            self._write(*record)
            self._report()

    def _follow_file(self) -> None:
        """Between two lines only: each is whole, in the file before a rotation or after it."""
        if self._file is not None and self._file.is_elsewhere(time.monotonic()):
            self._poll.unregister(self._fd)
            self._fd = self._file.open_again()
            self._poll.register(self._fd, select.POLLOUT)

    def _report(self, *, last: bool = False) -> None:
        with self._lock:
            kept_back = self._gate.report(_now(), last=last)
        for why, counts in kept_back.items():
            # What could not be said now is said with the next report.
            if self._put(self._render("suppressed", time.time(), {"why": why, "counts": counts})):
                with self._lock:
                    self._gate.reported(why, counts)

    def _write(self, event: str, at: float, facts: dict[str, Any]) -> None:
        try:
            line = self._render(event, at, facts)
        except Exception as error:  # a fact of an engine's must not end the log
            line = json_line(event, at, {"error": f"cannot be shown: {type(error).__name__}"})
        if not self._put(line):
            self._lose(event)

    def _put(self, line: bytes) -> bool:
        """Write a whole line, waiting for the output; False when it is gone or the time is over."""
        rest = memoryview(line)
        while rest:
            left = self._give_up_at - time.monotonic()
            written = 0
            try:
                if self._poll.poll(max(0, min(_POLL_MS, left * 1000))):
                    written = os.write(self._fd, rest[:_CHUNK])
            except BlockingIOError:  # non-blocking, and filled by another since the poll
                time.sleep(_RETRY)
            except OSError:
                return False
            if not written and left <= 0:
                return False
            rest = rest[written:]
        return True

    def _lose(self, event: str) -> None:
        with self._lock:
            self.lost += 1
            self._gate.lost(event)


def _now() -> int:
    return time.monotonic_ns() // 1_000_000


def _short(value: Any) -> Any:
    """What waits must not be long; one more than the limit is enough to show that it was cut."""
    return value[: DEFAULT_LIMIT + 1] if isinstance(value, bytes | str) else value
