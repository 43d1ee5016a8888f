/* Groups of cases, such as patients, from a table: so that folds keep them together. */
#ifndef PLANNER_CASE_GROUPS_H
#define PLANNER_CASE_GROUPS_H

#include "base/text.h"
#include "plans/name_list.h"

/* The group of each case, in the order of the list given to case_groups_read. */
typedef struct CaseGroups {
    char **of; /* (count) owned */
    int count;
} CaseGroups;

/* A text file of two columns, case and group, separated by a comma, a semicolon or a tab; quotes and a first line of
 * titles are allowed. cases: sorted. A case of the file that is not among them is ignored, with a line in notes. Free
 * groups by case_groups_free. Fails: ERR_IO; ERR_FORMAT with "file:line: what", also if a case has two groups or none;
 * ERR_NOMEM. */
int case_groups_read(CaseGroups *groups, const char *path, const NameList *cases, Text *notes, Err *e);
void case_groups_free(CaseGroups *groups);

#endif
