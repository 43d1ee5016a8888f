/* CaseWriter: writes the files of finished cases in its own threads, while other threads compute the next cases.
 *
 * Waiting until a file is on the disk (fsync) takes longer than preprocessing a small case, and several waits can
 * overlap. The queue holds at most CASE_WRITER_BYTES of cases. A case larger than an eighth of that is written by the
 * thread that gives it, so that the memory of large cases is bounded by the number of threads.
 *
 *   TRY(case_writer_new(&w, folder, e));
 *   … case_writer_give(w, &out, id, &made_from, e) …    from any thread
 *   code = case_writer_finish(w, e);               waits for all, frees w */
#ifndef PLANNER_CASE_WRITER_H
#define PLANNER_CASE_WRITER_H

#include "preprocess/case.h"

enum { CASE_WRITER_BYTES = 64 << 20 };

typedef struct CaseWriter CaseWriter;

/* folder is borrowed until the end. Fails: ERR_NOMEM. */
int case_writer_new(CaseWriter **w, const char *folder, Err *e);

/* Takes ownership of c and made_from, also on failure, and leaves them empty. Fails, for this case or one given before:
 * as case_write. */
int case_writer_give(CaseWriter *w, PreprocessedCase *c, const char *id, MadeFrom *made_from, Err *e);

/* Waits for all cases and frees w (may be NULL). Returns the first failure that no case_writer_give has returned. */
int case_writer_finish(CaseWriter *w, Err *e);

#endif
