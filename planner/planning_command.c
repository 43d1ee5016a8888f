#include "planner/planning_command.h"

#include <string.h>

#include "network/executor/executor.h"
#include "network/executor/precision.h"
#include "network/models/network.h"
#include "planner/planner_kinds.h"
#include "plans/plan_help.h"
#include "recipe/recipe.h"

enum {
    KEY_NETWORK = 'n',
    KEY_PLANNER = 0x100,
    KEY_OVERRIDE,
    KEY_PLANS,
    KEY_MINUTES,
    KEY_RECIPE,
    KEY_MEMORY,
    KEY_DEVICE_MEMORY,
    KEY_EXPLAIN,
    KEY_VERIFY,
    KEY_SPLITS,
    KEY_GROUPS,
    KEY_FOLDS,
    KEY_NEW_SPLITS
};

static const struct argp_option option_list[] = {
    {"minutes", KEY_MINUTES, "N", 0,
     "Plan a training of about N minutes\vIt runs on this machine from random weights: a few steps are timed, and patch, batch, "
     "width, precision, learning rate and length chosen (docs/recipes.md). The network is nnunet unless --network names another",
     0},
    {"network", KEY_NETWORK, "NETWORK", 0,
     "Network to plan for (default: {network.name})\vWith --minutes or --recipe nnunet the default is nnunet", 0},
    {"recipe", KEY_RECIPE, "time|paper|nnunet", 0,
     "How to train (default: auto)\vtime: chosen for --minutes, the default with it; paper: as the authors of the network do; "
     "nnunet: as nnU-Net does. Without this option: auto, which is paper, but time where train is given --minutes",
     0},
    {"planner", KEY_PLANNER, "PLANNER", 0,
     "nnU-Net's planner (default: ExperimentPlanner)\vIts numbers are used. Those of residual encoders are for --network nnunet",
     0},
    {"override", KEY_OVERRIDE, "PLAN.yaml", 0,
     "Plan keys that replace the planned ones\vA file such as network: {width: 0.5}", 0},
    {"plans", KEY_PLANS, "FILE", 0, "Use this plan instead of planning\v: plans.yaml, or nnU-Net's nnUNetPlans.json",
     0},
    {"memory-target", KEY_MEMORY, "SIZE", 0, "Memory of a training, as 8G (default: planner's)", 0},
    {"device-memory", KEY_DEVICE_MEMORY, "SIZE", 0,
     "Plan for a GPU with this memory, as 24G\vIt may be in another machine; without this option --device cuda plans for that "
     "GPU of this machine",
     0},
    {"folds", KEY_FOLDS, "N", 0, "Number of folds to draw (default: 5)", 0},
    {"groups", KEY_GROUPS, "FILE.csv", 0, "Keep the cases of a patient in one fold\v: a table CASE,GROUP", 0},
    {"splits", KEY_SPLITS, "FILE", 0,
     "Use these folds, .yaml or .json\v: a list of {train: [CASE, ...], val: [CASE, ...]}", 0},
    {"new-splits", KEY_NEW_SPLITS, NULL, 0, "Draw new folds, also if there are folds already", 0},
    {"verify", KEY_VERIFY, NULL, 0, "Draw all cases with contours, into OUT/verify", 0},
    {"explain", KEY_EXPLAIN, NULL, 0, "Print the planner's decisions with their reasons", 0},
    {0},
};

