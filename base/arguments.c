#include "base/arguments.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/nearest.h"

typedef struct Reader {
    const Help *h;
    Arguments *out;
    char *free_names; /* of out->names */
    char **next;      /* the words that are left */
    Text *notes;
    Err *e;
} Reader;

static void put(Reader *r, const char *word) { r->out->words[r->out->count++] = (char *)word; }

/* ---- the table of options */

static bool takes_value(const struct argp_option *o) { return o->arg && !(o->flags & OPTION_ARG_OPTIONAL); }

/* The name has the same letters, or an underscore for a hyphen. */
static bool is_called(const char *name, const char *typed, size_t length)
{
    if (strlen(name) != length) return false;
    for (size_t i = 0; i < length; i++)
        if (name[i] != typed[i] && !(name[i] == '-' && typed[i] == '_')) return false;
    return true;
}

static const struct argp_option *find_long(const Help *h, const char *typed, size_t length)
{
    for (const struct argp_option *o = h->options; o->name; o++)
        if (is_called(o->name, typed, length)) return o;
    return NULL;
}

/* An option whose name begins so; NULL: none, or several. */
static const struct argp_option *find_beginning(const Help *h, const char *typed, size_t length, int *count)
{
    const struct argp_option *found = NULL;
    *count = 0;
    for (const struct argp_option *o = h->options; o->name; o++) {
        if (strncmp(o->name, typed, length)) continue;
        found = o;
        ++*count;
    }
    return *count == 1 ? found : NULL;
}

static const struct argp_option *find_short(const Help *h, char letter)
{
    for (const struct argp_option *o = h->options; o->name; o++)
        if (option_letter(o) == letter) return o;
    return NULL;
}

/* The message for an option that does not exist; `typed` is without hyphens. */
static int refuse_unknown(Reader *r, const char *word, const char *typed, size_t length)
{
    char plain[64];
    const struct argp_option *nearest = NULL;
    snprintf(plain, sizeof plain, "%.*s", (int)length, typed);
    for (const struct argp_option *o = r->h->options; o->name; o++)
        if (option_is_shown(o) && (!nearest || name_distance(plain, o->name) < name_distance(plain, nearest->name)))
            nearest = o;
    const bool is_near = nearest && name_is_near(plain, nearest->name);
    return err_set(r->e, ERR_VALUE, "there is no option %.*s%s%s; --help lists the options",
                   (int)(length + (size_t)(typed - word)), word, is_near ? "; did you mean --" : "",
                   is_near ? nearest->name : "");
}

/* ---- values */

/* An argument such as "fp32|bf16" is one of these words. */
static int check_word(Reader *r, const struct argp_option *o, const char *value)
{
    enum { MOST = 16 };
    const char *names[MOST + 1] = {NULL};
    char words[256], *saved;
    Text list = {0};
    if (!strchr(o->arg, '|') || strchr(o->arg, '[')) return 0;
    snprintf(words, sizeof words, "%s", o->arg);
    int count = 0;
    for (char *word = strtok_r(words, "|", &saved); word && count < MOST; word = strtok_r(NULL, "|", &saved))
        names[count++] = word;
    for (int i = 0; i < count; i++) {
        if (!strcmp(value, names[i])) {
            text_free(&list);
            return 0;
        }
        text_add(&list, "%s%s", !i ? "" : i == count - 1 ? " or " : ", ", names[i]);
    }
    const char *nearest = name_nearest(value, names);
    const bool is_near = name_is_near(value, nearest);
    err_set(r->e, ERR_VALUE, "--%s %s: expected %s%s%s%s", o->name, value, list.data ? list.data : o->arg,
            is_near ? "; did you mean " : "", is_near ? nearest : "", is_near ? "?" : "");
    text_free(&list);
    return ERR_VALUE;
}

/* The value of an option: `inside` its word, or the next word. */
static int take_value(Reader *r, const struct argp_option *o, const char *inside)
{
    const char *value = inside ? inside : *r->next;
    if (!value) return 0; /* argp tells what is missing */
    if (!inside) put(r, *r->next++);
    return check_word(r, o, value);
}

/* ---- habits */

static const Habit *find_habit(const Help *h, const char *word, size_t length)
{
    for (const Habit *habit = h->program->habits; habit && habit->option; habit++)
        if (strlen(habit->option) == length && !strncmp(habit->option, word, length)) return habit;
    return NULL;
}

/* A file of that name is one. */
static bool is_fold(const char *word)
{
    bool there;
    if (strcmp(word, "all") && (!*word || word[strspn(word, "0123456789")])) return false;
    return !file_is_there(word, &there, NULL) && !there;
}

