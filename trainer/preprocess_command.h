/* The command that makes a preprocessed folder again, for messages, quoted for a shell. */
#ifndef TRAINER_PREPROCESS_COMMAND_H
#define TRAINER_PREPROCESS_COMMAND_H

#include "base/text.h"

typedef struct PreprocessCommand {
    const char *preprocessed;
    const char *name;     /* the dataset's; "": not known */
    const char *results;  /* use the plan in RESULTS/plans_preprocessed.yaml; or NULL */
    const char *override; /* file of plan keys; or NULL */
} PreprocessCommand;

/* Adds "plan_and_preprocess DATASET -o PREPROCESSED …", with the dataset's folder and the options of the last run from
 * cases.yaml. If the folder is not known, or does not exist any more, the word DATASET is used, with a remark at the end. */
void preprocess_command_add(Text *t, const PreprocessCommand *c);

#endif
