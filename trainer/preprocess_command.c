#include "trainer/preprocess_command.h"

#include "base/file.h"
#include "plans/dataset_cases.h"

/* last: the options of the last run, which made the present plan; or NULL. */
static void add_options(Text *t, const PreprocessCommand *c, const char *last)
{
    text_add(t, " -o ");
    text_add_argument(t, "%s", c->preprocessed);
    if (!c->results && !c->override && last) text_add(t, " %s", last);
    if (c->results || c->override) text_add(t, " --plans ");
    if (c->results) text_add_argument(t, "%s/plans_preprocessed.yaml", c->results);
    else if (c->override) text_add_argument(t, "%s/plans.yaml", c->preprocessed); /* the plan that --override changes */
    if (!c->override) return;
    text_add(t, " --override ");
    text_add_argument(t, "%s", c->override);
}

static void add_remark(Text *t, const PreprocessCommand *c, const char *dataset)
{
    text_add(t, " (DATASET: the folder of the raw dataset%s%s", *c->name ? " " : "", c->name);
    if (dataset) text_add(t, ", which was %s", dataset);
    text_add(t, ")");
}

void preprocess_command_add(Text *t, const PreprocessCommand *c)
{
    DatasetCases cases;
    const char *dataset = dataset_cases_read(&cases, c->preprocessed, NULL) ? NULL : cases.dataset;
    bool is_folder;
    const bool there = dataset && !file_is_folder(dataset, &is_folder, NULL) && is_folder;
    text_add(t, "plan_and_preprocess ");
    text_add_argument(t, "%s", there ? dataset : "DATASET");
    add_options(t, c, cases.options);
    if (!there) add_remark(t, c, dataset);
    dataset_cases_free(&cases);
}
