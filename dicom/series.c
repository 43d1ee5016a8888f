#include "dicom/series.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "dicom/stack.h"
#include "dicom/volumes.h"

/* ---- all headers ---- */

enum { NAMES_SHOWN = 3 };

static void warn_of_others(Text *warnings, const DicomSources *source, const int *others, int count)
{
    if (!count) return;
    text_add(warnings, "%d file%s no DICOM and %s not read: ", count, count == 1 ? " is" : "s are",
             count == 1 ? "is" : "are");
    for (int i = 0; i < count && i < NAMES_SHOWN; i++)
        text_add(warnings, "%s%s", i ? ", " : "", sources_name(source, others[i]));
    if (count > NAMES_SHOWN) text_add(warnings, " and %d more", count - NAMES_SHOWN);
    text_add(warnings, "\n");
}

static int read_header(DicomScan *s, HeaderKind *kind, const DicomSources *source, int index, Err *e)
{
    SourceBytes bytes;
    TRY(sources_get(&bytes, source, index, e));
    const int code = dicom_read_header(s, kind, index, bytes.data, bytes.count, e);
    sources_release(&bytes);
    return code ? err_context(e, "%s", sources_name(source, index)) : 0;
}

static void warn_of_deep(Text *warnings, const DicomSources *source)
{
    if (!source->left_out) return;
    text_add(warnings, "%d folder%s more than %d levels deep and not read; the first: %s\n", source->left_out,
             source->left_out == 1 ? " is" : "s are", SOURCES_DEEPEST, source->deep);
}

static void warn_of_objects(Text *warnings, const DicomSources *source, const DicomScan *s)
{
    if (!s->other_count || !s->file_count) return;
    text_add(warnings,
             "%d DICOM object%s no image (a report, a segmentation, a DICOMDIR …) and %s not read; the first: %s\n",
             s->other_count, s->other_count == 1 ? " is" : "s are", s->other_count == 1 ? "is" : "are",
             sources_name(source, s->first_other));
}

/* lists: a file that is damaged is told, and is no error. */
static int read_headers(DicomScan *s, Text *warnings, const DicomSources *source, bool lists, Err *e)
{
    HeaderKind kind;
    int count = 0, code = 0;
    int *others = mem_alloc(mem_product((size_t)source->count, sizeof *others), e);
    if (!others) return e->code;
    for (int i = 0; i < source->count && !code; i++) {
        code = read_header(s, &kind, source, i, e);
        if (code == ERR_FORMAT && lists) {
            text_add(warnings, "%s\n", e->text);
            err_clear(e);
            code = 0;
        } else if (!code && kind == HEADER_NONE) others[count++] = i;
    }
    warn_of_deep(warnings, source);
    if (!code) warn_of_others(warnings, source, others, count);
    if (!code) warn_of_objects(warnings, source, s);
    mem_free(others);
    return code;
}

/* ---- which series ---- */

/* A series and what was found of it. */
typedef struct Group {
    const DicomFile *first; /* borrowed */
    int images, usable;     /* usable: of files without a fault */
} Group;

static int compare_groups(const void *a, const void *b)
{
    const Group *x = a, *y = b;
    const int64_t m = x->first->series_number, n = y->first->series_number;
    return m != n ? (m > n) - (m < n) : strcmp(x->first->series, y->first->series);
}

/* *groups: new; owned by the caller. */
static int group_files(Group **groups, int *count, const DicomScan *s, Err *e)
{
    *count = 0;
    *groups = mem_alloc(mem_product((size_t)s->file_count, sizeof **groups), e);
    if (!*groups) return e->code;
    for (int i = 0; i < s->file_count; i++) {
        int k = *count; /* files of a series mostly follow each other */
        while (k > 0 && strcmp((*groups)[k - 1].first->series, s->files[i].series)) k--;
        if (!k) (*groups)[k = (*count)++] = (Group){&s->files[i], 0, 0};
        else k--;
        (*groups)[k].images += s->files[i].count;
        if (!s->files[i].fault_code) (*groups)[k].usable += s->files[i].count;
    }
    qsort(*groups, (size_t)*count, sizeof **groups, compare_groups);
    return 0;
}

