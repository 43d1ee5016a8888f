#include "planner/orientations.h"

#include <stdio.h>
#include <string.h>

#include "data/orientation_code.h"

enum { CODES = 64, NAMES = 3 }; /* 48 in 3-D, 8 in 2-D, "none" */

typedef struct Group {
    const char *code;
    int count;
} Group;

/* The groups, the most frequent first; among equally frequent ones that with the first case. Returns their number. */
static int find_groups(Group groups[CODES], const Fingerprint *f)
{
    int n = 0;
    for (int i = 0; i < f->case_count && *f->orientations[i]; i++) {
        int k = 0;
        while (k < n && strcmp(groups[k].code, f->orientations[i])) k++;
        if (k == CODES) continue;
        if (k == n) groups[n++] = (Group){f->orientations[i], 0};
        groups[k].count++;
    }
    for (int i = 1; i < n; i++) {
        const Group group = groups[i];
        int at = i;
        for (; at > 0 && groups[at - 1].count < group.count; at--) groups[at] = groups[at - 1];
        groups[at] = group;
    }
    return n;
}

void orientations_of_plan(char text[PLAN_ORIENTATIONS_BYTES], const Fingerprint *f)
{
    Group groups[CODES];
    const int n = find_groups(groups, f);
    size_t used = 0;
    *text = '\0';
    for (int i = 0; i < n && used < PLAN_ORIENTATIONS_BYTES; i++)
        used += (size_t)snprintf(text + used, PLAN_ORIENTATIONS_BYTES - used, "%s%s", i ? ", " : "", groups[i].code);
}

static void add_names(Text *text, const char *code, const Fingerprint *f, const Dataset *d)
{
    int shown = 0;
    for (int i = 0; i < f->case_count && i < d->training.count && shown <= NAMES; i++) {
        if (strcmp(f->orientations[i], code)) continue;
        if (shown < NAMES) text_add(text, "%s%s", shown ? ", " : "", d->training.cases[i].id);
        else text_add(text, " …");
        shown++;
    }
}

static bool are_mixed(const Group *groups, int n, ReaderAxes reader)
{
    for (int i = 1; i < n; i++)
        if (!orientation_same(orientation_as_read(groups[0].code, reader), orientation_as_read(groups[i].code, reader)))
            return true;
    return false;
}

/* Adds each piece of advice once: for volumes, which a reader can reorient, and for images that no reader reorients. */
static void add_advice(Text *text, const Group *groups, int n, ReaderAxes reader)
{
    const char *told[CODES];
    int volumes = 0, advices = 0;
    for (int i = 0; i < n; i++) {
        const char *advice = orientation_unturned(groups[i].code, reader);
        int k = 0;
        while (advice && k < advices && strcmp(told[k], advice)) k++;
        if (!advice) volumes++;
        else if (k == advices) told[advices++] = advice;
    }
    if (reader == READER_STORED && volumes > 1)
        text_add(text, "; \"orientation: canonical\" in --override reorients %s to RAS",
                 advices ? "the volumes" : "them all");
    for (int k = 0; k < advices; k++) text_add(text, "; %s", told[k]);
}

void orientations_add_mixed(Text *text, const Fingerprint *f, const Dataset *d, ReaderAxes reader)
{
    Group groups[CODES];
    const int n = find_groups(groups, f);
    if (!are_mixed(groups, n, reader)) return;
    for (int i = 0; i < n; i++) {
        text_add(text, "%s%s: %d case%s (", i ? "; " : "", groups[i].code, groups[i].count,
                 groups[i].count == 1 ? "" : "s");
        add_names(text, groups[i].code, f, d);
        text_add(text, ")");
    }
    add_advice(text, groups, n, reader);
}
