"""The netfilter rules that lead datagrams to the workers.

The rules themselves are in `rules/`, with the reason for each line. `ruleset`
says what they are filled in with, `wanted` which ones a configuration asks for,
`template` fills them in, `save` reads what iptables has, `xtables` and `nft`
plan what to feed to which command, `backend` chooses among these by trying,
`drain` waits for queues. `returns` is the table for masq servers' replies,
`rewriting` knows who else could do that. `follow` keeps loaded rules in line
with the services of the daemon.

`firewall_xtables` and `firewall_nft` read the rules of others, as `conditions`;
`firewall` follows a datagram through them, tracked and not; `obstacles` says
what would break, with the remedy. `check` looks at everything. Only `command`
runs anything.
"""
