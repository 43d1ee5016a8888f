/* What pickle.c (the finished tree), pickle_values.c (memory of values), pickle_machine.c (opcodes) and
 * pickle_calls.c (functions that pickles may call) share. Private to these four. */
#ifndef WEIGHTS_PICKLE_MACHINE_H
#define WEIGHTS_PICKLE_MACHINE_H

#include "weights/pickle.h"

typedef struct PickleMachine {
    const char *data;
    size_t bytes, at;
    Value **stack;
    size_t height, stack_capacity;
    size_t *marks; /* heights of the stack */
    size_t mark_count, mark_capacity;
    Value **memo;      /* NULL: no value was stored */
    size_t memo_count; /* entries, used or not */
    size_t puts;       /* number of PUT and MEMOIZE opcodes so far */
    size_t taken;      /* bytes that values took */
    Pickle *out;
    Err error;
} PickleMachine;

/* Sets the machine's error and returns its code. */
#define machine_fail(m, code, ...) err_set(&(m)->error, code, __VA_ARGS__)

/* Runs the pickle to its STOP: its value; NULL with the error set. Frees stack, marks and memo. */
Value *machine_run(PickleMachine *m);

/* Memory for values, zeroed; NULL with the error set. */
void *machine_take(PickleMachine *m, size_t bytes);
Value *machine_value(PickleMachine *m, ValueKind kind);
int machine_append(PickleMachine *m, Value *list, Value *item);

/* A value with a copy of the text, a NUL behind it. STRING must be UTF-8. */
Value *machine_text(PickleMachine *m, ValueKind kind, const char *data, size_t bytes);

/* REDUCE: function(*args). NULL with the error set; the error names a function that is not supported. */
Value *call_function(PickleMachine *m, const Value *function, const Value *args);

/* NEWOBJ: an instance of that class. */
Value *call_new(PickleMachine *m, const Value *class);

/* BUILD: gives a dictionary, a NumPy type or array, or an inert object its state. */
int call_build(PickleMachine *m, Value *object, const Value *state);

/* BINPERSID: a storage from its tuple ('storage', type, key, location, count). */
Value *call_storage(PickleMachine *m, const Value *id);

#endif
