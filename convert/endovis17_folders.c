#include "convert/endovis17_folders.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "data/image_io.h"

enum { DEPTH = 4 }; /* of folders in IN */

static const char PREFIX[] = "instrument_dataset_";

/* What was found of a sequence; owned paths, NULL: nothing. */
typedef struct Sequence {
    char *training, *test; /* folders with left_frames */
    char *types;           /* folder TypeSegmentation, of the test */
} Sequence;

typedef struct Search {
    Conversion *c;
    Sequence sequences[ENDOVIS17_SEQUENCES + 1]; /* from 1 */
} Search;

int endovis17_value(const char *folder)
{
    static const char *const names[] = {"Bipolar_Forceps",
                                        "Prograsp_Forceps",
                                        "Large_Needle_Driver",
                                        "Vessel_Sealer",
                                        "Grasping_Retractor",
                                        "Monopolar_Curved_Scissors",
                                        "Other"};
    for (int i = 0; i < 7; i++)
        if (strstr(folder, names[i])) return i + 1;
    return 0;
}

/* ---- finding the folders ---- */

static int find_inside(char **path, const char *folder, const char *name, Err *e)
{
    bool there;
    *path = path_format(e, "%s/%s", folder, name);
    const int code = folder_is_there(*path, &there, e);
    if (!code && there) return 0;
    mem_free(*path);
    *path = NULL;
    return code;
}

/* Notes a folder; one that was found before is a fault. */
static void note(Search *s, char **known, char *found, int number)
{
    if (*known && found) {
        fault_add(&s->c->faults, FAULT_ERROR, "%s%d is there twice: %s and %s: keep one of them", PREFIX, number,
                  *known, found);
        mem_free(found);
    } else if (found) *known = found;
}

/* A folder instrument_dataset_N with masks by instrument is of the training; one with values, or frames alone, of the
 * test. */
static int visit_sequence(Search *s, const char *folder, int number, Err *e)
{
    static const char *const places[] = {"TypeSegmentation", "gt/TypeSegmentation", "ground_truth/TypeSegmentation"};
    Sequence *q = &s->sequences[number];
    char *frames, *masks = NULL, *types = NULL;
    TRY(find_inside(&frames, folder, "left_frames", e));
    int code = find_inside(&types, folder, places[2], e);
    if (!code) code = find_inside(&masks, folder, "ground_truth", e);
    const bool is_training = masks && !types;
    for (int i = 0; i < 2 && !types && !is_training && !code; i++) code = find_inside(&types, folder, places[i], e);
    char *copy = frames && !code ? mem_strdup(folder, e) : NULL;
    if (frames && !code && !copy) code = ERR_NOMEM;
    note(s, is_training ? &q->training : &q->test, copy, number);
    note(s, &q->types, types, number);
    mem_free(masks);
    mem_free(frames);
    return code;
}

static int sequence_number(const char *name)
{
    char *end;
    if (strncmp(name, PREFIX, strlen(PREFIX))) return 0;
    const long number = strtol(name + strlen(PREFIX), &end, 10);
    return !*end && number >= 1 && number <= ENDOVIS17_SEQUENCES ? (int)number : 0;
}

static int walk(Search *s, const char *folder, int depth, Err *e)
{
    FileList list;
    int code = 0;
    TRY(file_list(&list, folder, e));
    for (int i = 0; i < list.count && !code; i++) {
        const int number = sequence_number(list.names[i]);
        char *path = path_format(e, "%s/%s", folder, list.names[i]);
        bool is_folder = false;
        code = folder_is_there(path, &is_folder, e);
        if (is_folder && number) code = visit_sequence(s, path, number, e);
        else if (is_folder && depth > 1) code = walk(s, path, depth - 1, e);
        mem_free(path);
    }
    file_list_free(&list);
    return code;
}

/* ---- their frames ---- */

/* A frame's label: the folder of all masks, or the file in `types`; NULL: none. */
static int label_of(char **label, Search *s, const char *masks, const char *types, const char *name, Err *e)
{
    bool there = true;
    *label = types ? path_format(e, "%s/%s", types, name) : masks ? mem_strdup(masks, e) : NULL;
    if (!*label) return types || masks ? ERR_NOMEM : 0;
    if (types) TRY(file_is_there(*label, &there, e));
    if (!there) fault_add(&s->c->faults, FAULT_ERROR, "%s: is missing, but there is a frame of this name", *label);
    return 0;
}

