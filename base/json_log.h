/* The log of --json-log: one JSON object per line on standard output, for programs that watch this one.
 *
 *   {"time": "2026-01-31T12:00:00Z", "event": "progress", "task": "preprocess", "done": 3, …}
 * Events (docs/command_line.md): message, progress, epoch, request, table, end. Text for people goes to stderr as without it.
 * Opened once, by base/options.c; each function does nothing while it is not open. A line is written in one call, so that
 * threads do not mix theirs. */
#ifndef BASE_JSON_LOG_H
#define BASE_JSON_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"

void json_log_open(void);
void json_log_close(void); /* of a process that is not to write: a rank above 0 */
bool json_log_is_open(void);

/* A line is begun, gets its members, and is written by json_log_end, which frees the text. */
Text json_log_begin(const char *event);
void json_log_string(Text *line, const char *key, const char *value); /* NULL: null */
void json_log_integer(Text *line, const char *key, int64_t value);
void json_log_number(Text *line, const char *key, double value); /* not finite: null */
void json_log_end(Text *line);

#endif
