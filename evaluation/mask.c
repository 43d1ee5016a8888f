#include "evaluation/mask.h"

#include "base/memory.h"

static void cut(uint8_t *mask, const int16_t *labels, const LabelPair *pair, const Structure *structure,
                const int16_t *ignore, const Box *box)
{
    const int64_t ny = pair->shape_zyx[1], nx = pair->shape_zyx[2];
    const int64_t width = box->past[2] - box->first[2];
    for (int64_t z = box->first[0]; z < box->past[0]; z++) {
        for (int64_t y = box->first[1]; y < box->past[1]; y++, mask += width) {
            const int64_t row = (z * ny + y) * nx + box->first[2];
            for (int64_t x = 0; x < width; x++)
                mask[x] = structure_has(structure, labels[row + x]) &&
                          !(ignore && pair->reference[row + x] == *ignore);
        }
    }
}

int masks_cut(Masks *m, const LabelPair *pair, const Structure *structure, const int16_t *ignore,
              const Box *box, Err *e)
{
    for (int d = 0; d < 3; d++) m->shape_zyx[d] = box->past[d] - box->first[d];
    const size_t voxels = (size_t)(m->shape_zyx[0] * m->shape_zyx[1] * m->shape_zyx[2]);
    m->reference = mem_alloc(voxels, e);
    m->prediction = mem_alloc(voxels, e);
    if (!m->reference || !m->prediction) {
        masks_free(m);
        return ERR_NOMEM;
    }
    cut(m->reference, pair->reference, pair, structure, ignore, box);
    cut(m->prediction, pair->prediction, pair, structure, ignore, box);
    return 0;
}

void masks_free(Masks *m)
{
    mem_free(m->reference);
    mem_free(m->prediction);
    *m = (Masks){0};
}
