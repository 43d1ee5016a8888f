/* Scripts that make a shell complete the options of a program, and the words that are possible behind them. */
#include <ctype.h>
#include <string.h>

#include "base/help.h"

/* What can be behind an option, or be an argument. */
typedef enum Behind { BEHIND_NOTHING, BEHIND_WORDS, BEHIND_PATH, BEHIND_OTHER } Behind;

/* words: those of BEHIND_WORDS; freed by the caller. */
static Behind behind(Text *words, const Help *h, const char *argument)
{
    *words = (Text){0};
    if (!argument) return BEHIND_NOTHING;
    help_words(words, h, argument);
    if (words->length) return BEHIND_WORDS;
    return help_is_path(argument) ? BEHIND_PATH : BEHIND_OTHER;
}

/* The program's name as part of the name of a function. */
static void add_function_name(Text *t)
{
    for (const char *c = program_called(); *c; c++) text_add(t, "%c", isalnum((unsigned char)*c) ? *c : '_');
}

/* For single quotes, without the characters in `special` (those of zsh's specifications). */
static void add_quoted(Text *t, const char *text, const char *special)
{
    for (; *text && *text != '\n'; text++) {
        if (*text == '\'') text_add(t, "'\\''");
        else if (strchr(special, *text)) text_add(t, "\\%c", *text);
        else text_add_bytes(t, text, 1);
    }
}

static void add_brief(Text *t, const Help *h, const struct argp_option *o, const char *special)
{
    Text brief = {0};
    help_expand(&brief, h, o->doc, true);
    if (brief.data) add_quoted(t, brief.data, special);
    text_free(&brief);
}

/* The words that an argument of the program may be: of "DATASET [NETWORK]..." those of NETWORK. */
static void argument_words(Text *words, const Help *h)
{
    char name[64];
    for (const char *at = h->program->arguments; *at; at++) {
        const size_t length = strspn(at, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_");
        if (!length || length >= sizeof name) continue;
        memcpy(name, at, length);
        name[length] = '\0';
        help_words(words, h, name);
        at += length - 1;
    }
}

/* ---- bash */

static void bash_case(Text *t, const struct argp_option *o)
{
    text_add(t, "    --%s", o->name);
    if (option_letter(o)) text_add(t, "|-%c", option_letter(o));
    text_add(t, ") ");
}

static void bash_values(Text *t, const Help *h)
{
    for (const struct argp_option *o = h->options; o->name; o++) {
        Text words;
        if (!option_is_shown(o) || !o->arg || (o->flags & OPTION_ARG_OPTIONAL)) continue;
        const Behind what = behind(&words, h, o->arg);
        bash_case(t, o);
        if (what == BEHIND_WORDS)
            text_add(t, "mapfile -t COMPREPLY < <(compgen -W '%s' -- \"$word\"); return ;;\n", words.data);
        else if (what == BEHIND_PATH)
            text_add(t, "compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- \"$word\"); return ;;\n");
        else text_add(t, "return ;;\n");
        text_free(&words);
    }
}

static void bash_script(Text *t, const Help *h)
{
    Text words = {0};
    argument_words(&words, h);
    text_add(t, "# Completion of %s for bash.\n_", program_called());
    add_function_name(t);
    text_add(
        t,
        "()\n{\n"
        "    local word=${COMP_WORDS[COMP_CWORD]} option=${COMP_WORDS[COMP_CWORD - 1]}\n"
        "    if [[ $word == = ]]; then word=; elif [[ $option == = ]]; then option=${COMP_WORDS[COMP_CWORD - 2]}; fi\n"
        "    COMPREPLY=()\n"
        "    case $option in\n");
    bash_values(t, h);
    text_add(t, "    esac\n"
                "    if [[ $word == -* ]]; then\n"
                "        mapfile -t COMPREPLY < <(compgen -W '");
    for (const struct argp_option *o = h->options; o->name; o++)
        if (option_is_shown(o)) text_add(t, "--%s ", o->name);
    text_add(t,
             "' -- \"$word\")\n        return\n    fi\n    compopt -o filenames\n"
             "    mapfile -t COMPREPLY < <(compgen -f -W '%s' -- \"$word\")\n}\ncomplete -F _",
             words.data ? words.data : "");
    add_function_name(t);
    text_add(t, " %s\n", program_called());
    text_free(&words);
}

/* ---- zsh */

static void zsh_option(Text *t, const Help *h, const struct argp_option *o)
{
    static const char special[] = "[]:\\";
    Text words;
    const Behind what = behind(&words, h, o->arg);
    const char *equals = what == BEHIND_NOTHING ? "" : "=", *plus = what == BEHIND_NOTHING ? "" : "+";
    if (o->flags & OPTION_ARG_OPTIONAL) equals = "=-";
    if (option_letter(o)) text_add(t, " \\\n    '*'{-%c%s,--%s%s}'[", option_letter(o), plus, o->name, equals);
    else text_add(t, " \\\n    '*--%s%s[", o->name, equals);
    add_brief(t, h, o, special);
    text_add(t, "]");
    if (what != BEHIND_NOTHING) {
        text_add(t, o->flags & OPTION_ARG_OPTIONAL ? "::" : ":");
        add_quoted(t, o->arg, special);
        text_add(t, ":");
    }
    if (what == BEHIND_WORDS) text_add(t, "(%s)", words.data);
    else if (what == BEHIND_PATH) text_add(t, "_files");
    text_add(t, "'");
    text_free(&words);
}

static void zsh_script(Text *t, const Help *h)
{
    Text words = {0};
    argument_words(&words, h);
    text_add(t, "#compdef %s\n# Completion of %s for zsh.\n_arguments -s -S", program_called(), program_called());
    for (const struct argp_option *o = h->options; o->name; o++)
        if (option_is_shown(o)) zsh_option(t, h, o);
    if (words.length)
        text_add(t, " \\\n    '*:argument:_alternative \"words\\:word\\:(%s)\" \"files\\:file\\:_files\"'\n",
                 words.data);
    else text_add(t, " \\\n    '*:file:_files'\n");
    text_free(&words);
}

/* ---- fish */

static void fish_option(Text *t, const Help *h, const struct argp_option *o)
{
    Text words;
    const Behind what = behind(&words, h, o->arg);
    text_add(t, "complete -c %s -l %s", program_called(), o->name);
    if (option_letter(o)) text_add(t, " -s %c", option_letter(o));
    if (what != BEHIND_NOTHING && !(o->flags & OPTION_ARG_OPTIONAL))
        text_add(t, what == BEHIND_PATH ? " -r -F" : " -x");
    if (what == BEHIND_WORDS) text_add(t, " -a '%s'", words.data);
    text_add(t, " -d '");
    add_brief(t, h, o, "\\");
    text_add(t, "'\n");
    text_free(&words);
}

static void fish_script(Text *t, const Help *h)
{
    Text words = {0};
    argument_words(&words, h);
    text_add(t, "# Completion of %s for fish.\n", program_called());
    for (const struct argp_option *o = h->options; o->name; o++)
        if (option_is_shown(o)) fish_option(t, h, o);
    if (words.length) text_add(t, "complete -c %s -a '%s'\n", program_called(), words.data);
    text_free(&words);
}

void completion_script(Text *t, const Help *h, const char *shell)
{
    if (!strcmp(shell, "bash")) bash_script(t, h);
    else if (!strcmp(shell, "zsh")) zsh_script(t, h);
    else fish_script(t, h);
}
