/* Paths in files, with variables of the environment as a shell has them. */
#ifndef BASE_PATH_EXPAND_H
#define BASE_PATH_EXPAND_H

#include "base/error.h"

/* A copy (mem_free) with $NAME and ${NAME} replaced by the variable's value, and a leading ~ or ~/ by HOME; a '$'
 * without a name stays as it is. NULL with e filled: ERR_VALUE for a variable that is not set, by name, and for
 * "${" without "}"; ERR_NOMEM. */
char *path_expand(const char *path, Err *e);

#endif
