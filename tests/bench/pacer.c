/* Sends datagrams by a timetable, whatever becomes of them, and notes when each arrives.
 *
 * pacer FILE TIMETABLE NAMESPACE SOURCE DESTINATION PORT RECORD
 *
 * Runs in the receiver's namespace and moves into the sender's NAMESPACE (a path) to send. FILE has
 * the datagrams, each behind its length (2 bytes, network order). TIMETABLE has pairs of 8 bytes
 * (host order): ns from the beginning, and which datagram of FILE. RECORD gets three numbers of 8
 * bytes for each line of the timetable: when it was to be sent, when it was sent, when out0
 * received it (ns of CLOCK_REALTIME; 0: never).
 *
 * A datagram that is sent late was due at its time nevertheless: who waits behind a slow one waits
 * too. The kernel stamps what arrives, so it does not matter when we come to read it. One thread
 * does both, and so never waits for itself. Where to note an arrival stands in the User-Agent as
 * 16 letters, the second half the mirror of the first: all have the same checksum, so that for the
 * worker a datagram that is sent again is the one that it was.
 * Prints "begin NS" and, at the end, what the receiving socket has lost. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netdb.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* SEEN: as much of a datagram as reaches into its User-Agent; SLICE: arrivals read at a time. */
enum { LARGEST = 65535, MOST = 1 << 18, SEEN = 1024, SLICE = 8, DIGITS = 8, LOWEST = 'A' };
/* The receiving socket's room: 64 Mi are 30,000 datagrams. */
enum { SOCKET_BUFFER = 64 << 20 };
/* Arrivals are waited for so long after the last; nothing is sent for LEAD at the beginning. */
static const int64_t PATIENCE = 500000000, LEAD = 20000000;
static const char AGENT[] = "\r\nUser-Agent: ";

struct line {
    int64_t at, which;
};
struct record {
    int64_t due, sent, arrived;
};

static struct iovec datagrams[MOST];
static char *agents[MOST];
static struct record *records;
static int64_t lines, arrivals;
static int receiver;

static void must(int done, const char *what)
{
    if (!done) {
        perror(what);
        exit(1);
    }
}

static int64_t nanoseconds(struct timespec time)
{
    return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

static int64_t now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_REALTIME, &time);
    return nanoseconds(time);
}

static int load(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint16_t length;
    int count = 0;

    must(file != NULL, path);
    while (count < MOST && fread(&length, sizeof length, 1, file) == 1) {
        char *bytes = malloc(ntohs(length));

        must(bytes && fread(bytes, 1, ntohs(length), file) == ntohs(length), path);
        agents[count] = memmem(bytes, ntohs(length), AGENT, sizeof AGENT - 1);
        must(agents[count] && agents[count] - bytes + 64 < SEEN, "a User-Agent near the top");
        agents[count] += sizeof AGENT - 1;
        datagrams[count++] = (struct iovec){bytes, ntohs(length)};
    }
    fclose(file);
    return count;
}

static struct line *load_timetable(const char *path, int count)
{
    FILE *file = fopen(path, "rb");
    struct line *table;

    must(file && fseek(file, 0, SEEK_END) == 0, path);
    lines = ftell(file) / sizeof *table;
    rewind(file);
    table = calloc(lines + 1, sizeof *table);
    records = calloc(lines + 1, sizeof *records);
    must(table && records && fread(table, sizeof *table, lines, file) == (size_t)lines, path);
    fclose(file);
    for (int64_t i = 0; i < lines; i++)
        must(table[i].which >= 0 && table[i].which < count, "no such datagram");
    return table;
}

static void write_number(char *agent, uint32_t number)
{
    for (int i = 0; i < DIGITS; i++, number >>= 4) {
        agent[i] = LOWEST + (number & 15);
        agent[DIGITS + i] = LOWEST + 15 - (number & 15);
    }
}

static int64_t read_number(const char *agent)
{
    int64_t number = 0;

    for (int i = DIGITS - 1; i >= 0; i--) {
        if (agent[i] < LOWEST || agent[i] > LOWEST + 15 ||
            agent[i] + agent[DIGITS + i] != 2 * LOWEST + 15)
            return -1;
        number = number << 4 | (agent[i] - LOWEST);
    }
    return number < lines ? number : -1;
}

