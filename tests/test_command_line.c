/* The command line: words before argp reads them, help, man page and completion of a made-up program, hints for paths. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arguments.h"
#include "base/help.h"
#include "base/nearest.h"
#include "base/path_hint.h"

enum { KEY_COLOR = 0x100, KEY_STEP_SIZE, KEY_MAYBE };

static const struct argp_option options[] = {
    {"output", 'o', "PATH", 0, "Where to write", 0},
    {"folds", 'f', "0,1", 0, "Folds", 0},
    {"color", KEY_COLOR, "red|green|blue", 0, "Colour (default: {default.color})\vIt's used; for 'all'", 0},
    {"step-size", KEY_STEP_SIZE, "N", 0, "Step", OPTION_RARE},
    {"maybe", KEY_MAYBE, "FOLDER", OPTION_ARG_OPTIONAL, "Perhaps", 0},
    {"quiet", 'q', NULL, 0, "Less", 0},
    {0},
};

static const Habit habits[] = {
    SAME("-f", FOLDS, "-f"),
    SAME("-i", WORDS, ""),
    SAME("--silent", FLAG, "--quiet"),
    SAME("-hue", VALUE, "--color"),
    ANSWERED("-np", VALUE, "type -j N"),
    ONLY("-c", WORDS, "2d", "there is only 2d"),
    HOLDS("--check", FLAG, "it is always checked"),
    {0},
};

static bool expand(Text *t, const char *word)
{
    if (strcmp(word, "default.color")) return false;
    text_add(t, "red");
    return true;
}

static const Program program = {.summary = "try",
                                .arguments = "IN OUT",
                                .about = "Tries.",
                                .examples = "a b\tFirst\nc d\tSecond",
                                .notes = ".dots begin a line:\n  kept as it is",
                                .see = "other",
                                .options = options,
                                .habits = habits,
                                .expand = expand};
static const Help help = {&program, options};

/* What argp gets, joined by blanks; or the message. `notes` may be NULL. */
static const char *read_words(const char *line, char *notes)
{
    static char result[1100];
    char copy[512], *argv[32], *saved;
    int argc = 0;
    Arguments a;
    Err e = {0};
    Text told = {0};
    snprintf(copy, sizeof copy, "%s", line);
    for (char *word = strtok_r(copy, " ", &saved); word; word = strtok_r(NULL, " ", &saved)) argv[argc++] = word;
    argv[argc] = NULL;
    *result = '\0';
    if (arguments_read(&a, &help, argc, argv, &told, &e)) snprintf(result, sizeof result, "%s", e.text);
    else
        for (int i = 1; i < a.count; i++)
            snprintf(result + strlen(result), sizeof result - strlen(result), "%s%s", i > 1 ? " " : "", a.words[i]);
    if (notes) snprintf(notes, 256, "%s", told.data ? told.data : "");
    arguments_free(&a);
    text_free(&told);
    return result;
}

static void test_words_stay(void **state)
{
    (void)state;
    static const char *const lines[] = {"a b",          "-o out in", "-oout in", "-qo out",     "--color red",
                                        "--col=blue x", "-- -x",     "--maybe",  "--maybe=dir", "-"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        char line[64];
        snprintf(line, sizeof line, "program %s", lines[i]);
        assert_string_equal(read_words(line, NULL), lines[i]);
    }
    assert_string_equal(read_words("program", NULL), "");
}

static void test_forms_of_options(void **state)
{
    (void)state;
    assert_string_equal(read_words("p -step-size 3", NULL), "--step-size 3");
    assert_string_equal(read_words("p -step_size=3", NULL), "--step-size 3");
    assert_string_equal(read_words("p --step_size 3", NULL), "--step-size 3");
    assert_string_equal(read_words("p -o -step_size a", NULL), "-o -step_size a");
    assert_string_equal(read_words("p -- -step_size", NULL), "-- -step_size");
}

static void test_habits(void **state)
{
    (void)state;
    char notes[256];
    assert_string_equal(read_words("p -f 0 1 all in", NULL), "-f 0 -f 1 -f all in");
    assert_string_equal(read_words("p -f 0,1 x", NULL), "-f 0,1 x");
    assert_string_equal(read_words("p -i a b -o c", NULL), "a b -o c");
    assert_string_equal(read_words("p --silent", NULL), "--quiet");
    assert_string_equal(read_words("p -hue green", NULL), "--color green");
    assert_string_equal(read_words("p -hue=green", NULL), "--color green");
    assert_string_equal(read_words("p -hue gren", NULL),
                        "--color gren: expected red, green or blue; did you mean green?");
    assert_string_equal(read_words("p -np 8", NULL), "-np 8: type -j N");
    assert_string_equal(read_words("p -np", NULL), "-np: type -j N");
    assert_string_equal(read_words("p -c 2d -o x", NULL), "-o x");
    assert_string_equal(read_words("p -c 2d 3d", NULL), "-c 3d: there is only 2d");
    assert_string_equal(read_words("p --check a", notes), "a");
    assert_string_equal(notes, "--check: it is always checked\n");
    assert_string_equal(read_words("p -f", NULL), "-f");
}

