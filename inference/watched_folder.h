/* WatchedFolder: the entries of a folder that other programs, also on other machines, write into.
 *
 * Nobody tells of changes on a network file system, so the folder is looked at from time to time. A file is settled when its
 * size and time have not changed for some seconds. Times are compared only with each other, never with this machine's clock.
 *   WatchedFolder f;
 *   watched_folder_new(&f, "/share/in", 5, e);
 *   watched_folder_look(&f, &is_due, e);                     // again and again
 *   if (is_due) watched_folder_settled(&f, &names, e); … watched_folder_find(&f, name)->due = …;
 *   watched_folder_free(&f); */
#ifndef INFERENCE_WATCHED_FOLDER_H
#define INFERENCE_WATCHED_FOLDER_H

#include <stdbool.h>

#include "base/error.h"
#include "base/file.h"

typedef struct WatchedFile {
    char *name; /* owned */
    FileVersion version;
    double since; /* seconds of the monotonic clock: when it was first seen like this */
    double due;   /* when something is to be done with it; INFINITY: nothing. Set anew by each change */
    int tries;    /* counted by the caller, from 0 since the last change */
    bool is_settled;
    bool is_taken; /* by the caller */
} WatchedFile;

typedef struct WatchedFolder {
    char *path;         /* owned */
    double settle;      /* seconds */
    WatchedFile *files; /* sorted by name; owned */
    int count;
} WatchedFolder;

/* Fails: ERR_NOMEM. */
int watched_folder_new(WatchedFolder *f, const char *path, double settle_seconds, Err *e);
void watched_folder_free(WatchedFolder *f);

/* *is_due: some settled entry is. On failure nothing is changed: ERR_IO, ERR_NOMEM. */
int watched_folder_look(WatchedFolder *f, bool *is_due, Err *e);

/* Names of the settled regular files; new (file_list_free). Fails: ERR_NOMEM. */
int watched_folder_settled(const WatchedFolder *f, FileList *names, Err *e);

WatchedFile *watched_folder_find(const WatchedFolder *f, const char *name); /* NULL: there is none */

/* Whether the entry is as it was when the folder was looked at. */
bool watched_folder_is_same(const WatchedFolder *f, const WatchedFile *file);

#endif