static int add_frame(Search *s, const char *frames, const char *name, const char *masks, const char *types, int number,
                     Err *e)
{
    char *image = path_format(e, "%s/%s", frames, name), *label = NULL;
    char *id = image ? path_format(e, "%s%d_%.*s", PREFIX, number, (int)(image_ending(name) - name), name) : NULL;
    int code = id ? label_of(&label, s, masks, types, name, e) : ERR_NOMEM;
    if (!code) {
        code = conversion_add(s->c, masks ? "Tr" : "Ts", number, id, image, label, e);
    } else {
        mem_free(label);
        mem_free(image);
    }
    mem_free(id);
    return code;
}

/* The frames of a folder with left_frames. masks, types: NULL: there are none. */
static int add_frames(Search *s, const char *folder, const char *masks, const char *types, int number, Err *e)
{
    char *frames = path_format(e, "%s/left_frames", folder);
    FileList list = {0};
    int code = frames ? file_list(&list, frames, e) : ERR_NOMEM;
    for (int i = 0; i < list.count && !code; i++) {
        if (image_ending(list.names[i])) code = add_frame(s, frames, list.names[i], masks, types, number, e);
        else fault_add(&s->c->faults, FAULT_WARNING, "%s/%s: is no image file, and is not used", frames, list.names[i]);
    }
    file_list_free(&list);
    mem_free(frames);
    return code;
}

static int check_masks(Search *s, const char *masks, Err *e)
{
    FileList list;
    int known = 0;
    TRY(file_list(&list, masks, e));
    for (int i = 0; i < list.count; i++) {
        known += endovis17_value(list.names[i]) > 0;
        if (!endovis17_value(list.names[i]))
            fault_add(&s->c->faults, FAULT_ERROR,
                      "%s/%s: names no instrument of the challenge, as %s: remove it, or rename it", masks,
                      list.names[i], "Left_Prograsp_Forceps_labels");
    }
    if (!known) fault_add(&s->c->faults, FAULT_ERROR, "%s: has no folder of masks", masks);
    file_list_free(&list);
    return 0;
}

static int add_training(Search *s, int number, Err *e)
{
    const char *folder = s->sequences[number].training;
    char *masks = path_format(e, "%s/ground_truth", folder);
    int code = masks ? check_masks(s, masks, e) : ERR_NOMEM;
    if (!code) code = add_frames(s, folder, masks, NULL, number, e);
    mem_free(masks);
    return code;
}

static int add_test(Search *s, int number, Err *e)
{
    const Sequence *q = &s->sequences[number];
    if (q->types && !q->test)
        fault_add(&s->c->faults, FAULT_WARNING, "%s: is not used: there are no test frames of sequence %d", q->types,
                  number);
    if (!q->test) return 0;
    if (!q->types)
        fault_add(&s->c->faults, FAULT_WARNING, "%s: there is no TypeSegmentation of its frames: they get no labels",
                  q->test);
    return add_frames(s, q->test, NULL, q->types, number, e);
}

/* ---- all of it ---- */

static void tell_missing(Search *s)
{
    Text missing = {0};
    for (int i = 1; i <= ENDOVIS17_TRAINING; i++)
        if (!s->sequences[i].training) text_add(&missing, "%s%d", missing.length ? ", " : "", i);
    if (missing.length)
        fault_add(&s->c->faults, FAULT_WARNING,
                  "%s: training sequences are missing: %s; so there is no splits_final.json of whole videos", s->c->in,
                  missing.data);
    text_free(&missing);
}

static int add_all(Search *s, Err *e)
{
    int code = 0;
    for (int i = 1; i <= ENDOVIS17_SEQUENCES && !code; i++)
        if (s->sequences[i].training) code = add_training(s, i, e);
    if (!code && !s->c->count && !s->c->faults.errors)
        return err_set(
            e, ERR_VALUE,
            "%s: found no folder %s1 … with left_frames and ground_truth: expected the folder that the archives "
            "of the challenge were unpacked into (instrument_1_4_training.zip …)",
            s->c->in, PREFIX);
    for (int i = 1; i <= ENDOVIS17_SEQUENCES && !code; i++) code = add_test(s, i, e);
    if (!code) tell_missing(s);
    return code;
}

int endovis17_find(Conversion *c, Err *e)
{
    Search s = {.c = c};
    int code = walk(&s, c->in, DEPTH, e);
    if (!code) code = add_all(&s, e);
    for (int i = 0; i <= ENDOVIS17_SEQUENCES; i++) {
        mem_free(s.sequences[i].training);
        mem_free(s.sequences[i].test);
        mem_free(s.sequences[i].types);
    }
    return code;
}

bool endovis17_is_complete(const Conversion *c)
{
    bool found[ENDOVIS17_SEQUENCES + 1] = {false};
    for (int i = 0; i < c->count; i++)
        if (!strcmp(c->items[i].part, "Tr")) found[c->items[i].group] = true;
    for (int i = 1; i <= ENDOVIS17_TRAINING; i++)
        if (!found[i]) return false;
    return true;
}
