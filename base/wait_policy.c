#include "base/wait_policy.h"

#include <stdbool.h>
#include <stddef.h>

/* About 50 microseconds: longer than what lies between two operations of a network. */
static char setting[] = "GOMP_SPINCOUNT=1000";

static char **lent;    /* the entry that holds the setting; NULL: none */
static char *original; /* what it held */

/* Here nothing of libc or of a sanitizer has started. */
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

/* Called with main's arguments before any library starts. The array cannot grow, and libc will take it as it is: so a
 * variable that no library looks at while it starts makes room. Where there is none of these, libgomp keeps its
 * default. */
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
