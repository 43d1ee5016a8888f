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
    bool lost;         /* memory ran out: not all faults are listed */
} FaultList;

void fault_add(FaultList *list, FaultSeverity severity, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Moves all faults of `from` to the end of the list. */
void faults_move(FaultList *to, FaultList *from);
void faults_free(FaultList *list);

/* Fails with the first error of the list: ERR_VALUE; ERR_NOMEM if memory ran out. 0: it has none. */
int faults_check(const FaultList *list, Err *e);

#endif