static void add_number(Text *t, const DicomFile *f)
{
    if (f->series_number >= 0) text_add(t, "%lld", (long long)f->series_number);
    else text_add(t, "-");
}

static void add_group(Text *t, const Group *g)
{
    const DicomFile *f = g->first;
    text_add(t, "%s  ", *f->series ? f->series : "-");
    add_number(t, f);
    text_add(t, "  %s  %d image%s  %s\n", *f->modality ? f->modality : "-", g->images, g->images == 1 ? "" : "s",
             f->description);
}

static void warn_of_faults(Text *warnings, const DicomSources *source, const DicomScan *s)
{
    const DicomFile *first = NULL;
    int count = 0;
    for (int i = 0; i < s->file_count; i++) {
        if (!s->files[i].fault_code) continue;
        first = first ? first : &s->files[i];
        count++;
    }
    if (count)
        text_add(warnings, "%d file%s cannot be used; %s: %s\n", count, count == 1 ? "" : "s",
                 sources_name(source, first->source), first->fault);
}

int series_table(Text *text, Text *warnings, const DicomSources *source, Err *e)
{
    DicomScan s = {0};
    Group *groups = NULL;
    int count = 0, code = read_headers(&s, warnings, source, true, e);
    if (!code) warn_of_faults(warnings, source, &s);
    if (!code) code = group_files(&groups, &count, &s, e);
    for (int i = 0; i < count && !code; i++) add_group(text, &groups[i]);
    mem_free(groups);
    scan_free(&s);
    return code ? code : text_check(text, e);
}

static int no_series(const DicomScan *s, const DicomSources *source, Err *e)
{
    if (s->other_count)
        return err_set(
            e, ERR_VALUE,
            "no image among %d DICOM object%s (reports, segmentations, a DICOMDIR …): expected a series of slices",
            s->other_count, s->other_count == 1 ? "" : "s");
    if (source->count == 1)
        return err_set(e, ERR_VALUE, "%s is no DICOM file: expected a folder, or a zip archive, of one series",
                       sources_name(source, 0));
    if (!source->count)
        return err_set(
            e, ERR_VALUE,
            "there is no file (hidden ones, \".name\", are left out): expected a folder, or a zip archive, of one series");
    return err_set(e, ERR_VALUE,
                   "none of the %d files is DICOM; the first: %s; expected a folder, or a zip archive, of one series",
                   source->count, sources_name(source, 0));
}

enum { SERIES_SHOWN = 5 };

/* wanted: NULL: there are several. */
static int which_series(const Group *groups, int count, const char *wanted, Err *e)
{
    Text t = {0};
    if (wanted) text_add(&t, "there is no series %s, but ", wanted);
    text_add(&t, "%d series: choose one by --series UID or NUMBER:", count);
    for (int i = 0; i < count && i < SERIES_SHOWN; i++) {
        const DicomFile *f = groups[i].first;
        text_add(&t, "%s ", i ? "," : "");
        add_number(&t, f);
        text_add(&t, " %s (%s, %d image%s%s%s)", f->series, f->modality, groups[i].images,
                 groups[i].images == 1 ? "" : "s", *f->description ? ", " : "", f->description);
    }
    if (count > SERIES_SHOWN) text_add(&t, " and %d more, which --list shows", count - SERIES_SHOWN);
    const int code = text_check(&t, e) ? e->code : err_set(e, ERR_VALUE, "%s", t.data);
    text_free(&t);
    return code;
}

static bool is_wanted(const Group *g, const char *wanted)
{
    char *end;
    if (!strcmp(g->first->series, wanted)) return true;
    const long long number = strtoll(wanted, &end, 10);
    return isdigit((unsigned char)*wanted) && !*end && number == g->first->series_number;
}

static void warn_of_unusable(Text *warnings, const DicomSources *source, const Group *groups, int count)
{
    for (int i = 0; i < count; i++)
        if (!groups[i].usable)
            text_add(warnings, "the series %s is left out, none of its images can be used; %s: %s\n",
                     groups[i].first->series, sources_name(source, groups[i].first->source), groups[i].first->fault);
}

