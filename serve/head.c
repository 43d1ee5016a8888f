#include "serve/head.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* ---- the headers that matter ---- */

typedef struct Seen {
    int lengths, hosts, origins;
    const char *host, *origin, *encoding; /* NULL: none */
    bool has_odd_name;
} Seen;

static enum MHD_Result look(void *context, enum MHD_ValueKind kind, const char *name, const char *text)
{
    static const char token[] =
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&'*+-.^_`|~"; /* RFC 9110 */
    const char *value = text ? text : "";
    Seen *s = context;
    (void)kind;
    if (!*name || name[strspn(name, token)]) s->has_odd_name = true;
    if (!strcasecmp(name, MHD_HTTP_HEADER_CONTENT_LENGTH)) s->lengths++;
    if (!strcasecmp(name, MHD_HTTP_HEADER_TRANSFER_ENCODING)) s->lengths++, s->encoding = value;
    if (!strcasecmp(name, MHD_HTTP_HEADER_HOST)) s->hosts++, s->host = value;
    if (!strcasecmp(name, MHD_HTTP_HEADER_ORIGIN)) s->origins++, s->origin = value;
    return MHD_YES;
}

static int check_form(const Seen *s, Err *e)
{
    if (s->has_odd_name) return err_set(e, ERR_FORMAT, "the name of a header has a character that none may have");
    if (s->hosts > 1 || s->origins > 1) return err_set(e, ERR_FORMAT, "two headers Host or Origin: expected one");
    if (s->lengths > 1)
        return err_set(e, ERR_FORMAT, "two lengths of the body: expected one Content-Length, or Transfer-Encoding");
    if (s->encoding && strcasecmp(s->encoding, "chunked"))
        return err_set(e, ERR_FORMAT, "Transfer-Encoding: %s: expected chunked", s->encoding);
    return 0;
}

/* ---- browsers ---- */

/* host: "localhost:8080", "127.0.0.1", "[::1]:8080". */
static bool is_loopback(const char *host, const char *listens)
{
    struct in_addr v4;
    struct in6_addr v6;
    char name[LISTEN_NAME_BYTES];
    const bool has_brackets = *host == '[';
    host += has_brackets;
    const size_t length = strcspn(host, has_brackets ? "]" : ":");
    snprintf(name, sizeof name, "%.*s", (int)(length < sizeof name ? length : 0), host);
    if (inet_pton(AF_INET6, name, &v6) == 1) return IN6_IS_ADDR_LOOPBACK(&v6);
    if (inet_pton(AF_INET, name, &v4) == 1) return ntohl(v4.s_addr) >> 24 == 127;
    return *name && (!strcasecmp(name, "localhost") || !strcasecmp(name, listens));
}

/* A page of any server may send requests to the loopback. Its browser names that server as Origin. With a name that leads
 * here instead (DNS rebinding) the page is of this origin, but the name is in Host. */
static int check_browser(const Seen *s, const Listening *l, Err *e)
{
    const char *origin = s->origin ? strstr(s->origin, "://") : NULL;
    if (l->path) return 0;
    if (s->host && l->is_local && !is_loopback(s->host, l->name))
        return err_set(
            e, ERR_VALUE,
            "Host is %s: expected localhost, 127.0.0.1, [::1] or the name in --listen; a proxy must send one of these",
            s->host);
    if (s->origin && (!origin || !s->host || strcasecmp(origin + 3, s->host)))
        return err_set(
            e, ERR_VALUE,
            "Origin is %s: a page of another server may not ask; a proxy that allows it must remove this header",
            s->origin);
    return 0;
}

unsigned head_refusal(struct MHD_Connection *c, const Listening *listening, Err *e)
{
    Seen s = {0};
    MHD_get_connection_values(c, MHD_HEADER_KIND, look, &s);
    if (check_form(&s, e)) return MHD_HTTP_BAD_REQUEST;
    return check_browser(&s, listening, e) ? MHD_HTTP_FORBIDDEN : 0;
}
