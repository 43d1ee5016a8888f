#include "evaluation/setup.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/path_hint.h"
#include "base/text.h"
#include "evaluation/instances.h"
#include "plans/meaning.h"

/* ---- dataset.json ---- */

enum { IN, ABOVE };

/* The dataset.json in the folder of a path, or in the folder above that; *found is NULL where there is none. */
static int find_dataset(char **found, const char *path, int where, Err *e)
{
    bool there, is_folder;
    *found = NULL;
    TRY(folder_is_there(path, &is_folder, e));
    const int folder = is_folder ? (int)strlen(path) : (int)(path_base(path) - path);
    char *file = path_format(e, "%.*s%s%sdataset.json", folder, path, folder ? "/" : "", where == ABOVE ? "../" : "");
    const int code = file_is_there(file, &there, e);
    if (!code && there) *found = file;
    else mem_free(file);
    return code;
}

/* Checks that predictions and references have labels of the same meaning, the ignore label included. */
static int expect_same_meaning(const char *taken, const char *other, Err *e)
{
    DatasetInfo a, b;
    Text difference = {0};
    TRY(dataset_info_read(&a, taken, e));
    int code = dataset_info_read(&b, other, e);
    if (!code) {
        meaning_add_difference(&difference, &a, taken, &b, other);
        if (!difference.length && a.ignore_value != b.ignore_value)
            text_add(&difference, "%s and %s differ in the label 'ignore'", taken, other);
        code = text_check(&difference, e);
        dataset_info_free(&b);
    }
    if (!code && difference.length)
        code = err_set(e, ERR_VALUE,
                       "the labels of predictions and references do not mean the same: %s; name the "
                       "dataset.json that applies to both with -d",
                       difference.data);
    text_free(&difference);
    dataset_info_free(&a);
    return code;
}

int setup_find_dataset(char **found, const char *reference, const char *prediction, Err *e)
{
    const char *const sides[] = {prediction, reference};
    char *files[4] = {0}; /* in the prediction's folder, in the reference's, above the first, above the second */
    int code = 0, taken = 0, other;
    for (int i = 0; i < 4 && !code; i++) code = find_dataset(&files[i], sides[i % 2], i < 2 ? IN : ABOVE, e);
    while (taken < 3 && !files[taken]) taken++;
    other = files[1 - taken % 2] ? 1 - taken % 2 : 3 - taken % 2; /* of the other side */
    if (!code && files[taken] && files[other]) code = expect_same_meaning(files[taken], files[other], e);
    *found = code ? NULL : files[taken];
    for (int i = 0; i < 4; i++)
        if (files[i] != *found) mem_free(files[i]);
    return code;
}

int setup_expect_folder(const char *option, const char *path, Err *e)
{
    bool there, is_folder;
    TRY(file_is_there(path, &there, e));
    TRY(folder_is_there(path, &is_folder, e));
    if (is_folder) return 0;
    err_set(e, ERR_VALUE, "%s %s: %s; expected a folder", option, path,
            there ? "this is no folder" : "it does not exist");
    return path_hint(e, path);
}

int setup_find_sibling(char **found, const char *labels, const char *word, Err *e)
{
    static const char prefix[] = "labels";
    int end = (int)strlen(labels), base;
    *found = NULL;
    while (end > 1 && labels[end - 1] == '/') end--;
    for (base = end; base > 0 && labels[base - 1] != '/'; base--) continue;
    const int suffix = base + (int)strlen(prefix);
    if (suffix > end || memcmp(labels + base, prefix, strlen(prefix))) return 0;
    char *path = path_format(e, "%.*s%s%.*s", base, labels, word, end - suffix, labels + suffix);
    bool there;
    const int code = folder_is_there(path, &there, e);
    if (!code && there) *found = path;
    else mem_free(path);
    return code;
}

/* ---- names of labels ---- */

/* "Anterior, Posterior"; only the first ones of many. */
static void list_names(Text *out, const Structures *s)
{
    enum { SHOWN = 10 };
    for (int i = 0; i < s->count && i < SHOWN; i++) text_add(out, "%s%s", i ? ", " : "", s->items[i].name);
    if (s->count > SHOWN) text_add(out, " and %d more", s->count - SHOWN);
}

static int no_such_label(const char *text, int length, const Structures *s, Err *e)
{
    Text names = {0};
    list_names(&names, s);
    int code = text_check(&names, e);
    if (!code)
        code = err_set(e, ERR_VALUE, "--tolerance %s: there is no label '%.*s'; the labels are %s", text, length, text,
                       names.data);
    text_free(&names);
    return code;
}

int setup_tolerances(Structures *s, const char *const *texts, int count, Err *e)
{
    for (int k = 0; k < count; k++) {
        const char *text = texts[k], *equals = strrchr(text, '=');
        const size_t length = equals ? (size_t)(equals - text) : 0;
        bool used = !equals;
        for (int i = 0; i < s->count; i++) {
            const char *const names[] = {s->items[i].name, s->items[i].key};
            for (int n = 0; n < 2; n++) {
                if (equals && (strlen(names[n]) != length || memcmp(names[n], text, length))) continue;
                s->items[i].tolerance_mm = strtod(equals ? equals + 1 : text, NULL);
                used = true;
            }
        }
        if (!used) return no_such_label(text, (int)length, s, e);
    }
    return 0;
}

/* ---- instances ---- */

static const Structure *structure_of(const Structures *s, int16_t label)
{
    for (int i = 0; i < s->count; i++)
        if (s->items[i].label_count == 1 && s->items[i].labels[0] == label) return &s->items[i];
    return NULL;
}

int setup_expect_instance_labels(const Structures *s, const char *source, Err *e)
{
    static const char expected[] = "--instances needs label maps with 0 background, 1 interior, 2 boundary";
    const Structure *interior = structure_of(s, INSTANCE_INTERIOR), *boundary = structure_of(s, INSTANCE_BOUNDARY);
    Text names = {0};
    int code = 0;
    list_names(&names, s);
    if (text_check(&names, e)) code = ERR_NOMEM;
    else if (!interior)
        code = err_set(e, ERR_VALUE, "%s; %s has no label 1, its labels are %s", expected, source, names.data);
    else if (s->count > 1 + (boundary != NULL))
        code = err_set(e, ERR_VALUE,
                       "%s; %s has %d labels: %s. Instance maps of the references are given by "
                       "--instances=FOLDER, their label maps as GROUND_TRUTH",
                       expected, source, s->count, names.data);
    else if (strcasestr(interior->name, "bound") || strcasestr(interior->name, "border"))
        code = err_set(e, ERR_VALUE, "%s; in %s label 1 is '%s'", expected, source, interior->name);
    text_free(&names);
    return code;
}
