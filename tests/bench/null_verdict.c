/* The least that a netfilter queue can cost: every datagram gets a mark and goes on, unread.
 *
 * null_verdict QUEUE MARK COPY_RANGE QUEUE_LENGTH
 *
 * What pe-nfq's worker is measured against: the same queue, the same copy range, the same
 * length and flags. Prints "ready" when it is bound; runs until it is killed. */

#include <arpa/inet.h>
#include <errno.h>
#include <libnetfilter_queue/libnetfilter_queue.h>
#include <linux/netfilter.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

/* Room for a full queue, as the worker has it. */
enum { SOCKET_BUFFER = 32 << 20, RECEIVE_SIZE = 65536 + 4096 };

static uint32_t mark;

static int verdict(struct nfq_q_handle *queue, struct nfgenmsg *message, struct nfq_data *packet,
                   void *unused)
{
    struct nfqnl_msg_packet_hdr *header = nfq_get_msg_packet_hdr(packet);

    (void)message;
    (void)unused;
    return nfq_set_verdict2(queue, ntohl(header->packet_id), NF_ACCEPT, mark, 0, NULL);
}

static void must(int done, const char *what)
{
    if (!done) {
        perror(what);
        exit(1);
    }
}

int main(int argc, char **argv)
{
    static char buffer[RECEIVE_SIZE] __attribute__((aligned(8)));
    struct nfq_handle *library;
    struct nfq_q_handle *queue;
    ssize_t length;

    must(argc == 5, "null_verdict QUEUE MARK COPY_RANGE QUEUE_LENGTH");
    mark = strtoul(argv[2], NULL, 0);
    must((library = nfq_open()) != NULL, "nfq_open");
    queue = nfq_create_queue(library, strtoul(argv[1], NULL, 0), verdict, NULL);
    must(queue != NULL, "nfq_create_queue");
    must(nfq_set_mode(queue, NFQNL_COPY_PACKET, strtoul(argv[3], NULL, 0)) >= 0, "nfq_set_mode");
    must(nfq_set_queue_maxlen(queue, strtoul(argv[4], NULL, 0)) >= 0, "nfq_set_queue_maxlen");
    must(nfq_set_queue_flags(queue, NFQA_CFG_F_FAIL_OPEN, NFQA_CFG_F_FAIL_OPEN) >= 0, "fail-open");
    nfnl_rcvbufsiz(nfq_nfnlh(library), SOCKET_BUFFER);
    puts("ready");
    fflush(stdout);
    for (;;) {
        length = recv(nfq_fd(library), buffer, sizeof buffer, 0);
        if (length >= 0)
            nfq_handle_packet(library, buffer, length);
        else if (errno != ENOBUFS && errno != EINTR)
            must(0, "recv");
    }
}
