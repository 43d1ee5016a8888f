/* The man page of a program (man(7)). */
#include <ctype.h>
#include <string.h>

#include "base/help.h"

/* Text with what roff would interpret escaped: backslashes, hyphens of options, points and quotes at the head of a line. */
static void add_escaped(Text *t, const char *text, size_t bytes)
{
    const bool at_head = t->length && t->data[t->length - 1] == '\n';
    if (at_head && bytes && (*text == '.' || *text == '\'')) text_add(t, "\\&");
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] == '\\') text_add(t, "\\e");
        else if (text[i] == '-') text_add(t, "\\-");
        else text_add_bytes(t, text + i, 1);
    }
}

/* The words of a paragraph, as lines that editors and linters like. */
static void add_filled(Text *t, const char *text, size_t bytes)
{
    enum { WIDEST = 76 };
    size_t column = 0;
    for (const char *end = text + bytes; text < end;) {
        const size_t blanks = strspn(text, " "), rest = (size_t)(end - text);
        if (blanks >= rest) break;
        text += blanks;
        size_t length = strcspn(text, " ");
        if (length > rest - blanks) length = rest - blanks;
        const bool wraps = column && column + 1 + length > WIDEST;
        if (column) text_add(t, wraps ? "\n" : " ");
        column = wraps ? length : column + 1 + length;
        add_escaped(t, text, length);
        text += length;
    }
    text_add(t, "\n");
}

static void add_word(Text *t, const char *text) { add_escaped(t, text, strlen(text)); }

static void add_upper(Text *t, const char *text)
{
    for (; *text; text++) text_add(t, "%s%c", *text == '-' ? "\\" : "", toupper((unsigned char)*text));
}

/* Paragraphs; lines that begin with blanks stay lines. */
static void add_paragraphs(Text *t, const Help *h, const char *text)
{
    Text whole = {0};
    int length;
    bool kept = false, first = true;
    help_expand(&whole, h, text, false);
    for (const char *line = whole.data, *next; line && *line; line = next) {
        next = text_next_line(line, &length);
        if ((*line == ' ') != kept) text_add(t, kept ? ".fi\n" : ".nf\n");
        kept = *line == ' ';
        if (!kept && !first) text_add(t, ".PP\n");
        if (kept) add_escaped(t, line, (size_t)length);
        if (kept) text_add(t, "\n");
        else if (length) add_filled(t, line, (size_t)length);
        first = !length;
    }
    if (kept) text_add(t, ".fi\n");
    text_free(&whole);
}

static void add_synopsis(Text *t, const Help *h)
{
    int length;
    for (const char *line = h->program->arguments, *next;; line = next) {
        next = text_next_line(line, &length);
        text_add(t, line == h->program->arguments ? ".B " : ".br\n.B ");
        add_word(t, program_called());
        text_add(t, "\n[\\fIOPTION\\fR]...\n");
        if (length) {
            text_add(t, "\\fI");
            add_escaped(t, line, (size_t)length);
            text_add(t, "\\fR\n");
        }
        if (!*next) return;
    }
}

static void add_option(Text *t, const Help *h, const struct argp_option *o)
{
    Text whole = {0};
    text_add(t, ".TP\n");
    if (option_letter(o)) text_add(t, "\\fB\\-%c\\fR, ", option_letter(o));
    text_add(t, "\\fB\\-\\-");
    add_word(t, o->name);
    text_add(t, "\\fR");
    if (o->arg) {
        text_add(t, o->flags & OPTION_ARG_OPTIONAL ? "[=\\fI" : "=\\fI");
        add_word(t, o->arg);
        text_add(t, o->flags & OPTION_ARG_OPTIONAL ? "\\fR]" : "\\fR");
    }
    text_add(t, "\n");
    help_expand(&whole, h, o->doc, false);
    if (whole.data) add_filled(t, whole.data, whole.length);
    text_free(&whole);
}

static void add_examples(Text *t, const Help *h)
{
    int length;
    for (const char *line = h->program->examples, *next; line && *line; line = next) {
        next = text_next_line(line, &length);
        const size_t command = strcspn(line, "\t");
        text_add(t, ".TP\n.B ");
        add_word(t, program_called());
        text_add(t, " ");
        add_escaped(t, line, command);
        text_add(t, "\n");
        add_filled(t, line + command + 1, (size_t)length - command - 1);
    }
}

static void add_environment(Text *t)
{
    static const char *const variables[][2] = {
        {"OMP_NUM_THREADS", "Threads, where --threads is not given."},
        {"SWIN_UMAMBA_SIMD",
         "The highest level of vector instructions: portable, avx2, avx512 or avx512_bf16; or neon."},
        {"SWIN_UMAMBA_SANDBOX", "off: the kernel does not restrict what the program may write and start."},
        {"NO_COLOR",
         "If it is set and not empty, progress is printed as lines, without codes of the terminal. So it is where "
         "standard error is no terminal."},
        {"COLUMNS", "The width of --help."}};
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
        text_add(t, ".TP\n.B %s\n", variables[i][0]);
        add_filled(t, variables[i][1], strlen(variables[i][1]));
    }
}

/* The other programs, by the names that they have where this one is called so: "train", "swin-umamba-train". */
static void add_see_also(Text *t, const char *see)
{
    static const char prefix[] = "swin-umamba-";
    const bool installed = !strncmp(program_called(), prefix, strlen(prefix));
    for (const char *separator = ""; *see; separator = ",\n") {
        const size_t length = strcspn(see, " ");
        text_add(t, "%s.BR ", separator);
        if (installed) add_word(t, prefix);
        for (size_t i = 0; i < length; i++) text_add(t, installed && see[i] == '_' ? "\\-" : "%c", see[i]);
        text_add(t, " (1)");
        see += length + strspn(see + length, " ");
    }
    text_add(t, "\n");
}

void manual_page(Text *t, const Help *h)
{
    const Program *p = h->program;
    const char *notes = p->more ? p->more : p->notes;
    text_add(t, ".TH ");
    add_upper(t, program_called());
    text_add(t, " 1 \"%s\" \"Swin\\-UMamba in C %s\" \"User Commands\"\n.nh\n.SH NAME\n", PROGRAM_DATE,
             PROGRAM_VERSION);
    add_word(t, program_called());
    text_add(t, " \\- ");
    add_word(t, p->summary);
    text_add(t, "\n.SH SYNOPSIS\n");
    add_synopsis(t, h);
    text_add(t, ".SH DESCRIPTION\n");
    add_paragraphs(t, h, p->about);
    text_add(t, ".SH OPTIONS\n");
    for (const struct argp_option *o = h->options; o->name; o++)
        if (option_is_shown(o)) add_option(t, h, o);
    if (notes) text_add(t, ".SH NOTES\n");
    add_paragraphs(t, h, notes);
    text_add(t, ".SH EXAMPLES\n");
    add_examples(t, h);
    text_add(t,
             ".SH EXIT STATUS\n0 done; 1 something failed; 2 wrong usage; 128+N ended by signal N.\n.SH ENVIRONMENT\n");
    add_environment(t);
    text_add(t, ".SH SEE ALSO\n");
    add_see_also(t, p->see);
}
