#include "base/path_hint.h"

#include <dirent.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/nearest.h"

static bool is_there(const char *path) { return !access(path, F_OK); }

static const char *skip_digits(const char *text) { return text + strspn(text, "0123456789"); }

/* Whether the names are equal but for their digits. */
static bool same_but_digits(const char *a, const char *b)
{
    for (a = skip_digits(a), b = skip_digits(b); *a && *a == *b; a = skip_digits(a + 1), b = skip_digits(b + 1))
        continue;
    return !*a && !*b;
}

/* Whether an entry of a folder may be meant by `name`, and is nearer than `distance`. */
static bool is_nearer(const char *entry, const char *name, int distance)
{
    return *entry != '.' && name_is_near(name, entry) && !same_but_digits(name, entry) &&
           name_distance(name, entry) < distance;
}

/* path: "FOLDER/NAME/REST", `start` and `length` of NAME. Sets *meant to an existing path with another name. */
static bool find(char meant[PATH_MAX], const char *path, int start, int length)
{
    char folder[PATH_MAX], name[NAME_MAX + 1], trial[PATH_MAX];
    int nearest = INT_MAX;
    snprintf(folder, sizeof folder, "%.*s", start, start ? path : ".");
    snprintf(name, sizeof name, "%.*s", length, path + start);
    DIR *dir = opendir(start ? folder : ".");
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        if (!is_nearer(entry->d_name, name, nearest)) continue;
        const int bytes = snprintf(trial, sizeof trial, "%.*s%s%s", start, path, entry->d_name, path + start + length);
        if (bytes >= PATH_MAX || !is_there(trial)) continue;
        nearest = name_distance(name, entry->d_name);
        snprintf(meant, PATH_MAX, "%s", trial);
    }
    if (dir) closedir(dir);
    return nearest < INT_MAX;
}

/* The first name of the path that is not in its folder; *length 0: all are there. */
static int first_missing(const char *path, int *length)
{
    char head[PATH_MAX];
    for (int start = 0;; start += *length + 1) {
        start += (int)strspn(path + start, "/");
        *length = (int)strcspn(path + start, "/");
        if (!*length || snprintf(head, sizeof head, "%.*s", start + *length, path) >= PATH_MAX) break;
        if (!is_there(head)) return start;
        if (!path[start + *length]) break;
    }
    *length = 0;
    return 0;
}

static void append(Err *e, const char *before, const char *text, const char *after)
{
    const size_t used = strlen(e->text);
    if (used + strlen(before) + strlen(text) + strlen(after) < sizeof e->text)
        stpcpy(stpcpy(stpcpy(e->text + used, before), text), after);
}

/* The "42" of nnU-Net's users. */
static bool is_number(const char *path, int length) { return skip_digits(path) == path + length; }

int path_hint(Err *e, const char *path)
{
    char meant[PATH_MAX];
    int length;
    if (!e) return 0;
    const int start = first_missing(path, &length);
    if (!length || length > NAME_MAX) return e->code;
    if (!start && is_number(path, length)) append(e, "; give the path of the folder, a number is not accepted", "", "");
    else if (find(meant, path, start, length)) append(e, "; did you mean ", meant, "?");
    return e->code;
}
