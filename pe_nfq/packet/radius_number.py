"""RADIUS' numbers that an engine knows; a registry of IANA's ("RADIUS Types") has all of them."""

import enum


class Code(enum.IntEnum):
    """A packet's first byte (RFC 2865, section 3; RFC 2866, section 3; RFC 5176, section 2.3)."""

    ACCESS_REQUEST = 1
    ACCOUNTING_REQUEST = 4
    ACCESS_CHALLENGE = 11
    STATUS_SERVER = 12
    DISCONNECT_REQUEST = 40
    COA_REQUEST = 43


class Attribute(enum.IntEnum):
    """An attribute's first byte (RFC 2865, section 5; RFC 2866, section 5)."""

    USER_NAME = 1
    STATE = 24
    CALLING_STATION_ID = 31
    ACCT_STATUS_TYPE = 40
    ACCT_SESSION_ID = 44


class AcctStatus(enum.IntEnum):
    """Values of Acct-Status-Type (RFC 2866, section 5.1)."""

    START = 1
    STOP = 2
    INTERIM_UPDATE = 3
