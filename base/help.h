/* What --help, --help-all, --usage, the man page and the completion of a shell show of a program: all from its Program
 * (base/program.h). The functions append to a text; lack of memory shows in text_check. */
#ifndef BASE_HELP_H
#define BASE_HELP_H

#include "base/program.h"
#include "base/text.h"

/* A program with all of its options, those that it shares with others at the end; {0} ends the list. Borrowed. */
typedef struct Help {
    const Program *program;
    const struct argp_option *options;
} Help;

void help_usage(Text *t, const Help *h);

/* --help: an option takes a line where it can, rare options are left out; `whole` is --help-all. columns: of the terminal. */
void help_text(Text *t, const Help *h, bool whole, int columns);

/* The man page, in roff's man macros (base/manual.c). */
void manual_page(Text *t, const Help *h);

/* The script that makes `shell` (one of HELP_SHELLS) complete the program's options and their values
 * (base/completion.c). */
#define HELP_SHELLS "bash|zsh|fish"
void completion_script(Text *t, const Help *h, const char *shell);

/* ---- shared by the three files */

/* The option has a name, and is not hidden. */
bool option_is_shown(const struct argp_option *option);

/* The letter of the short option; 0: it has none. */
char option_letter(const struct argp_option *option);

/* A text of the program with its {words} replaced: up to \v where `brief`, else with all that follows. NULL: nothing. */
void help_expand(Text *t, const Help *h, const char *text, bool brief);

/* The words that an argument may be, joined by blanks: of "time|paper|nnunet" itself, else as Program.expand tells for the
 * name in capitals. Nothing where it may be anything. */
void help_words(Text *t, const Help *h, const char *argument);

/* Whether an argument is a path. */
bool help_is_path(const char *argument);

#endif
