#include "evaluation/mask.h"

#include "base/memory.h"

/* member (65536), by label - INT16_MIN: 1 for the structure's labels. */
static void cut(uint8_t *mask, const int16_t *labels, const LabelPair *pair, const uint8_t *member,
                const int16_t *ignore, const Box *box)
{
    const int64_t ny = pair->shape_zyx[1], nx = pair->shape_zyx[2];
    const int64_t width = box->past[2] - box->first[2];
    for (int64_t z = box->first[0]; z < box->past[0]; z++) {
        for (int64_t y = box->first[1]; y < box->past[1]; y++, mask += width) {
            const int64_t row = (z * ny + y) * nx + box->first[2];
            for (int64_t x = 0; x < width; x++)
                mask[x] = member[labels[row + x] - INT16_MIN] && !(ignore && pair->reference[row + x] == *ignore);
        }
    }
}

int masks_cut(Masks *m, const LabelPair *pair, const Structure *structure, const int16_t *ignore, const Box *box,
              Err *e)
{
    for (int d = 0; d < 3; d++) m->shape_zyx[d] = box->past[d] - box->first[d];
    const size_t voxels = (size_t)(m->shape_zyx[0] * m->shape_zyx[1] * m->shape_zyx[2]);
    m->reference = mem_alloc(voxels, e);
    m->prediction = mem_alloc(voxels, e);
    uint8_t *member = mem_zalloc(UINT16_MAX + 1, sizeof *member, e);
    const int code = m->reference && m->prediction && member ? 0 : ERR_NOMEM;
    for (int i = 0; i < structure->label_count && !code; i++) member[structure->labels[i] - INT16_MIN] = 1;
    if (!code) {
        cut(m->reference, pair->reference, pair, member, ignore, box);
        cut(m->prediction, pair->prediction, pair, member, ignore, box);
    }
    mem_free(member);
    if (code) masks_free(m);
    return code;
}

void masks_free(Masks *m)
{
    mem_free(m->reference);
    mem_free(m->prediction);
    *m = (Masks){0};
}
