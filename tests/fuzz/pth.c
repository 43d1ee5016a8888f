/* PyTorch's files, zip and legacy: the pickle, its tensors, and the notes of nnU-Net's checkpoints. */
#include "weights/pth.h"

#include <string.h>

#include "base/file.h"
#include "formats/yaml.h"
#include "inference/results.h"
#include "tests/fuzz/packing.h"
#include "tests/fuzz/weights.h"
#include "tests/support/fuzz_pth.h"
#include "weights/zip.h"

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

#define DTYPE(name) "cnumpy\ndtype\n(X\2\0\0\0" name "\x89\x88tR(K\3X\1\0\0\0<NNNJ\xff\xff\xff\xffK\0tb"
/* A scalar and an array of NumPy's, and a tensor. */
static const char numpy[] =
    "\x80\2}("
    "X\5\0\0\0_bestcnumpy.core.multiarray\nscalar\n" DTYPE(
        "f8") "C\x08\0\0\0\0\0\0\xf8\x3f\x86R"
              "X\1\0\0\0acnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nNNtR(K\1K\2\x85" DTYPE(
                  "u1") "\x89"
                        "C\2xytb"
                        "X\1\0\0\0wctorch._utils\n_rebuild_tensor_v2\n((X\7\0\0\0storagectorch\nFloatStorage\n"
                        "X\1\0\0\0000NK\2tQK\0(K\2t(K\1t\x89NtR"
                        "u.";

static int seed_numpy(const char *folder, Err *e)
{
    static const float numbers[2] = {1};
    Zip z = {0};
    OutFile f;
    TRY(file_create(&f, fuzz_seed_path(folder, "numpy.pth"), e));
    int code = zip_add(&z, &f, "archive/data.pkl", numpy, sizeof numpy - 1, e);
    if (!code) code = zip_add(&z, &f, "archive/data/0", numbers, sizeof numbers, e);
    if (!code) code = zip_finish(&z, &f, e);
    if (!code) code = file_commit(&f, e);
    else file_abort(&f);
    zip_free(&z);
    return code;
}

static int seed_network(const char *folder, Err *e)
{
    WeightsFile w;
    int code = fuzz_weights_of_network(&w, e);
    if (!code) code = pth_write_weights(&w, NULL, fuzz_seed_path(folder, "network.pth"), e);
    weights_close(&w);
    return code;
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
    if (!code) code = seed_numpy(folder, e);
    return code ? code : seed_network(folder, e);
}

static size_t mutate(uint8_t *data, size_t size, size_t most, unsigned choice, FuzzBytes *change)
{
    return choice % 4 ? fuzz_mutate_zip(data, size, most, choice / 4, change) : 0;
}

const FuzzTarget fuzz_target_pth = {"pth", run, seed, mutate};
