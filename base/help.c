#include "base/help.h"

#include <stdio.h>
#include <string.h>

enum { TEXT_COLUMN = 29 }; /* where the texts of the options begin */

bool option_is_shown(const struct argp_option *option) { return option->name && !(option->flags & OPTION_HIDDEN); }

char option_letter(const struct argp_option *option)
{
    return option->key > ' ' && option->key < 0x7f ? (char)option->key : '\0';
}

/* ---- words in braces, and in arguments */

/* "{training.epochs}" at `text`: its length with the braces; 0 for other text, as "{width: 0.5}". */
static size_t word_in_braces(const char *text)
{
    const size_t letters =
        *text == '{' ? strspn(text + 1, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_.") : 0;
    return letters && text[1 + letters] == '}' ? letters + 2 : 0;
}

static bool expand_word(Text *t, const Help *h, const char *word, size_t length)
{
    char name[64];
    if (length >= sizeof name) return false;
    memcpy(name, word, length);
    name[length] = '\0';
    if (!strcmp(name, "called")) {
        text_add(t, "%s", program_called());
        return true;
    }
    return h->program->expand && h->program->expand(t, name);
}

void help_expand(Text *t, const Help *h, const char *text, bool brief)
{
    for (; text && *text && !(brief && *text == '\v'); text++) {
        const size_t word = word_in_braces(text);
        if (word && expand_word(t, h, text + 1, word - 2)) text += word - 1;
        else if (*text != '\v') text_add_bytes(t, text, 1);
        else if (!strchr(" .,;:", text[1])) text_add(t, ". ");
    }
}

void help_words(Text *t, const Help *h, const char *argument)
{
    Text words = {0};
    if (strchr(argument, '|')) text_add(&words, "%s", argument);
    else expand_word(&words, h, argument, strlen(argument));
    for (const char *c = words.data; c && *c; c++) {
        if (*c == '[') c += strcspn(c, "]"); /* "cuda[:N]" */
        else if (*c == '|') text_add(t, " ");
        else if (*c != ',' && *c) text_add_bytes(t, c, 1);
    }
    text_free(&words);
}

bool help_is_path(const char *argument)
{
    static const char *const paths[] = {"PATH", "FILE", "FOLDER", "RESULTS", "IMAGES", "PREPROCESSED", "DATASET"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        if (strstr(argument, paths[i])) return true;
    return strchr(argument, '.') != NULL; /* "PLAN.yaml" */
}

/* ---- layout */

typedef struct Layout {
    Text *t;
    int columns, column; /* of the terminal; where the next word would begin */
} Layout;

static void new_line(Layout *l, int indent)
{
    text_add(l->t, "\n%*s", indent, "");
    l->column = indent;
}

static void skip(Layout *l, int blanks)
{
    text_add(l->t, "%*s", blanks, "");
    l->column += blanks;
}

/* Fills lines with the words of one paragraph. */
static void fill(Layout *l, const char *text, size_t bytes, int indent)
{
    const char *end = text + bytes;
    bool first = true;
    while (text < end) {
        char word[256];
        size_t length = strcspn(text, " \n");
        if (length > (size_t)(end - text)) length = (size_t)(end - text);
        snprintf(word, sizeof word, "%.*s", (int)length, text);
        const int width = text_columns(word);
        if (width && !first && l->column + 1 + width >= l->columns) {
            new_line(l, indent);
            first = true;
        }
        if (width) {
            text_add(l->t, "%s%s", first ? "" : " ", word);
            l->column += width + !first;
            first = false;
        }
        text += length + 1;
    }
}

/* Paragraphs; a line that begins with blanks stays as it is. */
static void add_paragraphs(Layout *l, const Help *h, const char *text)
{
    Text whole = {0};
    int length;
    help_expand(&whole, h, text, false);
    for (const char *line = whole.data, *next; line && *line; line = next) {
        next = text_next_line(line, &length);
        l->column = 0;
        if (*line == ' ') text_add(l->t, "%.*s", length, line);
        else fill(l, line, (size_t)length, 0);
        text_add(l->t, "\n");
    }
    text_free(&whole);
}

static void add_flags(Text *t, const struct argp_option *o)
{
    if (option_letter(o)) text_add(t, "  -%c, --%s", option_letter(o), o->name);
    else text_add(t, "      --%s", o->name);
    if (o->arg) text_add(t, o->flags & OPTION_ARG_OPTIONAL ? "[=%s]" : "=%s", o->arg);
}

static void add_option(Layout *l, const Help *h, const struct argp_option *o, bool whole)
{
    Text flags = {0}, text = {0};
    add_flags(&flags, o);
    help_expand(&text, h, o->doc, !whole);
    const int width = flags.failed ? 0 : text_columns(flags.data), room = l->columns - width - 3;
    const bool fits = width + 2 <= TEXT_COLUMN;
    if (flags.data) text_add(l->t, "%s", flags.data);
    l->column = width;
    if (!fits && (whole || !text.data || text_columns(text.data) > room)) new_line(l, TEXT_COLUMN);
    else skip(l, fits ? TEXT_COLUMN - width : 2);
    if (text.data) fill(l, text.data, text.length, TEXT_COLUMN);
    text_add(l->t, "\n");
    text_free(&flags);
    text_free(&text);
}

static void add_options(Layout *l, const Help *h, bool whole)
{
    for (const struct argp_option *o = h->options; o->name; o++)
        if (option_is_shown(o) && (whole || o->group != OPTION_RARE)) add_option(l, h, o, whole);
}

void help_usage(Text *t, const Help *h)
{
    const char *lead = "Usage:";
    int length;
    for (const char *line = h->program->arguments, *next;; line = next) {
        next = text_next_line(line, &length);
        text_add(t, "%s %s [OPTION]...%s%.*s\n", lead, program_called(), length ? " " : "", length, line);
        lead = "  or: ";
        if (!*next) return;
    }
}

/* The first example, or all: lines "ARGUMENTS\tWHAT IT DOES". */
static void add_examples(Text *t, const Help *h, bool whole)
{
    int length;
    for (const char *line = h->program->examples, *next; line && *line; line = whole ? next : "") {
        next = text_next_line(line, &length);
        const int command = (int)strcspn(line, "\t");
        text_add(t, "  # %.*s\n  %s %.*s\n", length - command - 1, line + command + 1, program_called(), command, line);
    }
}

void help_text(Text *t, const Help *h, bool whole, int columns)
{
    const Program *p = h->program;
    const char *notes = whole && p->more ? p->more : p->notes;
    Layout layout = {t, columns, 0};
    help_usage(t, h);
    add_paragraphs(&layout, h, p->about);
    text_add(t, "\n");
    add_options(&layout, h, whole);
    if (notes) text_add(t, "\n");
    add_paragraphs(&layout, h, notes);
    text_add(t, "\nExample%s:\n", whole && strchr(p->examples, '\n') ? "s" : "");
    add_examples(t, h, whole);
    if (whole) return;
    text_add(t, "\n--help-all explains every option, and lists the rarer ones.\n");
}
