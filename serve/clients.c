#include "serve/clients.h"

#include <math.h>
#include <pthread.h>
#include <sys/socket.h>

#include "base/memory.h"

typedef enum Doing { ASKS, SENDS, WAITS, READS } Doing;

struct Client {
    Clients *all;
    int socket; /* -1: no connection */
    bool is_shut, has_place;
    Doing doing;
    double since, until;
};

struct Clients {
    pthread_mutex_t lock;
    int most, usual;
    double stop;  /* the end of all bodies */
    Client *list; /* most */
};

int clients_new(Clients **result, int most, int usual, Err *e)
{
    Clients *all = *result = mem_zalloc(1, sizeof *all, e);
    if (!all) return ERR_NOMEM;
    all->list = mem_zalloc((size_t)most, sizeof *all->list, e);
    if (!all->list) {
        mem_free(all);
        *result = NULL;
        return ERR_NOMEM;
    }
    for (int i = 0; i < most; i++) all->list[i] = (Client){.all = all, .socket = -1};
    all->most = most;
    all->usual = usual;
    all->stop = INFINITY;
    pthread_mutex_init(&all->lock, NULL);
    return 0;
}

void clients_free(Clients *all)
{
    if (!all) return;
    pthread_mutex_destroy(&all->lock);
    mem_free(all->list);
    mem_free(all);
}

/* ---- connections ---- */

static bool is_open(const Client *c) { return c->socket >= 0 && !c->is_shut; }

static void shut(Client *c)
{
    shutdown(c->socket, SHUT_RDWR);
    c->is_shut = true;
}

/* The oldest without a place. */
static Client *find_idle(const Clients *all)
{
    Client *found = NULL;
    for (int i = 0; i < all->most; i++) {
        Client *c = &all->list[i];
        if (is_open(c) && !c->has_place && (!found || c->since < found->since)) found = c;
    }
    return found;
}

static void make_room(Clients *all)
{
    int open = 0;
    for (int i = 0; i < all->most; i++) open += is_open(&all->list[i]);
    Client *idle = open < all->usual ? NULL : find_idle(all);
    if (idle) shut(idle);
}

static Client *find_free(Clients *all)
{
    for (int i = 0; i < all->most; i++)
        if (all->list[i].socket < 0) return &all->list[i];
    return NULL;
}

Client *clients_add(Clients *all, int socket, double now)
{
    pthread_mutex_lock(&all->lock);
    Client *c = find_free(all);
    if (c) {
        make_room(all);
        *c = (Client){.all = all, .socket = socket, .since = now, .until = now + CLIENT_ASK_SECONDS};
    }
    pthread_mutex_unlock(&all->lock);
    return c;
}

void clients_remove(Clients *all, Client *c)
{
    pthread_mutex_lock(&all->lock);
    c->socket = -1;
    pthread_mutex_unlock(&all->lock);
}

/* ---- what they do ---- */

static void change(Client *c, Doing doing, double now, double seconds)
{
    pthread_mutex_lock(&c->all->lock);
    c->doing = doing;
    c->has_place &= doing != ASKS;
    c->since = now;
    c->until = now + seconds;
    pthread_mutex_unlock(&c->all->lock);
}

void client_asks(Client *c, double now) { change(c, ASKS, now, CLIENT_ASK_SECONDS); }

void client_sends(Client *c, double now) { change(c, SENDS, now, CLIENT_LAG_SECONDS); }

/* A client that was faster than it must be may not rest for that: it is never ahead by more than the lag. */
void client_sent(Client *c, int64_t bytes, double now)
{
    pthread_mutex_lock(&c->all->lock);
    c->until = fmin(c->until + (double)bytes / CLIENT_BYTES_PER_SECOND, now + CLIENT_LAG_SECONDS);
    pthread_mutex_unlock(&c->all->lock);
}

void client_waits(Client *c, double now) { change(c, WAITS, now, INFINITY); }

void client_reads(Client *c, int64_t bytes, double now)
{
    change(c, READS, now, CLIENT_LAG_SECONDS + (double)bytes / CLIENT_BYTES_PER_SECOND);
}

void client_has_place(Client *c)
{
    pthread_mutex_lock(&c->all->lock);
    c->has_place = true;
    pthread_mutex_unlock(&c->all->lock);
}

/* ---- all ---- */

static bool is_late(const Client *c, double now)
{
    return is_open(c) && now > (c->doing == SENDS ? fmin(c->until, c->all->stop) : c->until);
}

int clients_shut_late(Clients *all, double now)
{
    int count = 0;
    pthread_mutex_lock(&all->lock);
    for (int i = 0; i < all->most; i++) {
        Client *c = &all->list[i];
        if (!is_late(c, now)) continue;
        shut(c);
        count += c->doing != ASKS;
    }
    pthread_mutex_unlock(&all->lock);
    return count;
}

void clients_stop(Clients *all, double now)
{
    pthread_mutex_lock(&all->lock);
    all->stop = now + CLIENT_STOP_SECONDS;
    pthread_mutex_unlock(&all->lock);
}
