/* Sends datagrams as fast as they arrive at the other end, never more than a window ahead.
 *
 * sender FILE NAMESPACE SOURCE DESTINATION PORT SECONDS WINDOW LAP NEXT COUNTER ...
 *
 * Runs in the receiver's namespace, where it reads how many packets have arrived, the sum of the
 * COUNTERs (files of numbers), and moves into the sender's NAMESPACE (a path) to send. A window keeps the queue on the path from
 * overflowing: what is counted is what was decided, not what went past. FILE is written by
 * tests/bench/datagrams.py (`encode_laps`); it is sent over and over, from its datagram NEXT on (the
 * first is 0). In the first lap fields get LAP, then LAP + 1 and so on.
 * DESTINATION may be ADDRESS+COUNT: the datagrams go to so many addresses in turn, from it on.
 * Prints: datagrams sent, received, lost, nanoseconds, those in which the window was full, and
 * the LAP and NEXT to go on with. */

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
enum { BATCH = 32, MOST = 1 << 17, MOST_FIELDS = 16, FIELD = 8 };
enum { FIRST_COUNTER = 10, MOST_COUNTERS = 16 };
/* Without progress for so long, what is on the way is lost; in a guest, which may stand still
 * meanwhile, so many times as long as tests/lab/waiting.py has patience. */
static const int64_t STALLED = 200000000;
/* Odd: numbers of laps stay different, and do not come in order. */
static const uint32_t SCATTER = 0x9e3779b1;

static struct mmsghdr messages[MOST];
static struct iovec vectors[MOST];
static uint16_t fields[MOST][MOST_FIELDS], numbers[MOST];
static struct sockaddr_storage destinations[MOST];
static int counters[MOST_COUNTERS], counter_count;

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
    int64_t sum = 0;

    for (int number = 0; number < counter_count; number++) {
        char text[32] = "";

        must(pread(counters[number], text, sizeof text - 1, 0) > 0, "COUNTER");
        sum += atoll(text);
    }
    return sum;
}

static void open_counters(int argc, char **argv)
{
    for (int word = FIRST_COUNTER; word < argc && counter_count < MOST_COUNTERS; word++)
        must((counters[counter_count++] = open(argv[word], O_RDONLY)) >= 0, argv[word]);
}

static int64_t patience(void)
{
    const char *text = getenv("PE_NFQ_PATIENCE");

    return text ? atoll(text) : 1;
}

static int number(FILE *file, uint16_t *value)
{
    int read = fread(value, sizeof *value, 1, file) == 1;

    *value = ntohs(*value);
    return read;
}

static int load(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint16_t length = 0;
    int count = 0;

    must(file != NULL, path);
    while (count < MOST && number(file, &length)) {
        must(number(file, &numbers[count]) && numbers[count] <= MOST_FIELDS, path);
        for (int field = 0; field < numbers[count]; field++)
            must(number(file, &fields[count][field]), path);
        vectors[count].iov_len = length;
        vectors[count].iov_base = malloc(length + 1);
        must(fread(vectors[count].iov_base, 1, length, file) == length, path);
        messages[count].msg_hdr.msg_iov = &vectors[count];
        messages[count].msg_hdr.msg_iovlen = 1;
        count++;
    }
    must(fgetc(file) == EOF, "too many datagrams");
    fclose(file);
    return count;
}

static void write_lap(int first, int batch, uint32_t lap)
{
    char digits[FIELD + 1];

    snprintf(digits, sizeof digits, "%08x", lap * SCATTER);
    for (int at = first; at < first + batch; at++)
        for (int field = 0; field < numbers[at]; field++)
            memcpy((char *)vectors[at].iov_base + fields[at][field], digits, FIELD);
}

static struct addrinfo *address(const char *host, const char *port)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_DGRAM}, *found;

    must(getaddrinfo(host, port, &hints, &found) == 0, host);
    return found;
}

/* The address `to` + number: in the last 32 bits, of either family. */
static void destine(struct msghdr *message, struct sockaddr_storage *to, int number)
{
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)to;
    struct sockaddr_in *v4 = (struct sockaddr_in *)to;
    uint32_t *last = to->ss_family == AF_INET6 ? &v6->sin6_addr.s6_addr32[3] : &v4->sin_addr.s_addr;

    *last = htonl(ntohl(*last) + number);
    message->msg_name = to;
    message->msg_namelen = to->ss_family == AF_INET6 ? sizeof *v6 : sizeof *v4;
}

static int open_socket(char **argv, int datagrams)
{
    int there = open(argv[2], O_RDONLY);
    char *plus = strchr(argv[4], '+');
    int fd, count = plus ? atoi(plus + 1) : 1;
    struct addrinfo *source, *target;

    if (plus)
        *plus = 0;
    must(count > 0, "DESTINATION");
    source = address(argv[3], argv[5]);
    target = address(argv[4], argv[5]);

    must(there >= 0 && setns(there, CLONE_NEWNET) == 0, argv[2]);
    fd = socket(source->ai_family, SOCK_DGRAM, 0);
    must(bind(fd, source->ai_addr, source->ai_addrlen) == 0, "bind");
    if (count == 1) {
        must(connect(fd, target->ai_addr, target->ai_addrlen) == 0, "connect");
        return fd;
    }
    for (int at = 0; at < datagrams; at++) {
        memcpy(&destinations[at], target->ai_addr, target->ai_addrlen);
        destine(&messages[at].msg_hdr, &destinations[at], at % count);
    }
    return fd;
}

int main(int argc, char **argv)
{
    int64_t begin, end, window, base, sent = 0, lost = 0, seen = 0, progress, full = 0, last = 0;
    const int64_t stalled = STALLED * patience();
    int fd, count, next, batch, done;
    uint32_t lap;

    must(argc > FIRST_COUNTER,
         "sender FILE NAMESPACE SOURCE DESTINATION PORT SECONDS WINDOW LAP NEXT COUNTER ...");
    open_counters(argc, argv);
    count = load(argv[1]);
    must(count > 0, argv[1]);
    window = atoll(argv[7]);
    lap = strtoul(argv[8], NULL, 0);
    next = atoi(argv[9]);
    must(next >= 0 && next < count, "NEXT");
    fd = open_socket(argv, count);
    base = received();
    begin = progress = now();
    end = begin + (int64_t)(atof(argv[6]) * 1e9);
    for (;;) {
        int64_t time = now(), total = received() - base;

        if (last)
            full += time - last;
        last = 0;
        if (total != seen) {
            seen = total;
            progress = time;
        }
        if (sent - seen - lost > 0 && time - progress > stalled) {
            lost = sent - seen;
            progress = time;
        }
        if (time >= end) {
            if (sent - seen - lost <= 0)
                break;
        } else if (sent - seen - lost <= window - BATCH) {
            batch = count - next < BATCH ? count - next : BATCH;
            write_lap(next, batch, lap);
            done = sendmmsg(fd, messages + next, batch, 0);
            sent += done > 0 ? done : 0;
            next += done > 0 ? done : 0;
            if (next == count) {
                next = 0;
                lap++;
            }
            continue;
        } else {
            last = time;
        }
        sched_yield();
    }
    printf("%lld %lld %lld %lld %lld %u %d\n", (long long)sent, (long long)seen, (long long)lost,
           (long long)(progress - begin), (long long)full, lap, next);
    return 0;
}
