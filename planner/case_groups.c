#include "planner/case_groups.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/look_alike.h"
#include "base/memory.h"

void case_groups_free(CaseGroups *groups)
{
    for (int i = 0; i < groups->count; i++) mem_free(groups->of[i]);
    mem_free(groups->of);
    *groups = (CaseGroups){0};
}

/* The text without blanks and quotes around it. */
static char *trim(char *text)
{
    while (*text && strchr(" \t\r\"", *text)) text++;
    size_t length = strlen(text);
    while (length && strchr(" \t\r\"", text[length - 1])) text[--length] = '\0';
    return text;
}

static int index_of(const NameList *cases, const char *name)
{
    for (int low = 0, high = cases->count - 1; low <= high;) {
        const int middle = (low + high) / 2, order = strcmp(name, cases->names[middle]);
        if (!order) return middle;
        if (order < 0) high = middle - 1;
        else low = middle + 1;
    }
    return -1;
}

/* Splits a line into its two cells, in place. */
static int split_line(char *line, char **name, char **group, const char *path, int number, Err *e)
{
    char *separator = strpbrk(line, ",;\t");
    if (!separator)
        return err_set(e, ERR_FORMAT, "%s:%d: found \"%.80s\", expected two columns: CASE,GROUP", path, number,
                       trim(line));
    char *more = strpbrk(separator + 1, ",;\t");
    if (more && strcspn(more, "\r") > 1)
        return err_set(e, ERR_FORMAT, "%s:%d: more than two columns, expected CASE,GROUP", path, number);
    if (more) *more = '\0';
    *separator = '\0';
    *name = trim(line);
    *group = trim(separator + 1);
    if (!**name || !**group) return err_set(e, ERR_FORMAT, "%s:%d: an empty cell, expected CASE,GROUP", path, number);
    return 0;
}

static int set_group(CaseGroups *g, int index, const char *name, const char *group, const char *path, int number,
                     Err *e)
{
    if (g->of[index] && strcmp(g->of[index], group))
        return err_set(e, ERR_FORMAT, "%s:%d: the case %s has the group %s here and the group %s in an earlier line",
                       path, number, name, group, g->of[index]);
    if (!g->of[index]) g->of[index] = mem_strdup(group, e);
    return g->of[index] ? 0 : ERR_NOMEM;
}

static int read_lines(CaseGroups *g, NameList *unknown, char *text, const char *path, const NameList *cases, Err *e)
{
    int number = 0, code = 0;
    char *rest = NULL, *name = NULL, *group = NULL;
    if (!strncmp(text, "\xef\xbb\xbf", 3)) text += 3; /* a byte order mark */
    for (char *line = text; line && !code; line = rest) {
        rest = strchr(line, '\n');
        if (rest) *rest++ = '\0';
        number++;
        if (!line[strspn(line, " \t\r")]) continue;
        code = split_line(line, &name, &group, path, number, e);
        if (code) break;
        const int index = index_of(cases, name);
        if (index >= 0) code = set_group(g, index, name, group, path, number, e);
        else if (number > 1) code = names_add(unknown, name, e); /* the first line may contain titles */
    }
    return code;
}

static int expect_all(const CaseGroups *g, const NameList *unknown, const char *path, const NameList *cases, Err *e)
{
    NameList without = {0};
    Text told = {0};
    int code = 0;
    for (int i = 0; i < cases->count && !code; i++)
        if (!g->of[i]) code = names_add(&without, cases->names[i], e);
    if (!code && without.count) {
        names_tell(&told, &without);
        text_add(&told, ": expected a line CASE,GROUP for each case");
        const char *alike = NULL;
        int i = 0;
        while (i < without.count && !(alike = look_alike_find(without.names[i], unknown->names, unknown->count))) i++;
        if (alike) look_alike_tell(&told, without.names[i], alike);
        code = err_set(e, ERR_FORMAT, "%s: no group for %s", path, told.data ? told.data : "");
    }
    text_free(&told);
    names_free(&without);
    return code;
}

int case_groups_read(CaseGroups *groups, const char *path, const NameList *cases, Text *notes, Err *e)
{
    char *text = NULL;
    size_t bytes;
    NameList unknown = {0};
    *groups = (CaseGroups){0};
    TRY(file_get(path, &text, &bytes, e));
    int code =
        strlen(text) == bytes ? 0 : err_set(e, ERR_FORMAT, "%s: contains NUL bytes, expected a table as text", path);
    groups->of = mem_zalloc((size_t)cases->count, sizeof *groups->of, e);
    if (!groups->of && !code) code = ERR_NOMEM;
    groups->count = groups->of ? cases->count : 0;
    if (!code) code = read_lines(groups, &unknown, text, path, cases, e);
    if (!code) code = expect_all(groups, &unknown, path, cases, e);
    if (!code && unknown.count) {
        text_add(notes, "%s: these cases are not in the dataset: ", path);
        names_tell(notes, &unknown);
        text_add(notes, "\n");
    }
    names_free(&unknown);
    mem_free(text);
    if (code) case_groups_free(groups);
    return code;
}
