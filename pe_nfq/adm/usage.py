"""What `pe-nfq adm -h` says."""

from typing import Final

USAGE: Final = """\
usage: pe-nfq adm [--state-dir DIR | --config FILE] COMMAND [OPTION ...]

ipvsadm's grammar for the services of the running pe-nfq. COMMAND comes first.

services:
  -A -u VIP:PORT | -f MARK [-6]   add one, with
       [-s SCHEDULER] [-b FLAG,...]      wlc by default; sh-port and so on
       [-p [SECONDS]] [-M MASK]          persistence; 360 s, full mask by default
       [--pe ENGINE] [-o]                sip for Call-IDs; none by default
  -E ...                          edit one: what is not given goes back to its default
  -D -u VIP:PORT | -f MARK [-6]   delete one
  -C                              delete all
  -S [-n]                         print them as commands
  -R                              carry out such commands from standard input
real servers:
  -a -u VIP:PORT -r ADDRESS[:PORT]     add one, with
       [-g | -i | -m]                    route (default), tunnel or masq
       [-w WEIGHT] [-x UPPER] [-y LOWER]
  -e ...                          edit one
  -d -u VIP:PORT -r ADDRESS[:PORT]     delete one
listings:
  -L [-u VIP:PORT] [-n] [--nosort] [--exact]
     [--stats | --rate | --thresholds | --persistent-conn | --tun-info]
  -L -c [-n] [--persistent-conn]  connection templates; with their Call-IDs
  -Z [-u VIP:PORT]                zero counters

examples:
  pe-nfq adm -A -u 203.0.113.10:5060 -s wlc -p 360 --pe sip -o
  pe-nfq adm -a -u 203.0.113.10:5060 -r 192.0.2.11 -m -w 2
  ipvsadm -Sn | pe-nfq adm -R

Long options are ipvsadm's too. Exit status: 0; 2 the words are wrong; 255 refused;
1 nothing to list.

Unlike ipvsadm's:
- UDP alone. Addresses are numbers, always: nothing is looked up, -n changes nothing.
- ActiveConn and PersistConn are live templates, one a dialog: what schedulers and
  thresholds go by. InActConn is 0.
- --stats and --rate are the kernel's counters of steered datagrams (steering = "ipvs");
  one-packet scheduling counts every datagram in Conns.
- A service adopted from IPVS is listed, and changed with ipvsadm: -S leaves it out.
- The engine says how long a template lives after its last datagram: a call for hours, a
  ping for no more than -p. With lifetime = "fixed" at the top of the file -p holds for all.
- Weight 0 moves registrations and pings at their next datagram; calls stay.
- Without -p the kernel's own scheduling places datagrams, not pe-nfq.
- -R takes a file whole or, with one wrong line, not at all; TCP and SCTP are left out.
  Lines that are right and refused (one exists already) keep no other from its turn; the
  exit status is that of the last, as ipvsadm's.
- Changes last until the configuration file is reloaded.
"""
