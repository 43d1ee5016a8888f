/* The end of a program by a crash: SIGSEGV, SIGBUS, SIGILL, SIGFPE or SIGABRT. A fault of ours, or of a library that could
 * not go on: oneDNN ends a process so if it gets no memory. Temporaries are removed, one line says what happened, and the exit
 * status is 1, that of every failure. For mains (base/program.c). */
#ifndef BASE_CRASH_H
#define BASE_CRASH_H

/* name, hint: of the program, borrowed until it ends; *hint says what is kept and how to go on. Under a sanitizer, which
 * reports crashes itself, nothing is done. */
void crash_report(const char *name, const char *const *hint);

/* For a process that another one watches: a crash removes its temporaries and ends it by the signal, with no message. */
void crash_is_told_by_another(void);

#endif
