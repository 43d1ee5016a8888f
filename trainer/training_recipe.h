/* The recipe of a training (recipe/recipe.h), chosen when its plan is made. */
#ifndef TRAINER_TRAINING_RECIPE_H
#define TRAINER_TRAINING_RECIPE_H

#include "trainer/training.h"

/* Sets the values of the recipe that the options ask for in the plan of a preprocessed folder, before other options change it. Nothing
 * changes if the plan has that recipe already. Values of the plan that are replaced are listed in notes (lines). Of several ranks only
 * the first may call it: they do not measure the same times. Fails: ERR_VALUE if the recipe time is asked for without --minutes; as
 * recipe_choose. */
int training_recipe_take(Plan *plan, const TrainingOptions *o, Text *notes, Err *e);

#endif
