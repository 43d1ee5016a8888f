/* A folder of its own for a test program: `test_folder_make` and `test_folder_remove` are its setup and teardown.
 *   cmocka_run_group_tests(tests, test_folder_make, test_folder_remove) */
#ifndef TESTS_SUPPORT_FOLDER_H
#define TESTS_SUPPORT_FOLDER_H

extern char folder[32];

/* 0, or -1. Made anew under another name where it is called again. */
int test_folder_make(void **state);
int test_folder_remove(void **state);   /* with all that is in it */

/* "folder/name"; good until the fourth call after it. */
const char *in_folder(const char *name);

#endif
