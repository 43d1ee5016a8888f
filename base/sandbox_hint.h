/* For messages: why a file or folder could not be made, though its folder may be written to. */
#ifndef BASE_SANDBOX_HINT_H
#define BASE_SANDBOX_HINT_H

/* What to append to the message if it is the sandbox (base/sandbox.h) that forbids it; "" for other reasons. failed: errno.
 * The text is static. */
const char *sandbox_hint(int failed, const char *path);

#endif
