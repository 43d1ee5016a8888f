/* A chunk of a PNG file with its length and its checksum, appended to a text. kind: its four letters; at most 65535 bytes. */
#ifndef TESTS_SUPPORT_PNG_CHUNK_H
#define TESTS_SUPPORT_PNG_CHUNK_H

#include "base/text.h"

void png_chunk_add(Text *t, const char *kind, const void *content, size_t bytes);

#endif
