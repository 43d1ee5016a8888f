#include "inference/postprocess.h"

#include <stdbool.h>
#include <string.h>

#include "base/memory.h"
#include "data/components.h"

enum { LABEL_VALUES = 1 << 16, MAX_STEPS = 1 << 12 };

int postprocessing_add(Postprocessing *p, const int *labels, int label_count, Err *e)
{
    const size_t used = (size_t)p->count * sizeof *p->steps;
    void *block = p->steps;
    TRY(mem_grow(&block, used, used + sizeof *p->steps, e));
    p->steps = block;
    int *copy = mem_alloc((size_t)label_count * sizeof *copy, e);
    if (!copy) return ERR_NOMEM;
    memcpy(copy, labels, (size_t)label_count * sizeof *copy);
    p->steps[p->count++] = (PostprocessStep){copy, label_count};
    return 0;
}

void postprocessing_drop(Postprocessing *p) { mem_free(p->steps[--p->count].labels); }

void postprocessing_free(Postprocessing *p)
{
    for (int i = 0; i < p->count; i++) mem_free(p->steps[i].labels);
    mem_free(p->steps);
    *p = (Postprocessing){0};
}

/* ---- applying ---- */

static int label_at(const Array *labels, int64_t i)
{
    switch (labels->dtype) {
    case DTYPE_U8: return ((const uint8_t *)labels->data)[i];
    case DTYPE_U16: return ((const uint16_t *)labels->data)[i];
    default: return ((const int16_t *)labels->data)[i];
    }
}

static void clear_label(Array *labels, int64_t i)
{
    const size_t size = dtype_size(labels->dtype);
    memset((char *)labels->data + (size_t)i * size, 0, size);
}

static void mark_labels(uint8_t *mask, const Array *labels, const PostprocessStep *step)
{
    uint8_t wanted[LABEL_VALUES] = {0};
    for (int i = 0; i < step->label_count; i++) wanted[step->labels[i] & (LABEL_VALUES - 1)] = 1;
    for (int64_t i = 0; i < array_count(labels); i++) mask[i] = wanted[label_at(labels, i) & (LABEL_VALUES - 1)];
}

/* Clears the voxels of all components but the largest. */
static int clear_small(Array *labels, const int32_t *ids, int32_t count, Err *e)
{
    const int64_t voxels = array_count(labels);
    int64_t *sizes = mem_zalloc((size_t)count + 1, sizeof *sizes, e), largest = 0;
    if (!sizes) return ERR_NOMEM;
    for (int64_t i = 0; i < voxels; i++) sizes[ids[i]]++;
    for (int32_t c = 1; c <= count; c++) largest = sizes[c] > largest ? sizes[c] : largest;
    for (int64_t i = 0; i < voxels; i++)
        if (ids[i] && sizes[ids[i]] < largest) clear_label(labels, i);
    mem_free(sizes);
    return 0;
}

static int apply_step(const PostprocessStep *step, Array *labels, Err *e)
{
    const size_t voxels = (size_t)array_count(labels);
    uint8_t *mask = mem_alloc(voxels, e);
    int32_t *ids = mem_alloc(mem_product(voxels, sizeof *ids), e), count = 0;
    int code = mask && ids ? 0 : ERR_NOMEM;
    if (!code) {
        mark_labels(mask, labels, step);
        code = components_label(ids, &count, mask, labels->shape, e);
    }
    mem_free(mask);
    if (!code && count > 1) code = clear_small(labels, ids, count, e);
    mem_free(ids);
    return code;
}

int postprocessing_expect_labels(const Postprocessing *p, const DatasetInfo *info, const char *source, Err *e)
{
    for (int i = 0; i < p->count; i++)
        for (int k = 0; k < p->steps[i].label_count; k++)
            if (!dataset_knows_value(info, p->steps[i].labels[k]))
                return err_set(e, ERR_VALUE,
                               "the post-processing has label %d, and the labels of %s go up to %d: it was "
                               "chosen for another dataset",
                               p->steps[i].labels[k], source, info->max_value);
    return 0;
}

int postprocessing_apply(const Postprocessing *p, Array *labels, Err *e)
{
    for (int i = 0; i < p->count; i++) TRY(apply_step(&p->steps[i], labels, e));
    return 0;
}

int64_t postprocessing_bytes(const Postprocessing *p, const int64_t shape_zyx[3])
{
    const int64_t voxels = shape_zyx[0] * shape_zyx[1] * shape_zyx[2];
    const int64_t sizes =
        (voxels / 2 + 2) * (int64_t)sizeof(int64_t); /* at most every second voxel is a component of its own */
    const int64_t maps = voxels * (int64_t)(sizeof(uint8_t) + sizeof(int32_t)), runs = components_bytes(shape_zyx);
    if (!p->count) return 0;
    return runs > sizes ? maps + runs : maps + sizes;
}

/* ---- files ---- */

void postprocessing_put(const Postprocessing *p, DocWriter *w, const char *key)
{
    doc_open(w, key, DOC_SEQUENCE, false);
    if (p->count) doc_comment(w, "each step keeps only the largest component of these labels together");
    for (int i = 0; i < p->count; i++) {
        doc_open(w, NULL, DOC_SEQUENCE, true);
        for (int k = 0; k < p->steps[i].label_count; k++) doc_put_int(w, NULL, p->steps[i].labels[k]);
        doc_close(w);
    }
    doc_close(w);
}

static int get_step(Postprocessing *p, const DocNode *node, Err *e)
{
    TRY(doc_expect(node, DOC_SEQUENCE, e));
    int *labels = mem_alloc((size_t)node->count * sizeof *labels, e), count = 0, code = labels ? 0 : ERR_NOMEM;
    for (const DocNode *n = node->first; n && !code; n = n->next) {
        int64_t value = 0;
        code = doc_get_int(n, 1, LABEL_VALUES - 1, &value, e);
        labels[count++] = (int)value;
    }
    if (!code && !count) code = doc_error(node, e, "a step without labels");
    if (!code) code = postprocessing_add(p, labels, count, e);
    mem_free(labels);
    return code;
}

int postprocessing_get(Postprocessing *p, const DocNode *node, Err *e)
{
    *p = (Postprocessing){0};
    TRY(doc_expect(node, DOC_SEQUENCE, e));
    if (node->count > MAX_STEPS) return doc_error(node, e, "%d steps, at most %d are possible", node->count, MAX_STEPS);
    int code = 0;
    for (const DocNode *n = node->first; n && !code; n = n->next) code = get_step(p, n, e);
    if (code) postprocessing_free(p);
    return code;
}

void postprocessing_describe(MadeFrom *m, const Postprocessing *p)
{
    Text steps = {0};
    for (int i = 0; i < p->count; i++)
        for (int k = 0; k < p->steps[i].label_count; k++)
            text_add(&steps, "%s%d", k ? "+" : i ? " " : "", p->steps[i].labels[k]);
    if (!text_check(&steps, &m->failure)) made_from_add(m, "post-processing", "%s", steps.length ? steps.data : "none");
    text_free(&steps);
}
