"""Taking a live director over: ending the IPVS connections that override marks.

IPVS looks for a connection before it looks at the mark (`ip_vs_in_hook`), and a
virtual service without one-packet scheduling leaves one for every client's
ip:port, re-armed by every datagram. Only time removes it, so `udp_timeout`
makes that time 1 s for a while; `pinned` tells which connections matter and
which never fall silent; `hold` and `hold_rules` keep back the datagrams of
those until the kernel has let go. `run` is the whole; `guard` cleans up after one that is killed.
"""
