"""A worker without a brain: binds a netfilter queue, sets one mark on everything, notes what came.

``python rules_listener.py QUEUE MARK``; prints ``ready``, then a line a packet: its length and
the mark that it came with. Until SIGUSR1 comes, with a third word, it holds what is queued.
"""

import signal
import sys

from netfilterqueue import Packet

from pe_nfq.nfqueue import Queue


def main() -> None:
    number, mark = (int(word, 0) for word in sys.argv[1:3])

    def decide(packet: Packet) -> None:
        print(packet.get_payload_len(), packet.get_mark(), flush=True)
        packet.set_mark(mark)
        packet.accept()

    if held := len(sys.argv) > 3:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    queue = Queue(number, decide)
    print("ready", flush=True)
    if held:
        signal.sigwait({signal.SIGUSR1})
    while True:
        queue.wait(1000)
        queue.run_batch()


main()
