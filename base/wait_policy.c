#include "base/wait_policy.h"

#include <stdbool.h>
#include <stddef.h>

/* About 50 microseconds: longer than the time between two operations of a network. */
static char setting[] = "GOMP_SPINCOUNT=1000";

static char **lent;    /* the environment entry that is replaced; NULL: none */
static char *original; /* what it held */

/* Called before libc and sanitizers are initialised. */
#define EARLY __attribute__((no_sanitize("address", "thread", "undefined")))

EARLY static bool is_variable(const char *entry, const char *name)
{
    while (*name && *entry == *name) entry++, name++;
    return !*name && *entry == '=';
}

EARLY static char **find(char **environment, const char *name)
{
    for (; *environment; environment++)
        if (is_variable(*environment, name)) return environment;
    return NULL;
}

/* Called with main's arguments before any library starts. The array cannot grow, so an entry that no library reads
 * while it starts is replaced. If there is none, libgomp keeps its default. */
EARLY static void set_early(int count, char **arguments, char **environment)
{
    static const char *const harmless[] = {"_", "OLDPWD", "SHLVL", "PWD", "HOSTNAME", "HOME", "PATH"};
    (void)count, (void)arguments;
    if (find(environment, "OMP_WAIT_POLICY") || find(environment, "GOMP_SPINCOUNT")) return;
    for (size_t i = 0; !lent && i < sizeof harmless / sizeof harmless[0]; i++) lent = find(environment, harmless[i]);
    if (!lent) return;
    original = *lent;
    *lent = setting;
}

__attribute__((section(".preinit_array"), used)) static void (*const run_early)(int, char **, char **) = set_early;

void wait_policy_settled(void)
{
    if (lent && *lent == setting) *lent = original;
    lent = NULL;
}
