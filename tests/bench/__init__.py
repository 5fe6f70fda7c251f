"""`scripts/bench`: what a datagram costs, beside what it would cost elsewhere.

A section (`tests.bench.sections`) measures one thing and puts rows and ratios
into `tests.bench.results`. What is compared is run alternately within each
round (`runner`), over one path (`rig`), with one sender (`sender.c`) and the
same datagrams (`datagrams`); what decides them is one of `subjects`. CPU per
datagram, from the scheduler's own accounts, is the steady measure; packets/s
varies with what else the machine does. `readme` and `chart` show a result.
"""
