/* A line to stderr from a signal handler: async-signal-safe, no stdio. parts: its parts, up to NULL. */
#ifndef BASE_SIGNAL_LINE_H
#define BASE_SIGNAL_LINE_H

void signal_line(const char *const *parts);

#endif
