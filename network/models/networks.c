/* The table of networks, and its look-up functions. */
#include <string.h>

#include "base/nearest.h"
#include "network/models/network.h"

/* One line for each network: N(NAME) is the NetworkKind network_NAME, defined in the network's file. The first is the
 * default. */
#define EVERY_NETWORK(N) \
    N(swin_umamba_d)     \
    N(swin_umamba)       \
    N(swin_umamba_paper) \
    N(nnunet)            \
    N(umamba_bot)        \
    N(umamba_enc)        \
    N(segresnet)         \
    N(unetr)             \
    N(swinunetr)         \
    N(nnformer)

/* Those that only train an encoder. */
#define EVERY_PRETRAINING(N) \
    N(vmamba_masked)         \
    N(vmamba_classifier)

#define DECLARE(NAME) extern const NetworkKind network_##NAME;
EVERY_NETWORK(DECLARE)
EVERY_PRETRAINING(DECLARE)
#undef DECLARE

#define ADDRESS(NAME) &network_##NAME,
static const NetworkKind *const kinds[] = {EVERY_NETWORK(ADDRESS) NULL};
static const NetworkKind *const pretrainings[] = {EVERY_PRETRAINING(ADDRESS) NULL};
#undef ADDRESS

const NetworkKind *const *network_kinds(void) { return kinds; }

static const NetworkKind *find_kind(const NetworkKind *const *kind, const char *name)
{
    while (*kind && strcmp((*kind)->name, name)) kind++;
    return *kind;
}

const NetworkKind *network_of_segmentation(const char *name) { return find_kind(kinds, name); }

const NetworkKind *network_kind(const char *name)
{
    const NetworkKind *kind = network_of_segmentation(name);
    return kind ? kind : find_kind(pretrainings, name);
}

const NetworkKind *network_of_trainer(const char *trainer)
{
    const NetworkKind *found = NULL;
    size_t longest = 0;
    for (const NetworkKind *const *kind = kinds; *kind; kind++)
        for (const char *const *name = (*kind)->trainers; name && *name; name++) {
            const size_t length = strcspn(*name, "$");
            if (length <= longest || strncmp(trainer, *name, length)) continue;
            if ((*name)[length] == '$' && trainer[length]) continue;
            longest = length;
            found = *kind;
        }
    return found;
}

void network_add_names(Text *text)
{
    for (const NetworkKind *const *kind = kinds; *kind; kind++)
        text_add(text, "%s%s", kind == kinds ? "" : ", ", (*kind)->name);
}

void network_add_help(Text *text)
{
    for (const NetworkKind *const *kind = kinds; *kind; kind++)
        text_add(text, "  %-18s %s\n", (*kind)->name, (*kind)->about);
}

int network_unknown(const char *name, Err *e)
{
    const char *names[sizeof kinds / sizeof *kinds] = {NULL};
    Text known = {0};
    for (int i = 0; kinds[i]; i++) names[i] = kinds[i]->name;
    network_add_names(&known);
    err_set(e, ERR_VALUE, "unknown network %s; the networks are %s; the nearest name is %s", name,
            known.failed ? "those of --help" : known.data, name_nearest(name, names));
    text_free(&known);
    return ERR_VALUE;
}
