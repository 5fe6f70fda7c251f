"""The director's numbers for others: metrics for Prometheus, and the status page, over HTTP.

`collector` makes metrics of a status (`pe_nfq.supervisor.status`), `pages` what
is served, `server` serves it in threads of its own. Runs in the supervisor,
which has no scapy: prometheus-client is Apache-2.0, scapy GPL-2.0-only.
"""
