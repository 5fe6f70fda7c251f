"""`scripts/bench`: what a worker costs beside the least that a netfilter queue can cost.

Three rows over one path in the lab, same datagrams, same rules, same copy
range: no queue; a C program that only marks and accepts (`null_verdict.c`);
`pe-nfq run` with one worker that has seen every dialog. CPU per datagram is
the steady measure; packets/s varies with what else the machine does.
"""