/* Of nnUNetv2_plan_and_preprocess, and of the three commands that do its steps. */
static const char two_dimensions[] = "networks are 2D here: the configuration is 2d";
static const Habit habits[] = {
    SAME("-d", VALUE, ""),
    ONLY("-c", WORDS, "2d", two_dimensions),
    ONLY("-fpe", VALUE, "DatasetFingerprintExtractor", "there is one way to compute the fingerprint: leave it out"),
    ONLY("-preprocessor_name", VALUE, "DefaultPreprocessor", "there is one preprocessor: leave it out"),
    SAME("-np", VALUE, "-j"),
    ANSWERED("-npfp", VALUE, "-j N sets the threads of all steps"),
    SAME("-pl", VALUE, "--planner"),
    SAME("-gpu_memory_target", VALUE, "--memory-target"),
    ANSWERED("-overwrite_target_spacing", WORDS,
             "write configurations: {2d: {spacing: [Y, X]}} into a file and give --override FILE"),
    ANSWERED("-overwrite_plans_name", VALUE, "plans are told apart by their folder: give another -o"),
    HOLDS("--verify_dataset_integrity", FLAG, "the dataset is always checked; --verify draws its cases, too"),
    ANSWERED("--no_pp", FLAG,
             "there is no planning without preprocessing: leave it out; --explain prints the decisions"),
    ANSWERED("--clean", FLAG, "a changed dataset is noticed without it; --overwrite makes everything again"),
    ANSWERED("-plans_name", VALUE, "the plan is that of the folder -o; --plans FILE takes another one as it is"),
    SAME("--verbose", FLAG, "--explain"),
    ANSWERED("--no_pbar", FLAG, "a bar is drawn only on a terminal; --quiet leaves it out there, too"),
    {0},
};

static bool expand(Text *t, const char *word)
{
    if (!strcmp(word, "PLANNER")) planner_add_names(t);
    else if (!strcmp(word, "planners")) planner_add_help(t);
    else return plan_help(t, word);
    return true;
}

static void expect_planner(struct argp_state *state, const char *name)
{
    Err unknown = {0};
    if (planner_kind(name)) return;
    planner_unknown(name, &unknown);
    argp_error(state, "--planner: %s", unknown.text);
}

static void expect_network(struct argp_state *state, const char *name)
{
    Err unknown = {0};
    if (network_of_segmentation(name)) return;
    network_unknown(name, &unknown);
    argp_error(state, "--network: %s", unknown.text);
}

static void note_memory(PlanningCommand *c, const char *option, const char *value)
{
    text_add(&c->memory_options, " --%s ", option);
    text_add_argument(&c->memory_options, "%s", value);
}

static void check_recipe(PlanningCommand *c, struct argp_state *state)
{
    if (c->plans && (c->minutes > 0 || c->has_recipe))
        argp_error(state, "--plans takes a plan as it is: it cannot be given together with --minutes or --recipe");
    if (!c->has_recipe && c->minutes > 0) c->recipe = RECIPE_TIME;
    if (c->recipe == RECIPE_TIME && c->minutes <= 0)
        argp_error(state, "--recipe time needs the time: give --minutes N");
    if (c->recipe != RECIPE_TIME && c->minutes > 0)
        argp_error(state,
                   "--minutes is for --recipe time; a training by another recipe gets its length from train --minutes");
}

