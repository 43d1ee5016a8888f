/* Faults of files whose names do not fit: one for each case. */
#include <ctype.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "data/dataset_search.h"

enum { CHANNEL_DIGITS = 5 }; /* "_0000" */

size_t dataset_split_name(const char *name, const char *ending, int *channel)
{
    if (*name == '.' || !path_ends_with(name, ending)) return 0;
    const size_t length = strlen(name) - strlen(ending);
    if (length <= CHANNEL_DIGITS || name[length - CHANNEL_DIGITS] != '_') return 0;
    *channel = 0;
    for (size_t i = length - CHANNEL_DIGITS + 1; i < length; i++) {
        if (!isdigit((unsigned char)name[i])) return 0;
        *channel = 10 * *channel + (name[i] - '0');
    }
    return length - CHANNEL_DIGITS;
}

/* ---- labels without an image, and images without a label ---- */

/* Length of the common beginning of two names. */
static size_t common(const char *a, const char *b)
{
    size_t same = 0;
    while (a[same] && a[same] == b[same]) same++;
    return same;
}

static bool has_digit(const char *text) { return text[strcspn(text, "0123456789")]; }

/* Whether two names may be of one case: equal up to a separator, and not followed by two numbers, as in patient_1
 * and patient_2. */
static bool may_be_one(const char *a, const char *b)
{
    const size_t same = common(a, b);
    return same && strchr("_-. ", a[same - 1]) && !(has_digit(a + same) && has_digit(b + same));
}

/* Index of the name with the longest common beginning; -1: none, or several of the same length. */
static int nearest(const char *name, const NameList *list)
{
    int best = -1;
    size_t longest = 0;
    for (int i = 0; i < list->count; i++) {
        const size_t same = common(name, list->names[i]);
        if (same == longest) best = -1;
        if (same <= longest) continue;
        best = i;
        longest = same;
    }
    return best;
}

static int partner_of(const Unpaired *u, int index)
{
    const char *name = u->lonely->names[index];
    const int partner = nearest(name, u->orphans);
    if (partner < 0 || !may_be_one(name, u->orphans->names[partner])) return -1;
    return nearest(u->orphans->names[partner], u->lonely) == index ? partner : -1;
}

static int tell_one(FaultList *faults, NameList *paired, const Unpaired *u, int index, Err *e)
{
    const char *name = u->lonely->names[index];
    const int partner = partner_of(u, index);
    char *image = NULL;
    if (partner >= 0) {
        const char *id = u->orphans->names[partner];
        image = path_format(e, "; and %s has no label: if they are one case, rename the label to %s%s",
                            dataset_find_case(u->cases, id)->images[0], id, u->ending);
        const int code = image ? names_add(paired, id, e) : ERR_NOMEM;
        if (code) return mem_free(image), code;
    }
    fault_add(faults, FAULT_ERROR, "case %s: %s/%s%s has no image: expected imagesTr/%s_0000%s%s", name, u->labels,
              name, u->ending, name, u->ending, image ? image : "");
    mem_free(image);
    return 0;
}

int dataset_tell_lonely(FaultList *faults, NameList *paired, const Unpaired *u, Err *e)
{
    for (int i = 0; i < u->lonely->count; i++) TRY(tell_one(faults, paired, u, i, e));
    names_sort(paired);
    return 0;
}

/* ---- channels ---- */

void dataset_tell_gap(FaultList *faults, const Case *c, const char *ending)
{
    const char *label = c->label ? path_base(c->label) : NULL;
    const size_t length = strlen(c->id);
    int missing = 0, channel;
    while (missing + 1 < c->image_count && dataset_split_name(path_base(c->images[missing]), ending, &channel) &&
           channel == missing)
        missing++;
    Text behind = {0};
    if (label && (strncmp(label, c->id, length) || strcmp(label + length, ending)))
        text_add(&behind, "; its label, %s, is expected as %s%s", label, c->id, ending);
    fault_add(faults, FAULT_ERROR,
              "case %s: %s: no file with channel number %04d: expected one for each number from 0000 on%s", c->id,
              c->images[missing], missing, behind.data ? behind.data : "");
    text_free(&behind);
}