static void test_misspelt(void **state)
{
    (void)state;
    assert_string_equal(read_words("p --colr red", NULL),
                        "there is no option --colr; did you mean --color; --help lists the options");
    assert_string_equal(read_words("p --colr=red", NULL),
                        "there is no option --colr; did you mean --color; --help lists the options");
    assert_string_equal(read_words("p -Z", NULL), "there is no option -Z; --help lists the options");
    assert_string_equal(read_words("p --color=purple", NULL), "--color purple: expected red, green or blue");
    assert_string_equal(read_words("p --col rd", NULL), "--color rd: expected red, green or blue; did you mean red?");
    assert_true(name_is_near("swin_unamba", "swin_umamba"));
    assert_false(name_is_near("unetr", "nnformer"));
    assert_null(name_nearest("x", (const char *const[]){NULL}));
}

static char *made_by(void (*make)(Text *, const Help *))
{
    Text t = {0};
    make(&t, &help);
    assert_false(t.failed);
    return t.data;
}

static void make_brief(Text *t, const Help *h) { help_text(t, h, false, 80); }
static void make_whole(Text *t, const Help *h) { help_text(t, h, true, 60); }
static void make_fish(Text *t, const Help *h) { completion_script(t, h, "fish"); }
static void make_zsh(Text *t, const Help *h) { completion_script(t, h, "zsh"); }

static void expect(void (*make)(Text *, const Help *), const char *part, bool is_there)
{
    char *text = made_by(make);
    if (!strstr(text, part) != !is_there) fail_msg("'%s' in:\n%s", part, text);
    Text t = {text, 0, 0, false};
    text_free(&t);
}

static void test_help(void **state)
{
    (void)state;
    expect(make_brief, "--color=red|green|blue  Colour (default: red)\n", true);
    expect(make_brief, "--step-size", false);
    expect(make_brief, "c d", false);
    expect(make_whole, "--step-size=N", true);
    expect(make_whole, "Colour (default: red). It's\n", true);
    expect(make_whole, "\n  kept as it is\n", true);
    expect(make_whole, "  # Second\n", true);
    expect(manual_page, "\\fB\\-\\-color\\fR=\\fIred|green|blue\\fR", true);
    expect(manual_page, "\n\\&.dots begin a line:\n", true);
    expect(manual_page, ".nf\n  kept as it is\n.fi\n", true);
    expect(make_fish, "-l color -x -a 'red green blue' -d 'Colour (default: red)'", true);
    expect(make_zsh, "'*--color=[Colour (default\\: red)]:red|green|blue:(red green blue)'", true);
    expect(make_zsh, "'*--maybe=-[Perhaps]::FOLDER:_files'", true);
}

static void test_path_hint(void **state)
{
    (void)state;
    char folder[] = "/tmp/command_line_XXXXXX", path[128], expected[160];
    Err e;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/imagesTr", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    static const char *const misspelt[] = {"imageTr", "ImagesTR", "imagesTr/x", "images_12", "nothing/alike", ""};
    static const bool found[] = {true, true, false, false, false, false};
    for (size_t i = 0; i < sizeof found / sizeof *found; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, misspelt[i]);
        err_set(&e, ERR_IO, "missing");
        assert_int_equal(path_hint(&e, path), ERR_IO);
        snprintf(expected, sizeof expected, found[i] ? "missing; did you mean %s/imagesTr?" : "missing", folder);
        assert_string_equal(e.text, expected);
    }
    err_set(&e, ERR_IO, "missing");
    path_hint(&e, "42/dataset.json");
    assert_string_equal(e.text, "missing; give the path of the folder, a number is not accepted");
    assert_int_equal(path_hint(NULL, path), 0);
    snprintf(path, sizeof path, "%s/imagesTr", folder);
    rmdir(path);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_words_stay), cmocka_unit_test(test_forms_of_options),
                                       cmocka_unit_test(test_habits),     cmocka_unit_test(test_misspelt),
                                       cmocka_unit_test(test_help),       cmocka_unit_test(test_path_hint)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
