#include "inference/average.h"

#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "inference/label_rule.h"

typedef struct Members {
    Array arrays[AVERAGE_MEMBERS];
    CaseProperties properties; /* of the first member */
    int count;
} Members;

static void members_close(Members *m)
{
    for (int i = 0; i < m->count; i++) array_free(&m->arrays[i]);
}

/* Fails if the members have different shapes or orders of axes. */
static int expect_same_axes(const CaseProperties *p, const char *folder, const CaseProperties *first, const char *other,
                            Err *e)
{
    const bool same_order = !memcmp(p->transpose_forward, first->transpose_forward, sizeof p->transpose_forward),
               same_reading = grid_axes_equal(&p->axes, &first->axes);
    if (!same_order || !same_reading)
        return err_set(
            e, ERR_SHAPE,
            "the probabilities in %s and %s have their axes in another order (%s of the plans): they "
            "cannot be averaged; use models whose plans agree in it, or train one again with the value of the other "
            "(plan_and_preprocess --override)",
            other, folder, same_order ? "orientation or image_reader_writer" : "transpose_forward");
    if (!memcmp(p->shape_before_crop, first->shape_before_crop, sizeof p->shape_before_crop)) return 0;
    return err_set(e, ERR_SHAPE,
                   "the probabilities in %s have %lldx%lldx%lld voxels, in %s %lldx%lldx%lld: they belong to "
                   "different images; predict the same image into both folders",
                   other, (long long)first->shape_before_crop[0], (long long)first->shape_before_crop[1],
                   (long long)first->shape_before_crop[2], folder, (long long)p->shape_before_crop[0],
                   (long long)p->shape_before_crop[1], (long long)p->shape_before_crop[2]);
}

static int members_open(Members *m, const char *const *folders, int folder_count, const char *id,
                        const DatasetInfo *info, Err *e)
{
    m->count = 0;
    if (folder_count > AVERAGE_MEMBERS)
        return err_set(e, ERR_VALUE, "%d folders, at most %d are possible", folder_count, AVERAGE_MEMBERS);
    while (m->count < folder_count) {
        CaseProperties p, *first = &m->properties;
        TRY(probabilities_read(&m->arrays[m->count], &p, folders[m->count], id, info, e));
        if (!m->count++) *first = p;
        TRY(expect_same_axes(&p, folders[m->count - 1], first, folders[0], e));
    }
    return 0;
}

/* Releases the memory of the mapped values first … past - 1, which have been read. */
static void forget_values(const Members *m, int64_t first, int64_t past)
{
    for (int i = 0; i < m->count; i++)
        if (m->arrays[i].owner == ARRAY_MAPPED)
            file_forget((const float *)m->arrays[i].data + first, (size_t)(past - first) * sizeof(float));
}

/* Memory for ROWS_AT_ONCE rows. */
typedef struct MeanRows {
    float *means;    /* (width, heads) each */
    uint16_t *codes; /* (width) each: labels */
} MeanRows;

/* Computes row r of all slices' rows, in the memory of row `place`. */
static void label_row(const Members *m, const Volume *labels, const DatasetInfo *info, const MeanRows *rows, int64_t r,
                      int64_t place)
{
    const int64_t width = labels->shape[2], values = width * dataset_head_count(info);
    float *mean = rows->means + place * values;
    uint16_t *codes = rows->codes + place * width;
    probabilities_mean(mean, m->arrays, m->count, r * values, values);
    labels_of_probabilities(codes, mean, width, info);
    label_row_put(labels, r / labels->shape[1], r % labels->shape[1], codes);
}

static int label_rows(const Members *m, const Volume *labels, const DatasetInfo *info, Err *e)
{
    enum { KEPT_VALUES = 1 << 20 };
    const int64_t width = labels->shape[2], values = width * dataset_head_count(info);
    const int64_t row_count = labels->shape[0] * labels->shape[1];
    int64_t forgotten = 0;
    const MeanRows rows = {mem_alloc((size_t)(ROWS_AT_ONCE * values) * sizeof(float), e),
                           mem_alloc((size_t)(ROWS_AT_ONCE * width) * sizeof(uint16_t), e)};
    const int code = rows.means && rows.codes ? 0 : ERR_NOMEM;
    for (int64_t first = 0; first < row_count && !code; first += ROWS_AT_ONCE) {
        const int64_t past = first + ROWS_AT_ONCE < row_count ? first + ROWS_AT_ONCE : row_count;
#pragma omp parallel for schedule(static)
        for (int64_t r = first; r < past; r++) label_row(m, labels, info, &rows, r, r - first);
        if (past * values - forgotten < KEPT_VALUES) continue;
        forget_values(m, forgotten, past * values);
        forgotten = past * values;
    }
    mem_free(rows.means);
    mem_free(rows.codes);
    return code;
}

int average_labels(Array *labels, const char *const *folders, int folder_count, const char *id, const DatasetInfo *info,
                   Err *e)
{
    Members m;
    *labels = (Array){0};
    int64_t shape[3];
    int code = members_open(&m, folders, folder_count, id, info, e);
    if (!code) {
        case_raw_shape(&m.properties, shape);
        code = array_new(labels, label_dtype(info), 3, shape, e);
    }
    if (!code) {
        const Volume rows = case_view(&m.properties, volume_of_array(labels));
        code = label_rows(&m, &rows, info, e);
    }
    members_close(&m);
    if (code) array_free(labels);
    return code;
}
