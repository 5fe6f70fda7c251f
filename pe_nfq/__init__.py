"""pe-nfq: a SIP persistence engine for Linux directors, on NFQUEUE."""

__version__ = "0.1.0"
