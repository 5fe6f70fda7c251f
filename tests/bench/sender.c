/* Sends datagrams as fast as they arrive at the other end, never more than a window ahead.
 *
 * sender FILE NAMESPACE SOURCE DESTINATION PORT SECONDS WINDOW
 *
 * Runs in the receiver's namespace, where it reads how many packets out0 has received, and moves
 * into the sender's NAMESPACE (a path) to send. A window keeps the queue on the path from
 * overflowing: what is counted is what was decided, not what went past. FILE holds the datagrams,
 * each behind its length (2 bytes, network order); they are sent over and over.
 * Prints: datagrams sent, received, lost, nanoseconds. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Datagrams a system call: few against the window, many enough for the call to cost nothing. */
enum { BATCH = 32, LARGEST = 65535, MOST = 1 << 16 };
/* Without progress for so long, what is on the way is lost. */
static const int64_t STALLED = 200000000;

static struct mmsghdr messages[MOST];
static struct iovec vectors[MOST];
static int received_packets;

static void must(int done, const char *what)
{
    if (!done) {
        perror(what);
        exit(1);
    }
}

static int64_t now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

static int64_t received(void)
{
    char text[32] = "";

    must(pread(received_packets, text, sizeof text - 1, 0) > 0, "rx_packets");
    return atoll(text);
}

static int load(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint16_t length;
    int count = 0;

    must(file != NULL, path);
    while (count < MOST && fread(&length, sizeof length, 1, file) == 1) {
        vectors[count].iov_len = ntohs(length);
        vectors[count].iov_base = malloc(LARGEST);
        must(fread(vectors[count].iov_base, 1, ntohs(length), file) == ntohs(length), path);
        messages[count].msg_hdr.msg_iov = &vectors[count];
        messages[count].msg_hdr.msg_iovlen = 1;
        count++;
    }
    fclose(file);
    return count;
}

static struct addrinfo *address(const char *host, const char *port)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_DGRAM}, *found;

    must(getaddrinfo(host, port, &hints, &found) == 0, host);
    return found;
}

static int open_socket(char **argv)
{
    int there = open(argv[2], O_RDONLY);
    struct addrinfo *source = address(argv[3], argv[5]), *target = address(argv[4], argv[5]);
    int fd;

    must(there >= 0 && setns(there, CLONE_NEWNET) == 0, argv[2]);
    fd = socket(source->ai_family, SOCK_DGRAM, 0);
    must(bind(fd, source->ai_addr, source->ai_addrlen) == 0, "bind");
    must(connect(fd, target->ai_addr, target->ai_addrlen) == 0, "connect");
    return fd;
}

int main(int argc, char **argv)
{
    int64_t begin, end, window, base, sent = 0, lost = 0, seen = 0, progress;
    int fd, count, next = 0, batch, done;

    must(argc == 8, "sender FILE NAMESPACE SOURCE DESTINATION PORT SECONDS WINDOW");
    received_packets = open("/sys/class/net/out0/statistics/rx_packets", O_RDONLY);
    must(received_packets >= 0, "rx_packets");
    count = load(argv[1]);
    must(count > 0, argv[1]);
    window = atoll(argv[7]);
    fd = open_socket(argv);
    base = received();
    begin = progress = now();
    end = begin + (int64_t)(atof(argv[6]) * 1e9);
    for (;;) {
        int64_t time = now(), total = received() - base;

        if (total != seen) {
            seen = total;
            progress = time;
        }
        if (sent - seen - lost > 0 && time - progress > STALLED) {
            lost = sent - seen;
            progress = time;
        }
        if (time >= end) {
            if (sent - seen - lost <= 0)
                break;
        } else if (sent - seen - lost <= window - BATCH) {
            batch = count - next < BATCH ? count - next : BATCH;
            done = sendmmsg(fd, messages + next, batch, 0);
            sent += done > 0 ? done : 0;
            next = (next + (done > 0 ? done : 0)) % count;
            continue;
        }
        sched_yield();
    }
    printf("%lld %lld %lld %lld\n", (long long)sent, (long long)seen, (long long)lost,
           (long long)(progress - begin));
    return 0;
}
