"""What the exit status of every verb means: for ``--help``, and for the manual."""

from typing import Final

#: Status -> when.
EXIT_STATUS: Final = {
    0: "done, or all is well",
    1: "the verb's own no: nothing found, something left, a warning",
    2: "an error, a wrong command line or file: one line on standard error says what and where, "
    "and what would be right. Of check and rules check: something fails",
    130: "interrupted (SIGINT)",
    141: "whoever read the output has left (SIGPIPE)",
    255: "of adm, as ipvsadm's: the daemon refuses, or cannot be reached",
}


def epilog() -> str:
    """For ``pe-nfq --help``."""
    lines = [
        f"  {status:<5} {when.partition(':')[0].partition('.')[0]}"
        for status, when in EXIT_STATUS.items()
    ]
    return "\n".join(
        [
            "exit status:",
            *lines,
            "",
            "pe-nfq VERB --help says more of a verb; so does man pe-nfq-VERB",
        ]
    )
