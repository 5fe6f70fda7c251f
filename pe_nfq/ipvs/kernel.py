"""The kernel's IPVS in this network namespace: lists it, changes it."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final, Self

from pe_nfq.errors import SteeringError
from pe_nfq.ipvs import answers, numbers, requests
from pe_nfq.ipvs.netlink import GenericNetlink, NetlinkError
from pe_nfq.ipvs.objects import Info, KernelDest, KernelService, Timeouts

#: There once ip_vs is loaded. Of the thread, whose network namespace may be another's.
SERVICES_FILE: Final = Path("/proc/thread-self/net/ip_vs")
#: Lists that changes keep interrupting: somebody else is busy; the next look comes soon.
_ATTEMPTS: Final = 5


class IpvsError(SteeringError):
    """IPVS cannot be used, or refused a request; `number` is the errno."""

    def __init__(self, text: str, number: int) -> None:
        super().__init__(text)
        self.number = number


def is_loaded() -> bool:
    """Whether the kernel has IPVS right now. Asking `Ipvs` instead would load it."""
    return SERVICES_FILE.exists()


class Ipvs:
    """IPVS of the network namespace of the thread that opened it; used by one thread at a time."""

    def __init__(self, *, load: bool = False) -> None:
        """`load`: have the kernel load its module, if it is not there. Raises IpvsError."""
        if not load and not is_loaded():
            raise IpvsError("IPVS is not loaded in the kernel: modprobe ip_vs", errno.ENOENT)
        try:
            self._netlink = GenericNetlink(numbers.FAMILY)
        except NetlinkError as error:
            why = os.strerror(error.number)
            text = f"this kernel has no IPVS ({why}): modprobe ip_vs, or another kernel"
            raise IpvsError(text, error.number) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the socket."""
        self._netlink.close()

    def services(
        self, wanted: Callable[[KernelService], bool] = lambda service: True
    ) -> tuple[KernelService, ...]:
        """All `wanted` services with their dests, each in the kernel's order. Raises IpvsError."""
        for _ in range(_ATTEMPTS):
            services = [service for service in self._service_heads() if wanted(service)]
            whole = tuple(s._replace(dests=self._dests(s)) for s in services)
            # The dests of a service that has gone meanwhile are an empty list, not an error.
            if _keys([s for s in self._service_heads() if wanted(s)]) == _keys(services):
                return whole
        raise _busy()

    def add_service(self, service: KernelService) -> None:
        """Make a service, without dests. Raises IpvsError, EEXIST where there is one."""
        self._change(f"-A {service}", numbers.NEW_SERVICE, requests.whole_service(service))

    def set_service(self, service: KernelService) -> None:
        """Change a service; its dests stay. Raises IpvsError, ESRCH where there is none."""
        self._change(f"-E {service}", numbers.SET_SERVICE, requests.whole_service(service))

    def delete_service(self, service: KernelService) -> None:
        """Remove a service and its dests. Raises IpvsError, ESRCH where there is none."""
        self._change(f"-D {service}", numbers.DEL_SERVICE, requests.which_service(*service.key))

    def add_dest(self, service: KernelService, dest: KernelDest) -> None:
        """Add a dest. Raises IpvsError, EEXIST where there is one."""
        self._change(
            f"-a {service} -r {dest}", numbers.NEW_DEST, requests.whole_dest(service, dest)
        )

    def set_dest(self, service: KernelService, dest: KernelDest) -> None:
        """Change a dest. Raises IpvsError, ENOENT where there is none."""
        self._change(
            f"-e {service} -r {dest}", numbers.SET_DEST, requests.whole_dest(service, dest)
        )

    def delete_dest(self, service: KernelService, dest: KernelDest) -> None:
        """Remove a dest. Raises IpvsError, ENOENT where there is none."""
        self._change(
            f"-d {service} -r {dest}", numbers.DEL_DEST, requests.which_dest(service, dest)
        )

    def timeouts(self) -> Timeouts:
        """Of connections. Raises IpvsError."""
        return answers.timeouts(self._ask_one("--timeout", numbers.GET_CONFIG))

    def set_timeouts(self, timeouts: Timeouts) -> None:
        """Set those that are not 0; of connections that see a datagram from now on."""
        what = " ".join(map(str, timeouts))
        self._change(f"--set {what}", numbers.SET_CONFIG, requests.all_timeouts(timeouts))

    def info(self) -> Info:
        """Version and table size. Raises IpvsError."""
        return answers.info(self._ask_one("-l", numbers.GET_INFO))

    def _service_heads(self) -> list[KernelService]:
        """Services without their dests."""
        for _ in range(_ATTEMPTS):
            messages, is_whole = self._dump(numbers.GET_SERVICE)
            services = [answers.service(message) for message in messages]
            if is_whole or _keys(services) == self._service_keys():
                return services
        raise _busy()

    def _service_keys(self) -> list[object]:
        return _keys([answers.service(m) for m in self._dump(numbers.GET_SERVICE)[0]])

    def _dests(self, service: KernelService) -> tuple[KernelDest, ...]:
        which = requests.which_service(*service.key)
        for _ in range(_ATTEMPTS):
            messages, is_whole = self._dump(numbers.GET_DEST, which)
            dests = tuple(answers.dest(message, service.family) for message in messages)
            if is_whole or _keys(dests) == self._dest_keys(service, which):
                return dests
        raise _busy()

    def _dest_keys(self, service: KernelService, which: bytes) -> list[object]:
        messages, _ = self._dump(numbers.GET_DEST, which)
        return _keys([answers.dest(message, service.family) for message in messages])

    def _dump(self, command: int, body: bytes = b"") -> tuple[list[memoryview], bool]:
        try:
            return self._netlink.dump(command, body)
        except NetlinkError as error:
            raise _error("-L", error.number) from None

    def _ask_one(self, what: str, command: int) -> memoryview:
        try:
            (answer,) = self._netlink.ask(command)
        except NetlinkError as error:
            raise _error(what, error.number) from None
        return answer

    def _change(self, what: str, command: int, body: bytes) -> None:
        try:
            self._netlink.ask(command, body)
        except NetlinkError as error:
            raise _error(what, error.number) from None


def _keys(
    things: "list[KernelService] | tuple[KernelDest, ...] | list[KernelDest]",
) -> list[object]:
    return [thing.key for thing in things]


def _busy() -> IpvsError:
    return IpvsError("cannot list the kernel's IPVS: it changes all the time", errno.EAGAIN)


def _error(what: str, number: int) -> IpvsError:
    if number == errno.EPERM:
        return IpvsError(
            f"not allowed to use IPVS, CAP_NET_ADMIN is needed: ipvsadm {what}", number
        )
    return IpvsError(f"IPVS refused: ipvsadm {what}: {os.strerror(number)}", number)
