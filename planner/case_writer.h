/* CaseWriter: files of finished cases are made durable behind the back of those who compute the next ones.
 *
 * Waiting for the disk takes longer than preprocessing a small case, and many waits share one turn of the
 * disk; so threads of its own write what it is given. It holds no more than CASE_WRITER_BYTES of cases; a
 * case beyond an eighth of that is written at once by the thread that gives it, so that memory stays that of
 * the threads.
 *
 *   TRY(case_writer_new(&w, folder, e));
 *   … case_writer_give(w, &out, id, &made_from, e) …    from any thread
 *   code = case_writer_finish(w, e);               waits for all, gives everything back */
#ifndef PLANNER_CASE_WRITER_H
#define PLANNER_CASE_WRITER_H

#include "preprocess/case.h"

enum { CASE_WRITER_BYTES = 64 << 20 };

typedef struct CaseWriter CaseWriter;

/* folder is borrowed until the end. Fails: ERR_NOMEM. */
int case_writer_new(CaseWriter **w, const char *folder, Err *e);

/* Takes c and made_from over in any case and leaves them empty. Fails, here or for a case given before: as
 * case_write. */
int case_writer_give(CaseWriter *w, PreprocessedCase *c, const char *id, MadeFrom *made_from, Err *e);

/* The first failure that no give has reported yet; w (may be NULL) is gone afterwards. */
int case_writer_finish(CaseWriter *w, Err *e);

#endif
