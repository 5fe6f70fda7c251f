"""Adopting: what ipvsadm or keepalived keeps in the kernel's IPVS becomes services of ours.

The director's services stay untouched: they are read, time and again, since
IPVS tells nobody of changes. `choose` says which of them are meant,
`translate` what each becomes and what cannot be honoured, `follower` when a
change is believed. All pure; the supervisor reads the kernel.
"""

from pe_nfq.adopt.choose import Reading, is_candidate, read
from pe_nfq.adopt.follower import Follower, Look

__all__ = ["Follower", "Look", "Reading", "is_candidate", "read"]
