#include "dicom/volumes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "dicom/stack.h"

static const char *const key_names[KEY_COUNT] = {[KEY_TEMPORAL] = "the position in time",
                                                 [KEY_ECHO] = "EchoTime",
                                                 [KEY_B_VALUE] = "DiffusionBValue",
                                                 [KEY_TRIGGER] = "TriggerTime",
                                                 [KEY_STACK] = "StackID",
                                                 [KEY_ACQUISITION] = "AcquisitionNumber",
                                                 [KEY_TYPE] = "ImageType",
                                                 [KEY_TIME] = "AcquisitionTime"};

/* One or two attributes (equal: one) by which slices are told apart. */
typedef struct Keys {
    int first, second;
} Keys;

typedef struct Keyed {
    const Frame *frame;
    int index;
    Keys keys;
} Keyed;

enum { EXACT_DIGITS = 15 }; /* of a double: longer times may differ in more */

/* Numbers by their value (10 is 10.0), texts by their letters. */
static int compare_values(const char *a, const char *b)
{
    char *past_a, *past_b;
    const double x = strtod(a, &past_a), y = strtod(b, &past_b);
    const bool are_numbers = *a && *b && !*past_a && !*past_b && !isnan(x) && !isnan(y);
    if (!are_numbers || (x == y && strlen(a) > EXACT_DIGITS)) return strcmp(a, b);
    return (x > y) - (x < y);
}

static int compare_keys(const Frame *a, const Frame *b, Keys k)
{
    const int order = compare_values(a->keys[k.first], b->keys[k.first]);
    return order ? order : compare_values(a->keys[k.second], b->keys[k.second]);
}

static int by_keys(const void *a, const void *b)
{
    const Keyed *x = a, *y = b;
    const int order = compare_keys(x->frame, y->frame, x->keys);
    return order ? order : x->index - y->index;
}

/* Sorts the slices by the keys. */
static int order_by(int *slices, int count, const DicomScan *scan, Keys keys, Err *e)
{
    Keyed *list = mem_alloc(mem_product((size_t)count, sizeof *list), e);
    if (!list) return ERR_NOMEM;
    for (int i = 0; i < count; i++) list[i] = (Keyed){&scan->frames[slices[i]], slices[i], keys};
    qsort(list, (size_t)count, sizeof *list, by_keys);
    for (int i = 0; i < count; i++) slices[i] = list[i].index;
    mem_free(list);
    return 0;
}

/* The end of the group that begins at `first`, of slices sorted by the keys. */
static int group_end(const int *slices, int count, int first, const DicomScan *scan, Keys keys)
{
    int past = first + 1;
    while (past < count && !compare_keys(&scan->frames[slices[first]], &scan->frames[slices[past]], keys)) past++;
    return past;
}

/* Whether the groups, which are sorted by place each, are volumes: several, of equal counts. A kind of image or a
 * stack may have its own count, as the localizer within a series. Groups of one slice each are moments of one place.
 * *groups: their number. */
static bool are_volumes(int *groups, int *slices, int count, const DicomScan *scan, const DicomSources *source,
                        Keys keys)
{
    const bool may_differ = keys.first == keys.second && (keys.first == KEY_TYPE || keys.first == KEY_STACK);
    int largest = 0, smallest = count;
    *groups = 0;
    for (int first = 0, past; first < count; first = past, (*groups)++) {
        past = group_end(slices, count, first, scan, keys);
        if (stack_sort(slices + first, past - first, scan, source, NULL)) return false;
        largest = past - first > largest ? past - first : largest;
        smallest = past - first < smallest ? past - first : smallest;
    }
    if (*groups < 2 || (largest != smallest && !may_differ)) return false;
    return largest > 1 || stack_is_one_place(slices, count, scan);
}

/* Finds keys that split the slices into volumes, and sorts the slices by them. */
static bool find_keys(Keys *keys, int *groups, Series *s, const DicomSources *source)
{
    for (int gap = 0; gap < KEY_COUNT; gap++) /* one attribute, else two */
        for (int k = 0; k + gap < KEY_COUNT; k++) {
            *keys = (Keys){k, k + gap};
            if (order_by(s->slices, s->count, &s->scan, *keys, NULL)) return false;
            if (are_volumes(groups, s->slices, s->count, &s->scan, source, *keys)) return true;
        }
    return false;
}

static void add_values(Text *t, const Frame *f, Keys k)
{
    text_add(t, "%s", *f->keys[k.first] ? f->keys[k.first] : "none");
    if (k.second != k.first) text_add(t, ", %s", *f->keys[k.second] ? f->keys[k.second] : "none");
}

enum { VOLUMES_SHOWN = 8 };

static int tell_volumes(const Series *s, Keys keys, int groups, int wanted, Err *e)
{
    Text t = {0};
    int n = 1;
    if (wanted) text_add(&t, "there is no volume %d: ", wanted);
    text_add(&t, "the series has %d volumes, which differ in %s", groups, key_names[keys.first]);
    if (keys.second != keys.first) text_add(&t, " and %s", key_names[keys.second]);
    text_add(&t, ": choose one by --volume N:");
    for (int first = 0, past; first < s->count && n <= VOLUMES_SHOWN; first = past, n++) {
        past = group_end(s->slices, s->count, first, &s->scan, keys);
        text_add(&t, "%s %d (", n > 1 ? "," : "", n);
        add_values(&t, &s->scan.frames[s->slices[first]], keys);
        text_add(&t, "; %d image%s)", past - first, past - first == 1 ? "" : "s");
    }
    if (groups > VOLUMES_SHOWN) text_add(&t, " …");
    const int code = text_check(&t, e) ? e->code : err_set(e, ERR_VALUE, "%s", t.data);
    text_free(&t);
    return code;
}

static void keep_group(Series *s, Keys keys, int number)
{
    int first = 0, past = group_end(s->slices, s->count, 0, &s->scan, keys);
    for (; number > 1; number--) {
        first = past;
        past = group_end(s->slices, s->count, first, &s->scan, keys);
    }
    memmove(s->slices, s->slices + first, (size_t)(past - first) * sizeof *s->slices);
    s->count = past - first;
}

int volumes_choose(Series *s, const DicomSources *source, int volume, Err *e)
{
    Keys keys;
    int groups = 1;
    Err why = {0};
    if (!stack_sort(s->slices, s->count, &s->scan, source, &why)) {
        if (volume <= 1) return 0;
        return err_set(e, ERR_VALUE, "there is no volume %d: the series has one", volume);
    }
    if (why.code == ERR_NOMEM || !find_keys(&keys, &groups, s, source)) {
        *e = why;
        return why.code;
    }
    if (volume < 1 || volume > groups) return tell_volumes(s, keys, groups, volume, e);
    keep_group(s, keys, volume);
    return 0;
}
