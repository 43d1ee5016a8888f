/* A temporary folder for a test program: `test_folder_make` and `test_folder_remove` are its setup and teardown.
 *   cmocka_run_group_tests(tests, test_folder_make, test_folder_remove) */
#ifndef TESTS_SUPPORT_FOLDER_H
#define TESTS_SUPPORT_FOLDER_H

extern char folder[32];

/* Returns 0, or -1. Another call creates a folder with another name. */
int test_folder_make(void **state);
int test_folder_remove(void **state); /* with all its contents */

/* "folder/name"; valid until the fourth call after it. */
const char *in_folder(const char *name);

#endif
