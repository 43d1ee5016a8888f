/* golden DIR [PART…]: runs every reference case under DIR (one family or a folder of families) and prints, for
 * each, the largest error beside its bound. A part is a path prefix within a family. A family is recognised by its
 * files, not by the name of its folder. */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/program.h"
#include "tests/support/exists.h"
#include "tests/support/golden.h"
#include "tests/support/golden_nnunet.h"
#include "tests/support/golden_zoo.h"

static bool holds(const char *folder, const char *name)
{
    char *path = path_format(NULL, "%s/%s", folder, name);
    const bool there = path && exists(path);
    mem_free(path);
    return there;
}

static void run_swin_umamba(Golden *g)
{
    golden_networks(g);
    golden_gradients(g);
    golden_train(g);
    golden_ops(g);
    golden_weight_files(g);
}

/* The families: the files by which each is recognised, and the function that runs it. */
static const struct {
    const char *name;
    const char *signs[8]; /* any one of these files identifies the family */
    void (*run)(Golden *g);
} families[] = {
    {"swin_umamba",
     {"manifest_ops.json", "manifest_full.json", "manifest_grad.json", "manifest_train.json", "manifest_big.json",
      "manifest_files.json"},
     run_swin_umamba},
    {"nnunet",
     {"plans", "splits", "resample", "preprocessed", "inference", "metrics", "augment", "postprocessing"},
     golden_nnunet},
};

static bool run_family(Golden *g)
{
    if (golden_is_zoo(g->folder)) {
        printf("# %s: zoo\n", g->folder);
        golden_zoo(g);
        return true;
    }
    for (size_t f = 0; f < sizeof families / sizeof families[0]; f++) {
        for (int s = 0; s < 8 && families[f].signs[s]; s++) {
            if (!holds(g->folder, families[f].signs[s])) continue;
            printf("# %s: %s\n", g->folder, families[f].name);
            families[f].run(g);
            return true;
        }
    }
    return false;
}

static int run_folder(Golden *g, const char *folder, Err *e)
{
    FileList list;
    g->folder = folder;
    if (run_family(g)) return 0;
    TRY(file_list(&list, folder, e));
    int code = 0;
    for (int i = 0; i < list.count && !code; i++) {
        char *inside = path_format(e, "%s/%s", folder, list.names[i]);
        g->folder = inside;
        bool is_folder;
        code = file_is_folder(inside, &is_folder, e);
        if (is_folder && !run_family(g)) {
            golden_begin(g, "%s", list.names[i]);
            golden_skip(g, "unknown family");
        }
        mem_free(inside);
    }
    file_list_free(&list);
    return code;
}

int main(int argc, char **argv)
{
    Err e = {ERR_NONE, ""};
    program_begin("golden", false);
    if (argc < 2) {
        program_error("usage: golden DIR [PART…]");
        return 2;
    }
    Golden g = {.only = argv + 2, .only_count = argc - 2};
    int failed = run_folder(&g, argv[1], &e);
    if (!failed && !g.passed && !g.failed && !g.skipped)
        failed = err_set(&e, ERR_VALUE, "%s: found no reference family with such a part", argv[1]);
    if (failed) program_error("%s", e.text);
    printf("%d passed, %d failed", g.passed, g.failed + (failed != 0));
    if (g.skipped) printf(", %d skipped", g.skipped);
    printf("\n");
    return failed || g.failed ? 1 : 0;
}
