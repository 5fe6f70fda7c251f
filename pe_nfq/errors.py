"""The errors an operator can meet; each is one line that says what, where and what would be right.

Bad packets are never errors: they are a `pe_nfq.model.Reason`. The command
line catches `PeNfqError`, prints its text and exits with status 2.
"""


class PeNfqError(Exception):
    """Base of all below. Its text is one line for the operator."""


class ConfigError(PeNfqError):
    """A configuration file is wrong; nothing has been changed. Names file, key and remedy."""


class RegistryError(PeNfqError):
    """An engine or scheduler is unknown, defined twice or of another api version."""


class TableError(PeNfqError):
    """The template table cannot be opened or used."""


class SteeringError(PeNfqError):
    """The kernel refused what steering asked for."""


class RulesError(PeNfqError):
    """Netfilter rules cannot be loaded, or would block traffic."""


class CaptureError(PeNfqError):
    """A capture file cannot be read, or is damaged."""


class ControlError(PeNfqError):
    """The running daemon cannot be asked, or does not understand the request."""
