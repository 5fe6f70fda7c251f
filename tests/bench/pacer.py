"""Open-loop runs: `pacer.c` plays a timetable on the rig's path, from the client to the server."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from tests.bench import timetable
from tests.bench.delays import Trip, decode
from tests.bench.rig import SENDER_CPU, Rig
from tests.bench.timetable import Line
from tests.lab.network import SIP_PORT

#: Beyond the timetable's own time (s): reading it, the last arrivals, writing the record.
_EXTRA: Final = 30.0


class Pacer:
    """Sends from the lab's client to the VIP, and notes what comes out of the director by out0."""

    def __init__(self, rig: Rig, payloads: Sequence[bytes]) -> None:
        self._lab = rig.lab
        self._program = rig.compile("pacer")
        self._timetable = rig.lab.directory / "timetable"
        self._record = rig.lab.directory / "record"
        self._file = rig.lab.directory / "paced.datagrams"
        self._file.write_bytes(timetable.encode_payloads(payloads))

    def run(self, lines: Iterable[Line], during: Callable[[], None] | None = None) -> list[Trip]:
        """Play a timetable; `during` is called once it has begun.

        Raises RuntimeError when the receiving socket lost datagrams: then the
        bench did, and not what is measured.
        """
        table = list(lines)
        self._timetable.write_bytes(timetable.encode(table))
        there = f"/run/netns/{self._lab.client.name}"
        command = [
            *("taskset", "--cpu-list", str(SENDER_CPU)),
            *map(str, (self._program, self._file, self._timetable)),
            *(there, self._lab.client.address, self._lab.vip, str(SIP_PORT), str(self._record)),
        ]
        process = self._lab.servers[0].start(command, "pacer")
        try:
            process.wait_for_output("begin")
            if during is not None:
                during()
            status = process.wait(table[-1][0] / timetable.SECOND + _EXTRA)
        finally:
            process.stop()
        if status:
            raise RuntimeError(f"pacer: {process.err.read_text().strip()}")
        lost = int(process.out.read_text().split()[-1])
        if lost:
            raise RuntimeError(f"the bench's own socket lost {lost} datagrams: not a measurement")
        return decode(self._record.read_bytes())
