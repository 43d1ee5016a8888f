#include "data/text_header.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Removes white space at the end; returns the first character that is not white space. */
static char *trim(char *text)
{
    size_t length = strlen(text);
    while (length && isspace((unsigned char)text[length - 1])) text[--length] = '\0';
    return text + strspn(text, " \t\r\n\v\f");
}

bool header_next_line(HeaderLines *h)
{
    const size_t left = h->count - h->at;
    h->text[0] = '\0';
    if (!left) return false;
    const uint8_t *start = h->bytes + h->at, *end = memchr(start, '\n', left);
    const size_t length = end ? (size_t)(end - start) : left;
    if (length >= sizeof h->text || memchr(start, 0, length)) return false;
    memcpy(h->text, start, length);
    h->text[length] = '\0';
    h->at += length + (end != NULL);
    h->number++;
    char *trimmed = trim(h->text);
    memmove(h->text, trimmed, strlen(trimmed) + 1);
    return true;
}

bool header_split(char *line, const char *separator, char **key, char **value)
{
    char *at = strstr(line, separator);
    if (!at) return false;
    *at = '\0';
    *key = trim(line);
    *value = trim(at + strlen(separator));
    return true;
}

int header_numbers(const char *text, double *values, int most)
{
    int count = 0;
    for (;;) {
        char *end;
        text += strspn(text, " \t\r\n,()");
        if (!*text) return count;
        const double value = strtod(text, &end);
        if (end == text || count == most) return -1;
        values[count++] = value;
        text = end;
    }
}

int header_whole_numbers(const char *text, int64_t *values, int most, int64_t lowest)
{
    int count = 0;
    for (;;) {
        char *end;
        text += strspn(text, " \t\r\n");
        if (!*text) return count;
        errno = 0;
        const long long value = strtoll(text, &end, 10);
        if (end == text || (*end && !isspace((unsigned char)*end)) || errno || value < lowest || count == most)
            return -1;
        values[count++] = value;
        text = end;
    }
}

int header_truth(const char *text)
{
    if (!strcasecmp(text, "true") || !strcasecmp(text, "t") || !strcasecmp(text, "yes") || !strcmp(text, "1")) return 1;
    if (!strcasecmp(text, "false") || !strcasecmp(text, "f") || !strcasecmp(text, "no") || !strcmp(text, "0")) return 0;
    return -1;
}
