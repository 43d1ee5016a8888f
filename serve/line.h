/* Line: the requests that wait for a model, first come, first served.
 *
 * A request enters (line_enter), waits (line_wait), gives its model back (line_give_back) and leaves when it is answered
 * (line_leave). All functions may be called from all threads. */
#ifndef SERVE_LINE_H
#define SERVE_LINE_H

#include <stdbool.h>

#include "base/error.h"
#include "library/swin_umamba.h"

typedef struct Line Line;

/* models: `count` of them, borrowed until line_free. waiting: how many requests may wait besides those that have a model.
 * Fails: ERR_NOMEM. */
int line_new(Line **line, swin_model *const *models, int count, int waiting, Err *e);
void line_free(Line *line); /* nobody may be in it */

/* Takes a place; false if all are taken, or the line is closed. */
bool line_enter(Line *line);

/* Waits until a model is free and returns it. NULL: gone(context) said that nobody wants the result any more; it is asked
 * several times a second. */
swin_model *line_wait(Line *line, bool (*gone)(void *context), void *context);

void line_give_back(Line *line, swin_model *model);
void line_leave(Line *line); /* gives back the place */

void line_close(Line *line); /* from now on nobody enters */
bool line_is_closed(Line *line);

typedef struct LineLength {
    int inside, working; /* requests, and those of them that have a model */
    int places, models;
} LineLength;

LineLength line_length(Line *line);

#endif
