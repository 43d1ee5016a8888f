/* Plans, whole and as overrides: ours, nnU-Net's in both of its forms; the network that they define is built. */
#include "plans/plan.h"

#include <string.h>

#include "base/file.h"
#include "model/model.h"
#include "plans/plan_keys.h"
#include "plans/plan_leaves.h"
#include "tests/fuzz/documents.h"

/* Building takes long for more layers than that. */
enum { MOST_BLOCKS = 64 };

static const char labels[] =
    "{\"channel_names\": {\"0\": \"CT\"}, \"labels\": {\"background\": 0, \"a\": 1}, \"numTraining\": 1, "
    "\"file_ending\": \".nii.gz\"}";

static const DatasetInfo *dataset(void)
{
    static DatasetInfo info;
    Err e = {0};
    if (!info.doc) FUZZ_EXPECT(!dataset_info_read(&info, fuzz_in_folder("dataset.json", labels, strlen(labels)), &e));
    return &info;
}

static bool is_small(const Plan *plan)
{
    const Architecture *a = &plan->configuration.architecture;
    int blocks = 0;
    for (int i = 0; i < ARCHITECTURE_STAGES; i++)
        blocks += a->n_conv_per_stage[i] + a->n_blocks_per_stage[i] + a->n_conv_per_stage_decoder[i];
    return blocks <= MOST_BLOCKS;
}

static void build(const Plan *plan)
{
    Model m;
    Err e = {0};
    if (is_small(plan) && fuzz_done(model_define(&m, plan, dataset(), &e), &e))
        FUZZ_EXPECT(graph_param_count(m.graph) > 0);
    if (is_small(plan)) model_free(&m);
}

/* What is written is read back as the same plan. */
static void write_again(const Plan *plan)
{
    Plan again;
    Err e = {0};
    Text first = {0}, second = {0}, differences = {0};
    MadeFrom leaves;
    FUZZ_EXPECT(!plan_text(plan, &first, &e));
    FUZZ_EXPECT(!plan_parse(&again, "again", first.data, first.length, &e) && !plan_text(&again, &second, &e));
    FUZZ_EXPECT(!strcmp(first.data, second.data));
    FUZZ_EXPECT(!plan_differences(&differences, plan, &again, &e));
    FUZZ_EXPECT(!plan_leaves(&leaves, plan, &e));
    made_from_free(&leaves);
    text_free(&differences);
    text_free(&second);
    text_free(&first);
}

static void use(const Plan *plan)
{
    Err e = {0};
    Text text = {0};
    write_again(plan);
    if (fuzz_done(plan_check(plan, &e), &e)) {
        plan_reader_axes(plan);
        FUZZ_EXPECT(plan_input_channels(plan) > 0);
        fuzz_done(plan_describe_network(&text, plan, &e), &e);
        build(plan);
    }
    text_free(&text);
}

/* A whole plan, with the values that have no default. */
static void make(Plan *plan, const char *network)
{
    plan_defaults(plan);
    PlanConfiguration *c = &plan->configuration;
    c->channel_count = c->mask_count = 1;
    c->batch_size = 2;
    c->patch_size[0] = c->patch_size[1] = 64;
    c->spacing_mm[0] = c->spacing_mm[1] = 1;
    plan_choose_network(plan, network);
}

/* A U-Net's topology is that of nnU-Net's plan. */
static int seed_of(Plan *plan, const NetworkKind *kind, Err *e)
{
    make(plan, kind->name);
    if (!kind->uses_architecture) return 0;
    TRY(plan_read(plan, "tests/golden/plans/nnUNetPlans_2_8.json", NULL, e));
    plan_choose_network(plan, kind->name);
    return 0;
}

static bool run(const uint8_t *data, size_t bytes)
{
    Plan plan;
    Err e = {0};
    Text notes = {0};
    const char *path = fuzz_document("plans", data, bytes);
    const bool whole = fuzz_done(plan_read(&plan, path, &notes, &e), &e);
    if (whole) use(&plan);
    make(&plan, network_kinds()[0]->name);
    const bool part = fuzz_done(plan_override(&plan, path, &notes, &e), &e);
    if (part && !whole) use(&plan);
    text_free(&notes);
    return whole || part;
}

/* A whole plan of each network, nnU-Net's, and overrides. */
static int seed(const char *folder, Err *e)
{
    Text name = {0};
    int code = file_copy("tests/golden/plans/nnUNetPlans_2_1.json", fuzz_seed_path(folder, "older.json"), e);
    if (!code) code = file_copy("tests/golden/plans/nnUNetPlans_2_8.json", fuzz_seed_path(folder, "newer.json"), e);
    if (!code) code = file_copy("plans/endoscopy.yaml", fuzz_seed_path(folder, "override.yaml"), e);
    for (int i = 0; network_kinds()[i] && !code; i++) {
        Plan plan;
        code = seed_of(&plan, network_kinds()[i], e);
        if (code) break;
        name.length = 0;
        text_add(&name, "%s.yaml", network_kinds()[i]->name);
        code = text_check(&name, e);
        if (!code) code = plan_write(&plan, fuzz_seed_path(folder, name.data), e);
    }
    text_free(&name);
    return code;
}

const FuzzTarget fuzz_target_plan = {"plan", run, seed, NULL};
