"""pe-nfq: a SIP persistence engine for Linux directors, on NFQUEUE.

The path of a packet:

1. `rules/` set a fallback mark and queue the datagram (loaded by `netfilter`);
2. `nfqueue` hands it to a `worker`, which asks the `director`;
3. `packet.dissect` finds the UDP datagram, its VIP gives the virtual service;
4. its engine (`engines`) reads it (`message`): the key (`packet.callid`: the Call-ID),
   and what it says of its dialog's life (`lifetime`);
5. `persistence` looks the template up, in its cache or in `templates`;
6. a key or life that is new is settled in one transaction; for a new key `placement`
   has the service's scheduler (`schedulers`) choose a real server;
7. the worker sets that server's mark (`marks`) and accepts the datagram;
8. what the mark means to the kernel, `steering` has made: a route to the server.

What servers send takes the same path by `senders` and `outbound`. The `supervisor` does
everything else: configuration, workers, `health`, drains, expiry, the log, `metrics`; `cli` and
`top` ask it over `control`.
"""

__version__ = "0.1.0"
