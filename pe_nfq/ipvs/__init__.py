"""The kernel's IPVS: its services and dests by generic netlink, its connections by /proc.

`objects` are the values; `netlink` carries messages, `answers` reads them,
`requests` writes them; `kernel` is what all others use. `connections` reads
the connection table.
"""
