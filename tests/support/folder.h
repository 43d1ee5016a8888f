/* A folder of its own for a test program: `folder_make` and `folder_remove` are its setup and teardown.
 *   cmocka_run_group_tests(tests, folder_make, folder_remove) */
#ifndef TESTS_SUPPORT_FOLDER_H
#define TESTS_SUPPORT_FOLDER_H

extern char folder[32];

/* 0, or -1. Made anew under another name where it is called again. */
int folder_make(void **state);
int folder_remove(void **state);   /* with all that is in it */

/* "folder/name"; good until the fourth call after it. */
const char *in_folder(const char *name);

#endif