/* *uid: of the chosen series, borrowed from the scan. Without a choice those of which nothing can be used do not count. */
static int choose_series(const char **uid, Series *in, const DicomSources *source, const char *wanted, Err *e)
{
    const DicomScan *s = &in->scan;
    Group *groups;
    int count, found = 0, usable = 0;
    if (!s->file_count) return no_series(s, source, e);
    TRY(group_files(&groups, &count, s, e));
    for (int i = 0; i < count; i++) usable += groups[i].usable > 0;
    for (int i = 0; i < count; i++)
        if (wanted ? is_wanted(&groups[i], wanted) : groups[i].usable || !usable) {
            *uid = groups[i].first->series;
            found++;
        }
    const int code = found == 1 ? 0 : which_series(groups, count, found ? NULL : wanted, e);
    if (!code && !wanted && usable) warn_of_unusable(&in->warnings, source, groups, count);
    mem_free(groups);
    return code;
}

/* ---- its slices ---- */

/* A file of the series, to find copies of it. */
typedef struct Instance {
    const DicomFile *file;
    int index;
} Instance;

static int by_instance(const void *a, const void *b)
{
    const Instance *x = a, *y = b;
    const int order = strcmp(x->file->instance, y->file->instance);
    return order ? order : x->index - y->index;
}

static int by_index(const void *a, const void *b)
{
    const Instance *x = a, *y = b;
    return x->index - y->index;
}

/* Leaves one file of each instance. */
static int drop_copies(Instance *list, int count, Text *warnings, const DicomSources *source)
{
    int kept = 0, first = -1;
    qsort(list, (size_t)count, sizeof *list, by_instance);
    for (int i = 0; i < count; i++) {
        if (kept && *list[i].file->instance && !strcmp(list[kept - 1].file->instance, list[i].file->instance))
            first = first < 0 ? i : first;
        else list[kept++] = list[i];
    }
    if (kept < count)
        text_add(warnings,
                 "%d file%s a copy of another one, with the same SOPInstanceUID, and left out; the first: %s\n",
                 count - kept, count - kept == 1 ? " is" : "s are", sources_name(source, list[first].file->source));
    qsort(list, (size_t)kept, sizeof *list, by_index);
    return kept;
}

static int add_frames(Series *s, const DicomSources *source, const DicomFile *file, Err *e)
{
    if (file->fault_code)
        return err_set(e, file->fault_code, "%s: %s", sources_name(source, file->source), file->fault);
    for (int i = 0; i < file->count; i++) s->slices[s->count++] = file->first + i;
    return 0;
}

static int list_slices(Series *s, const DicomSources *source, const char *uid, Err *e)
{
    int count = 0, code = 0;
    Instance *list = mem_alloc(mem_product((size_t)s->scan.file_count, sizeof *list), e);
    s->slices = mem_alloc(mem_product((size_t)s->scan.frame_count, sizeof *s->slices), e);
    for (int i = 0; i < s->scan.file_count && list; i++)
        if (!strcmp(s->scan.files[i].series, uid)) list[count++] = (Instance){&s->scan.files[i], i};
    if (list && s->slices) {
        count = drop_copies(list, count, &s->warnings, source);
        for (int i = 0; i < count && !code; i++) code = add_frames(s, source, list[i].file, e);
    }
    const bool has_memory = list && s->slices;
    mem_free(list);
    return has_memory ? code : e->code;
}

static int open_series(Series *s, const DicomSources *source, const SeriesChoice *choice, Err *e)
{
    const char *uid = NULL;
    TRY(read_headers(&s->scan, &s->warnings, source, false, e));
    TRY(choose_series(&uid, s, source, choice->series, e));
    TRY(list_slices(s, source, uid, e));
    TRY(volumes_choose(s, source, choice->volume, e));
    TRY(stack_geometry(s, source, e));
    return text_check(&s->warnings, e);
}

int series_open(Series *s, const DicomSources *source, const SeriesChoice *choice, Err *e)
{
    *s = (Series){0};
    const int code = open_series(s, source, choice, e);
    if (code) series_close(s);
    return code;
}

void series_close(Series *s)
{
    scan_free(&s->scan);
    mem_free(s->slices);
    text_free(&s->warnings);
    *s = (Series){0};
}