/* A packet socket: it sees what out0 receives, whatever socket the datagrams are for. */
static int open_receiver(int family)
{
    int protocol = htons(family == AF_INET6 ? ETH_P_IPV6 : ETH_P_IP), size = SOCKET_BUFFER, on = 1;
    int fd = socket(AF_PACKET, SOCK_DGRAM, 0);
    struct sockaddr_ll where = {.sll_family = AF_PACKET, .sll_protocol = protocol};

    where.sll_ifindex = if_nametoindex("out0");
    must(fd >= 0 && where.sll_ifindex > 0, "out0");
    must(setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) == 0, "SO_RCVBUFFORCE");
    must(setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) == 0, "SO_TIMESTAMPNS");
    must(bind(fd, (struct sockaddr *)&where, sizeof where) == 0, "out0");
    return fd;
}

static void note(struct msghdr *message, const char *bytes, size_t length)
{
    const char *agent = memmem(bytes, length, AGENT, sizeof AGENT - 1);
    struct cmsghdr *control = CMSG_FIRSTHDR(message);
    struct timespec stamp;
    int64_t number;

    if (!agent || agent + sizeof AGENT - 1 + 2 * DIGITS > bytes + length)
        return;
    number = read_number(agent + sizeof AGENT - 1);
    if (number < 0 || records[number].arrived || !control || control->cmsg_type != SCM_TIMESTAMPNS)
        return;
    memcpy(&stamp, CMSG_DATA(control), sizeof stamp);
    records[number].arrived = nanoseconds(stamp);
    arrivals++;
}

/* Read a few arrivals; whether there were any. */
static int drain(void)
{
    static char bytes[SLICE][SEEN], controls[SLICE][64] __attribute__((aligned(8)));
    struct iovec vectors[SLICE];
    struct mmsghdr messages[SLICE];
    int count;

    for (int i = 0; i < SLICE; i++) {
        vectors[i] = (struct iovec){bytes[i], SEEN};
        messages[i].msg_hdr = (struct msghdr){.msg_iov = &vectors[i], .msg_iovlen = 1};
        messages[i].msg_hdr.msg_control = controls[i];
        messages[i].msg_hdr.msg_controllen = sizeof controls[i];
    }
    count = recvmmsg(receiver, messages, SLICE, MSG_DONTWAIT, NULL);
    for (int i = 0; i < count; i++)
        note(&messages[i].msg_hdr, bytes[i], messages[i].msg_len);
    return count > 0;
}

static struct addrinfo *address(const char *host, const char *port)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_DGRAM}, *found;

    must(getaddrinfo(host, port, &hints, &found) == 0, host);
    return found;
}

static int open_sender(char **argv, struct addrinfo *source)
{
    int there = open(argv[3], O_RDONLY), fd;
    struct addrinfo *target = address(argv[5], argv[6]);

    must(there >= 0 && setns(there, CLONE_NEWNET) == 0, argv[3]);
    fd = socket(source->ai_family, SOCK_DGRAM, 0);
    must(bind(fd, source->ai_addr, source->ai_addrlen) == 0, "bind");
    must(connect(fd, target->ai_addr, target->ai_addrlen) == 0, "connect");
    return fd;
}

static void play(int sender, const struct line *table)
{
    int64_t begin = now() + LEAD, last;

    printf("begin %lld\n", (long long)begin);
    fflush(stdout);
    for (int64_t i = 0; i < lines; i++) {
        struct iovec *datagram = &datagrams[table[i].which];

        records[i].due = begin + table[i].at;
        while (now() < records[i].due)
            if (!drain())
                sched_yield();
        write_number(agents[table[i].which], i);
        records[i].sent = now();
        send(sender, datagram->iov_base, datagram->iov_len, 0);
    }
    for (last = now(); arrivals < lines && now() - last < PATIENCE;)
        if (drain())
            last = now();
        else
            sched_yield();
}

int main(int argc, char **argv)
{
    struct tpacket_stats statistics = {0};
    socklen_t size = sizeof statistics;
    struct addrinfo *source;
    struct line *table;
    FILE *record;
    int sender;

    must(argc == 8, "pacer FILE TIMETABLE NAMESPACE SOURCE DESTINATION PORT RECORD");
    table = load_timetable(argv[2], load(argv[1]));
    source = address(argv[4], argv[6]);
    receiver = open_receiver(source->ai_family);
    sender = open_sender(argv, source);
    play(sender, table);
    must(getsockopt(receiver, SOL_PACKET, PACKET_STATISTICS, &statistics, &size) == 0, "loss");
    record = fopen(argv[7], "wb");
    must(record && fwrite(records, sizeof *records, lines, record) == (size_t)lines, argv[7]);
    must(fclose(record) == 0, argv[7]);
    printf("lost %u\n", statistics.tp_drops);
    return 0;
}
