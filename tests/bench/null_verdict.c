/* The least that a netfilter queue can cost: every datagram gets a mark and goes on, unread.
 *
 * null_verdict QUEUE MARK COPY_RANGE QUEUE_LENGTH A_SEND
 *
 * What pe-nfq's worker is measured against: the same queue, the same copy range, the same
 * length, buffer and flags. A_SEND 1: each verdict by itself, as the library has it; more: so
 * many in one message block, as the worker has them (pe_nfq/verdicts.py). Prints "ready" when it
 * is bound; runs until it is killed. */

#include <arpa/inet.h>
#include <errno.h>
#include <libnetfilter_queue/libnetfilter_queue.h>
#include <linux/netfilter.h>
#include <linux/netlink.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* The worker's socket buffer (pe_nfq/nfqueue.py), and the largest of its message blocks. */
enum { SOCKET_BUFFER = 10 << 20, RECEIVE_SIZE = 65536 + 4096, MOST_A_SEND = 64 };

struct block {
    struct nlmsghdr message;
    struct nfgenmsg queue;
    struct nlattr verdict_head;
    struct nfqnl_msg_verdict_hdr verdict;
    struct nlattr mark_head;
    uint32_t mark;
};

static uint32_t mark;
static struct nfq_handle *library;
static struct block blocks[MOST_A_SEND];
static unsigned long a_send, kept;

static void must(int done, const char *what)
{
    if (!done) {
        perror(what);
        exit(1);
    }
}

static void flush(void)
{
    if (kept)
        must(send(nfq_fd(library), blocks, kept * sizeof *blocks, 0) >= 0, "send");
    kept = 0;
}

static int verdict(struct nfq_q_handle *queue, struct nfgenmsg *message, struct nfq_data *packet,
                   void *unused)
{
    uint32_t id = nfq_get_msg_packet_hdr(packet)->packet_id;

    (void)message;
    (void)unused;
    if (a_send == 1)
        return nfq_set_verdict2(queue, ntohl(id), NF_ACCEPT, mark, 0, NULL);
    blocks[kept++].verdict.id = id;
    if (kept == a_send)
        flush();
    return 0;
}

static void prepare(struct block *block, uint16_t queue)
{
    block->message.nlmsg_len = sizeof *block;
    block->message.nlmsg_type = NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_VERDICT;
    block->message.nlmsg_flags = NLM_F_REQUEST;
    block->queue.res_id = htons(queue);
    block->verdict_head.nla_len = sizeof block->verdict_head + sizeof block->verdict;
    block->verdict_head.nla_type = NFQA_VERDICT_HDR;
    block->verdict.verdict = htonl(NF_ACCEPT);
    block->mark_head.nla_len = sizeof block->mark_head + sizeof block->mark;
    block->mark_head.nla_type = NFQA_MARK;
    block->mark = htonl(mark);
}

int main(int argc, char **argv)
{
    static char buffer[RECEIVE_SIZE] __attribute__((aligned(8)));
    struct nfq_q_handle *queue;
    uint16_t number;
    ssize_t length;
    int on = 1;

    must(argc == 6, "null_verdict QUEUE MARK COPY_RANGE QUEUE_LENGTH A_SEND");
    number = strtoul(argv[1], NULL, 0);
    mark = strtoul(argv[2], NULL, 0);
    a_send = strtoul(argv[5], NULL, 0);
    must(a_send >= 1 && a_send <= MOST_A_SEND, "A_SEND");
    for (int at = 0; at < MOST_A_SEND; at++)
        prepare(&blocks[at], number);
    must((library = nfq_open()) != NULL, "nfq_open");
    queue = nfq_create_queue(library, number, verdict, NULL);
    must(queue != NULL, "nfq_create_queue");
    must(nfq_set_mode(queue, NFQNL_COPY_PACKET, strtoul(argv[3], NULL, 0)) >= 0, "nfq_set_mode");
    must(nfq_set_queue_maxlen(queue, strtoul(argv[4], NULL, 0)) >= 0, "nfq_set_queue_maxlen");
    must(nfq_set_queue_flags(queue, NFQA_CFG_F_FAIL_OPEN, NFQA_CFG_F_FAIL_OPEN) >= 0, "fail-open");
    nfnl_rcvbufsiz(nfq_nfnlh(library), SOCKET_BUFFER);
    must(!setsockopt(nfq_fd(library), SOL_NETLINK, NETLINK_NO_ENOBUFS, &on, sizeof on),
         "NETLINK_NO_ENOBUFS");
    puts("ready");
    fflush(stdout);
    for (;;) {
        length = recv(nfq_fd(library), buffer, sizeof buffer, kept ? MSG_DONTWAIT : 0);
        if (length >= 0)
            nfq_handle_packet(library, buffer, length);
        else if (errno == EAGAIN)
            flush();
        else
            must(errno == EINTR, "recv");
    }
}
