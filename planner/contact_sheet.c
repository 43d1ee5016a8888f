#include "planner/contact_sheet.h"

#include <stdio.h>

#include "base/file.h"
#include "base/memory.h"
#include "data/picture.h"
#include "formats/yaml.h"
#include "pictures/legend.h"
#include "pictures/slice_picture.h"
#include "planner/case_loop.h"

enum {
    CASES = CONTACT_COLUMNS * CONTACT_ROWS,
    GAP = 4,
    CAPTION = GLYPH_HEIGHT + 6, /* the case's name, below its tile */
    CELL = CONTACT_TILE + CAPTION,
    WIDTH = CONTACT_COLUMNS * CONTACT_TILE
};

static const Color BACKGROUND = {0, 0, 0}, TEXT = {220, 220, 220};

int contact_tile(Canvas *sheet, int x, int y, const CaseData *data, Err *e)
{
    CasePictures p = case_pictures(&data->image.geometry, &data->image.voxels, &data->labels);
    int64_t slice;
    int size[2];
    const int chosen = section_choose(&slice, 1, &p.section, &data->labels, e);
    if (chosen < 0) return chosen;
    const SlicePart whole = slice_whole(&p.section, slice);
    TRY(case_pictures_window(&p, &whole, 1, e));
    slice_fit(&p.section, CONTACT_TILE - GAP, size);
    return slice_draw(sheet, x, y, size, &p, &whole, 1, e);
}

typedef struct Sheet {
    Canvas canvas;
    const DatasetInfo *info;
} Sheet;

static int draw_case(void *context, int index, const Case *c, FaultList *faults, Err *e)
{
    Sheet *sheet = context;
    CaseData data;
    const int x = index % CONTACT_COLUMNS * CONTACT_TILE, y = index / CONTACT_COLUMNS * CELL;
    canvas_text(&sheet->canvas, x, y + CONTACT_TILE, 1, CONTACT_TILE - GAP, c->id, TEXT);
    if (dataset_load_case(&data, sheet->info, c, faults)) return 0; /* its fault was added to the list */
    const int code = contact_tile(&sheet->canvas, x, y, &data, e);
    case_data_free(&data);
    return code;
}

static int draw_cases(Sheet *sheet, Dataset *some, int threads, Progress *progress, Err *e)
{
    FaultList faults = {0}; /* warnings were told when the cases were read first */
    int code = for_each_case(some, draw_case, sheet, threads, NULL, progress, &faults, e);
    if (!code) code = faults_check(&faults, e);
    faults_free(&faults);
    return code;
}

/* Writes the sheet that starts with case `first`. */
static int write_sheet(const Dataset *d, int first, const char *folder, int threads, Progress *progress, Err *e)
{
    const int left = d->training.count - first, number = first / CASES + 1;
    Dataset some = *d;
    some.training = (CaseList){d->training.cases + first, left < CASES ? left : CASES};
    const int rows = (some.training.count + CONTACT_COLUMNS - 1) / CONTACT_COLUMNS;
    const Legend legend = {.info = &d->info, .width = WIDTH - 2 * GAP, .size = 2};
    Sheet sheet = {.info = &d->info};
    TRY(canvas_new(&sheet.canvas, rows * CELL + legend_height(&legend) + GAP, WIDTH, BACKGROUND, e));
    char *path = path_format(e, "%s/sheet_%03d.png", folder, number);
    int code = path ? draw_cases(&sheet, &some, threads, progress, e) : ERR_NOMEM;
    legend_draw(&sheet.canvas, GAP, rows * CELL, &legend, TEXT);
    if (!code) code = picture_write(path, sheet.canvas.pixels, sheet.canvas.height, WIDTH, 3, e);
    canvas_free(&sheet.canvas);
    mem_free(path);
    return code;
}

static int write_index(const Dataset *d, const char *folder, Err *e)
{
    char *path = path_format(e, "%s/index.yaml", folder), sheet[32];
    if (!path) return ERR_NOMEM;
    DocWriter w = {0};
    doc_open(&w, NULL, DOC_MAPPING, false);
    for (int i = 0; i < d->training.count; i++) {
        doc_open(&w, d->training.cases[i].id, DOC_MAPPING, true);
        snprintf(sheet, sizeof sheet, "sheet_%03d.png", i / CASES + 1);
        doc_put_string(&w, "sheet", sheet);
        doc_put_int(&w, "row", i % CASES / CONTACT_COLUMNS + 1);
        doc_put_int(&w, "column", i % CONTACT_COLUMNS + 1);
        doc_close(&w);
    }
    doc_close(&w);
    const int code = doc_finish(&w, path, e);
    mem_free(path);
    return code;
}

static int sheet_number(const char *name)
{
    int number = 0, end = 0;
    return sscanf(name, "sheet_%d.png%n", &number, &end) == 1 && end && !name[end] ? number : 0;
}

static int remove_surplus(const char *folder, int sheets, Err *e)
{
    FileList files;
    TRY(file_list(&files, folder, e));
    int code = 0;
    for (int i = 0; i < files.count && !code; i++) {
        if (sheet_number(files.names[i]) <= sheets) continue;
        char *path = path_format(e, "%s/%s", folder, files.names[i]);
        code = path ? file_remove(path, e) : ERR_NOMEM;
        mem_free(path);
    }
    file_list_free(&files);
    return code;
}

static int draw_all(const Dataset *d, const char *folder, int threads, Progress *progress, Err *e)
{
    for (int first = 0; first < d->training.count; first += CASES)
        TRY(write_sheet(d, first, folder, threads, progress, e));
    TRY(write_index(d, folder, e));
    return remove_surplus(folder, (d->training.count + CASES - 1) / CASES, e);
}

/* made_from.yaml is removed first and written last: if it exists, it is valid for all sheets. */
int contact_sheets(const Dataset *d, const MadeFrom *made_from, const char *folder, int threads, Progress *progress,
                   Err *e)
{
    TRY(file_make_folders(folder, e));
    char *origin = path_format(e, "%s/made_from.yaml", folder);
    int code = origin ? file_remove(origin, e) : ERR_NOMEM;
    if (!code) code = draw_all(d, folder, threads, progress, e);
    if (!code) code = made_from_write(made_from, origin, e);
    mem_free(origin);
    return code;
}

int contact_sheets_stale(bool *stale, const MadeFrom *made_from, const char *folder, Err *e)
{
    MadeFrom then = {0};
    char *first = path_format(e, "%s/sheet_001.png", folder), *origin = path_format(e, "%s/made_from.yaml", folder);
    int code = first && origin ? file_is_there(first, stale, e) : ERR_NOMEM;
    if (!code && *stale) *stale = made_from_read(&then, origin, NULL) || !made_from_same(&then, made_from);
    made_from_free(&then);
    mem_free(first);
    mem_free(origin);
    return code;
}
