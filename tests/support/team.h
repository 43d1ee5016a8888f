/* Threads of an OpenMP team in tests. OpenMP's library is not instrumented: the thread sanitizer does not see how its threads wait for
 * each other. */
#ifndef TESTS_SUPPORT_TEAM_H
#define TESTS_SUPPORT_TEAM_H

#ifdef __SANITIZE_THREAD__
enum { TEAM = 1 };
#else
enum { TEAM = 2 };
#endif

#endif