static error_t parse_option(int key, char *text, struct argp_state *state)
{
    PlanningCommand *c = state->input;
    switch (key) {
    case KEY_NETWORK:
        expect_network(state, text);
        c->network = text;
        return 0;
    case KEY_PLANNER:
        expect_planner(state, text);
        c->planner = text;
        return 0;
    case KEY_OVERRIDE: option_once(state, "--override", text, &c->override); return 0;
    case KEY_PLANS: option_once(state, "--plans", text, &c->plans); return 0;
    case KEY_MEMORY:
        c->memory_gb = (double)option_bytes(state, "--memory-target", text) / (1 << 30);
        note_memory(c, "memory-target", text);
        return 0;
    case KEY_DEVICE_MEMORY:
        c->device_memory = (size_t)option_bytes(state, "--device-memory", text);
        note_memory(c, "device-memory", text);
        return 0;
    case KEY_MINUTES: c->minutes = option_number(state, "--minutes", text, 0.01, 1e6); return 0;
    case KEY_RECIPE: c->has_recipe = recipe_named(&c->recipe, text); return 0;
    case KEY_VERIFY: c->verify = true; return 0;
    case KEY_SPLITS: option_once(state, "--splits", text, &c->folds.file); return 0;
    case KEY_GROUPS: option_once(state, "--groups", text, &c->folds.groups); return 0;
    case KEY_FOLDS: c->folds.folds = (int)option_integer(state, "--folds", text, 2, SPLITS_FOLD_MOST); return 0;
    case KEY_NEW_SPLITS: c->folds.draw_anew = true; return 0;
    case KEY_EXPLAIN: c->explain = true; return 0;
    case ARGP_KEY_ARG:
        if (c->dataset) argp_error(state, "only one dataset is possible: %s and %s were given", c->dataset, text);
        c->dataset = text;
        return 0;
    case ARGP_KEY_END:
        if (!c->dataset) argp_error(state, "DATASET, the folder of the raw dataset, is missing");
        if (c->memory_gb > 0 && c->device_memory)
            argp_error(state, "give either --memory-target, which training may use, or --device-memory, that of a GPU");
        if (c->plans && c->planner)
            argp_error(state, "--plans takes a plan as it is: it cannot be given together with --planner");
        check_recipe(c, state);
        if (c->folds.file && (c->folds.groups || c->folds.folds || c->folds.draw_anew))
            argp_error(
                state,
                "--splits defines the folds: it cannot be given together with --folds, --groups or --new-splits");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const Program program = {
    .summary = "plan and preprocess a dataset for training",
    .arguments = "DATASET",
    .about =
        "Checks a raw dataset in nnU-Net's format, computes its fingerprint, plans preprocessing and training, and writes the "
        "preprocessed cases to the folder given by -o.",
    .examples =
        "Dataset042_Liver -o preprocessed --minutes 60\tFor a training of an hour on this machine\n"
        "Dataset042_Liver -o preprocessed --network swin_umamba\tFor another network, trained as its authors do\n"
        "Dataset042_Liver -o preprocessed --override override.yaml --verify\tWith own values, and pictures of all cases",
    .notes = "Networks: {NETWORK}.",
    .more =
        "Networks:\n{networks}\nPlanners:\n{planners}\nYour edits of PREPROCESSED/plans.yaml are kept and listed when the program "
        "runs again.",
    .see = "train predict network_info",
    .shares = true,
    .options = option_list,
    .parse = parse_option,
    .habits = habits,
    .expand = expand};

void planning_command_parse(PlanningCommand *c, int argc, char **argv)
{
    char engine[EXECUTOR_BUILD_BYTES];
    c->common = (CommonOptions){.takes = OPT_OUTPUT | OPT_THREADS | OPT_OVERWRITE | OPT_QUIET | OPT_DEVICE |
                                         OPT_PLAN_PRECISION | OPT_JSON_LOG,
                                .engine = executor_build(engine)};
    program_parse(&program, c, &c->common, argc, argv);
    c->common.engine = NULL; /* it was for --version */
}

int planning_command_device(PlanningCommand *c, Err *e)
{
    const bool is_gpu = strcmp(c->common.device, "cpu");
    const char *lacks = NULL;
    if (is_gpu) note_memory(c, "device", c->common.device);
    if (c->common.precision) note_memory(c, "precision", c->common.precision);
    if (is_gpu && c->memory_gb > 0)
        return err_set(e, ERR_VALUE,
                       "--memory-target is for a training on the CPU: give --device-memory with --device %s",
                       c->common.device);
    if (c->minutes > 0 && c->device_memory && !is_gpu)
        return err_set(e, ERR_VALUE,
                       "--minutes times training on this machine: give --device cuda, or leave out --device-memory");
    if (is_gpu || c->device_memory)
        TRY(planning_device_open(&c->gpu, is_gpu ? c->common.device : NULL, c->device_memory, e));
    if (c->common.precision) precision_of(c->common.precision, c->gpu.device, &lacks);
    return lacks ? err_set(e, ERR_UNSUPPORTED, "%s", lacks) : text_check(&c->memory_options, e);
}

void planning_command_free(PlanningCommand *c) { text_free(&c->memory_options); }
