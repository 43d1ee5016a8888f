#include "tests/support/fuzz_pth.h"

#include <stdlib.h>
#include <string.h>

#include "weights/pth.h"

static void check_message(const Err *e)
{
    if (!e->text[0] || strchr(e->text, '\n')) abort();
}

int fuzz_pth(const uint8_t *data, size_t bytes)
{
    Err e = {0};
    Pth p;
    WeightsFile w;
    if (pth_parse(&p, (const char *)data, bytes, &e)) {
        check_message(&e);
        return 0;
    }
    if (pth_weights(&w, &p, &e)) {
        check_message(&e);
    } else {
        volatile unsigned sum = 0;
        for (int i = 0; i < w.count; i++)
            for (size_t k = 0; k < array_bytes(&w.tensors[i].array); k++)
                sum += ((const unsigned char *)w.tensors[i].array.data)[k];
        (void)sum;
        weights_close(&w);
    }
    pth_close(&p);
    return 0;
}
