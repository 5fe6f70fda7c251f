"""What ends a command line of adm: a status that ipvsadm would end with, and one line."""

from typing import Final

#: Words that are wrong in themselves (ipvsadm's `fail(2, …)`).
WRONG: Final = 2
#: What the kernel, or here the daemon, refuses; and words that popt cannot make sense of: -1.
REFUSED: Final = 255
#: A listing that cannot be had.
NO_LISTING: Final = 1


class AdmError(Exception):
    """`status` is the exit status; the text is one line for the operator."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class OtherTransportError(AdmError):
    """The command is about a TCP or SCTP service, which is ipvsadm's; `service` names it."""

    def __init__(self, service: str) -> None:
        super().__init__(
            WRONG,
            f"{service}: pe-nfq decides UDP datagrams one by one, and one connection carries many "
            "dialogs; use ipvsadm for it, or -u for UDP",
        )
        self.service = service
