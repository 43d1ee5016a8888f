/* PyTorch's files, zip and legacy: the pickle, its tensors, and the notes of nnU-Net's checkpoints. */
#include "weights/pth.h"

#include <string.h>

#include "base/file.h"
#include "formats/yaml.h"
#include "inference/results.h"
#include "tests/fuzz/packing.h"
#include "tests/fuzz/weights.h"
#include "tests/support/fuzz_pth.h"

static void use_notes(const WeightsFile *w)
{
    for (int i = 0; i < w->note_count; i++) {
        Doc doc;
        Err e = {0};
        const char *text = w->notes[i].value;
        if (fuzz_done(doc_parse(&doc, w->notes[i].key, text, strlen(text), &e), &e)) doc_free(&doc);
    }
    const char *trainer = weights_note_text(w, "trainer_name");
    if (trainer) network_of_trainer(trainer);
}

static bool run(const uint8_t *data, size_t bytes)
{
    WeightsFile w;
    Err e = {0};
    fuzz_pth(data, bytes);
    if (!fuzz_done(pth_read_weights(&w, fuzz_file("weights.pth", data, bytes), &e), &e)) return false;
    use_notes(&w);
    fuzz_weights(&w);
    weights_close(&w);
    return true;
}

/* Written files, and two of PyTorch's: a zip and a legacy one, with every kind of value that is read. */
static int seed(const char *folder, Err *e)
{
    static const float numbers[6] = {1};
    WeightsFile w = {0};
    TRY(file_copy("tests/golden/pth/exotic.pth", fuzz_seed_path(folder, "exotic.pth"), e));
    TRY(file_copy("tests/golden/pth/exotic_legacy.pth", fuzz_seed_path(folder, "legacy.pth"), e));
    int code = weights_note(&w, e, "trainer_name", "nnUNetTrainer");
    if (!code) code = weights_note(&w, e, "init_args", "{\"configuration\":\"2d\",\"fold\":0}");
    if (!code) code = weights_add(&w, "a", array_view(DTYPE_F32, 2, (const int64_t[]){2, 3}, (void *)numbers), e);
    if (!code) code = pth_write_weights(&w, "network_weights", fuzz_seed_path(folder, "small.pth"), e);
    weights_close(&w);
    return code;
}

static size_t mutate(uint8_t *data, size_t size, size_t most, unsigned choice, FuzzBytes *change)
{
    return choice % 4 ? fuzz_mutate_zip(data, size, most, choice / 4, change) : 0;
}

const FuzzTarget fuzz_target_pth = {"pth", run, seed, mutate};
