/* The options that train and pretrain share: length, batch, patch and learning rate. Each program has a list with texts of its own,
 * where these are the keys. */
#ifndef TRAINER_TRAINING_OPTIONS_H
#define TRAINER_TRAINING_OPTIONS_H

#include "base/program.h"
#include "trainer/training.h"

enum { KEY_EPOCHS = 0x200, KEY_ITERATIONS, KEY_MINUTES, KEY_CPU_MINUTES, KEY_BATCH, KEY_PATCH, KEY_RATE };

/* Of argp: ARGP_ERR_UNKNOWN for another key. A wrong value ends the program with status 2. */
error_t training_parse_option(TrainingOverrides *change, int key, const char *text, struct argp_state *state);

/* Reports options that contradict each other as wrong usage. */
void training_check_options(const TrainingOverrides *change, const CommonOptions *common, struct argp_state *state);

#endif
