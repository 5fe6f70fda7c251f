"""The lab: a SIP client, a director and real servers in network namespaces on one LAN.

::

    client1   director            server1 .. serverN
       │         │ VIP or route      │ VIP on lo, nobody answers ARP for it
    ───┴─────────┴───────────────────┴───────────  bridge in a namespace of its own

The client sends to the VIP, the director forwards at will, the servers answer
straight to the client (LVS-DR, or a policy route): what a server receives is
what the director chose, and its choice is the only thing that can split a call.

`network` builds it, `director` steers without pe-nfq and `daemon` with it,
`sipp` makes calls, `traffic` says what entered the director and what reached
which server. Nothing outside of the namespaces is touched, everything is
bounded in time, and what a crashed run left is removed by the next.
"""
