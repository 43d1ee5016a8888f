/* The command that makes a preprocessed folder anew, for messages: as a shell takes it. */
#ifndef TRAINER_PREPROCESS_COMMAND_H
#define TRAINER_PREPROCESS_COMMAND_H

#include "base/text.h"

typedef struct PreprocessCommand {
    const char *preprocessed;
    const char *name;              /* the dataset's; "": not known */
    const char *results;           /* by the plan that RESULTS/plans_preprocessed.yaml has; or NULL */
    const char *override;          /* file of plan keys; or NULL */
} PreprocessCommand;

/* Adds "plan_and_preprocess DATASET -o PREPROCESSED …", with the folder of the dataset and the options of the last run, as
 * cases.yaml tells them. Where it tells no folder, or there is none any more, the word DATASET stands for it, with a remark at the end. */
void preprocess_command_add(Text *t, const PreprocessCommand *c);

#endif
