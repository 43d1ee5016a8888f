/* FaultList: all faults of a dataset, so that one run can report them all.
 *
 * `FaultList list = {0}` is empty; freed with faults_free. Nothing is printed here. In parallel loops each case
 * gets a list of its own, and faults_move joins them in order. */
#ifndef DATA_FAULTS_H
#define DATA_FAULTS_H

#include <stdbool.h>

#include "base/error.h"

typedef enum FaultSeverity { FAULT_WARNING, FAULT_ERROR } FaultSeverity;

typedef struct Fault {
    FaultSeverity severity;
    char *text; /* case, file, what was found, what was expected; owned by the list */
} Fault;

typedef struct FaultList {
    Fault *faults;
    int count, errors; /* errors: those of FAULT_ERROR, and one if memory ran out */
    bool no_memory;    /* memory ran out: a case could not be read, or not all faults are listed */
} FaultList;

void fault_add(FaultList *list, FaultSeverity severity, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Adds an error "case ID: what failed", without "case" for id NULL. ERR_NOMEM is no fault of the case: the list keeps that memory
 * ran out. */
void fault_add_failure(FaultList *list, const char *id, const Err *failed);
void faults_ran_out(FaultList *list); /* sets no_memory */

/* Moves all faults of `from` to the end of the list. */
void faults_move(FaultList *to, FaultList *from);
void faults_free(FaultList *list);

/* Fails if memory ran out: ERR_NOMEM. */
int faults_expect_memory(const FaultList *list, Err *e);

/* Fails with the first error of the list: ERR_VALUE; ERR_NOMEM if memory ran out. 0: it has none. */
int faults_check(const FaultList *list, Err *e);

#endif
