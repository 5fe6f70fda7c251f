"""The control socket: how commands reach a running daemon.

A Unix stream socket, ``control.sock`` in the state directory, for root and
the daemon's own user. A client connects, sends one line, gets one line, and
the connection ends. Lines are JSON objects in UTF-8::

    {"version": 1, "verb": "adm", "argv": ["-L", "-n"], "stdin": ""}
    {"version": 1, "status": 0, "out": "...", "err": ""}

`version` changes when an old peer could no longer be understood; a field
that a peer does not know is passed over. `verb` picks the handler, `status`
is the command's exit status. `protocol` is this text in code, `server` is in
the supervisor, `client` in the command line.
"""

from pe_nfq.control.protocol import Answer

__all__ = ["Answer"]