/* Whether the next word is one more value of the habit. */
static bool has_more(const Reader *r, const Habit *habit, int taken)
{
    const char *word = *r->next;
    if (!word || habit->takes == HABIT_FLAG) return false;
    if (!taken) return true;
    if (habit->takes == HABIT_VALUE) return false;
    return habit->takes == HABIT_FOLDS ? is_fold(word) : *word != '-';
}

/* The option that replaces the habit is in the table; so is its check. */
static int put_instead(Reader *r, const Habit *habit, char *value)
{
    const char *here = habit->here;
    const struct argp_option *o = !*here           ? NULL
                                  : here[1] == '-' ? find_long(r->h, here + 2, strlen(here + 2))
                                                   : find_short(r->h, here[1]);
    if (*here) put(r, here);
    if (value) put(r, value);
    return o && value && takes_value(o) ? check_word(r, o, value) : 0;
}

static int take_habit(Reader *r, const Habit *habit, char *inside)
{
    int taken = 0;
    if (habit->takes == HABIT_FLAG && habit->here) TRY(put_instead(r, habit, NULL));
    for (char *value = inside; value || has_more(r, habit, taken); value = NULL) {
        if (!value) value = *r->next++;
        taken++;
        if (habit->here) TRY(put_instead(r, habit, value));
        else if (!habit->holds && !(habit->only && !strcmp(value, habit->only)))
            return err_set(r->e, ERR_VALUE, "%s %s: %s", habit->option, value, habit->answer);
        if (inside) break;
    }
    if (habit->here && !taken && habit->takes != HABIT_FLAG) put(r, habit->here);
    if (habit->here || (habit->only && taken)) return 0;
    if (!habit->holds) return err_set(r->e, ERR_VALUE, "%s: %s", habit->option, habit->answer);
    text_add(r->notes, "%s: %s\n", habit->option, habit->answer);
    return 0;
}

/* ---- words */

/* "--name" for argp, which has the form that is in the table. */
static void put_name(Reader *r, const struct argp_option *o)
{
    put(r, r->free_names);
    r->free_names += sprintf(r->free_names, "--%s", o->name) + 1;
}

static int take_long(Reader *r, char *word, const char *typed)
{
    int count;
    const size_t length = strcspn(typed, "=");
    const char *inside = typed[length] ? typed + length + 1 : NULL;
    const struct argp_option *o = find_long(r->h, typed, length);
    if (o && !(inside && !takes_value(o))) {
        put_name(r, o);
        if (inside) put(r, inside);
    } else {
        o = find_beginning(r->h, typed, length, &count);
        if (!count) return refuse_unknown(r, word, typed, length);
        put(r, word);
    }
    return o && takes_value(o) ? take_value(r, o, inside) : 0;
}

/* "-j4", or letters of options without a value and at the end one with. */
static int take_short(Reader *r, char *word)
{
    for (const char *c = word + 1; *c; c++) {
        const struct argp_option *o = find_short(r->h, *c);
        if (!o) return refuse_unknown(r, word, word + 1, strcspn(word + 1, "="));
        if (!takes_value(o)) continue;
        put(r, word);
        return take_value(r, o, c[1] ? c + 1 : NULL);
    }
    put(r, word);
    return 0;
}

static int take_word(Reader *r)
{
    char *word = *r->next++;
    const size_t length = strcspn(word, "=");
    const Habit *habit = find_habit(r->h, word, length);
    if (habit) return take_habit(r, habit, word[length] ? word + length + 1 : NULL);
    if (word[0] != '-' || !word[1]) {
        put(r, word);
        return 0;
    }
    if (word[1] == '-') return take_long(r, word, word + 2);
    return length > 2 && find_long(r->h, word + 1, length - 1) ? take_long(r, word, word + 1) : take_short(r, word);
}

int arguments_read(Arguments *a, const Help *h, int argc, char **argv, Text *notes, Err *e)
{
    size_t letters = 0;
    for (int i = 0; i < argc; i++) letters += strlen(argv[i]) + sizeof "--";
    *a = (Arguments){.words = mem_alloc((2 * (size_t)argc + 1) * sizeof *a->words, e), .names = mem_alloc(letters, e)};
    if (!a->words || !a->names) return ERR_NOMEM;
    Reader r = {h, a, a->names, argv, notes, e};
    if (*r.next) put(&r, *r.next++);
    while (*r.next && strcmp(*r.next, "--")) TRY(take_word(&r));
    while (*r.next) put(&r, *r.next++);
    a->words[a->count] = NULL;
    return text_check(notes, e);
}

void arguments_free(Arguments *a)
{
    mem_free(a->words);
    mem_free(a->names);
    *a = (Arguments){0};
}
