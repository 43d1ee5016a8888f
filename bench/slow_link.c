/* slow_link NAMESPACE_A NAMESPACE_B DEVICE MILLISECONDS: a network link between two network namespaces of this machine, which holds each
 * packet for so long in each direction. It makes the TAP device DEVICE in both, prints "ready", and runs until it is killed. For kernels
 * without netem (bench/two_hosts); needs root. */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { PACKET_BYTES = 10000, PACKETS = 1 << 13 };

typedef struct Packet {
    double due; /* seconds */
    ssize_t bytes;
    char data[PACKET_BYTES];
} Packet;

/* One direction: packets wait in a ring, in the order of their arrival. */
typedef struct Direction {
    int from, to;
    Packet *packets;
    unsigned first, past;
} Direction;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void give_up(const char *what)
{
    fprintf(stderr, "slow_link: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int open_tap(const char *namespace, const char *device)
{
    char path[256];
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    snprintf(path, sizeof path, "/var/run/netns/%s", namespace);
    const int ns = open(path, O_RDONLY);
    if (ns < 0 || setns(ns, CLONE_NEWNET)) give_up(path);
    close(ns);
    const int tap = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
    snprintf(request.ifr_name, sizeof request.ifr_name, "%s", device);
    if (tap < 0 || ioctl(tap, TUNSETIFF, &request)) give_up("/dev/net/tun");
    return tap;
}

/* What does not fit into the ring is lost, as in a switch. */
static void take_packets(Direction *d, double delay)
{
    static char lost[PACKET_BYTES];
    for (;;) {
        const bool full = d->past - d->first == PACKETS;
        Packet *p = &d->packets[d->past % PACKETS];
        const ssize_t bytes = read(d->from, full ? lost : p->data, PACKET_BYTES);
        if (bytes <= 0) return;
        if (full) continue;
        p->bytes = bytes;
        p->due = now() + delay;
        d->past++;
    }
}

static void pass_packets(Direction *d)
{
    for (; d->first != d->past && d->packets[d->first % PACKETS].due <= now(); d->first++) {
        const Packet *p = &d->packets[d->first % PACKETS];
        if (write(d->to, p->data, (size_t)p->bytes) < 0 && errno != EIO && errno != EAGAIN) give_up("a packet");
    }
}

/* Until the next packet is due; a second if none waits. */
static struct timespec time_to_wait(const Direction d[2])
{
    double wait = 1;
    for (int i = 0; i < 2; i++)
        if (d[i].first != d[i].past) {
            const double left = d[i].packets[d[i].first % PACKETS].due - now();
            wait = left < wait ? left : wait;
        }
    wait = wait < 0 ? 0 : wait;
    return (struct timespec){(time_t)wait, (long)(1e9 * (wait - (double)(time_t)wait))};
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: slow_link NAMESPACE_A NAMESPACE_B DEVICE MILLISECONDS\n");
        return 2;
    }
    const int a = open_tap(argv[1], argv[3]), b = open_tap(argv[2], argv[3]);
    const double delay = 1e-3 * atof(argv[4]);
    Direction d[2] = {{a, b, calloc(PACKETS, sizeof(Packet)), 0, 0}, {b, a, calloc(PACKETS, sizeof(Packet)), 0, 0}};
    if (!d[0].packets || !d[1].packets) give_up("memory");
    puts("ready");
    fflush(stdout);
    for (;;) {
        struct pollfd ends[2] = {{a, POLLIN, 0}, {b, POLLIN, 0}};
        const struct timespec wait = time_to_wait(d);
        ppoll(ends, 2, &wait, NULL);
        for (int i = 0; i < 2; i++) {
            take_packets(&d[i], delay);
            pass_packets(&d[i]);
        }
    }
}
