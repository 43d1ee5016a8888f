#include "base/json_log.h"

#include <math.h>
#include <stdio.h>
#include <time.h>

static bool is_open; /* set by main, before there are threads */

void json_log_open(void) { is_open = true; }
void json_log_close(void) { is_open = false; }
bool json_log_is_open(void) { return is_open; }

Text json_log_begin(const char *event)
{
    Text line = {0};
    char now[32];
    struct tm utc;
    const time_t seconds = time(NULL);
    strftime(now, sizeof now, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&seconds, &utc));
    text_add(&line, "{\"time\": \"%s\", \"event\": \"%s\"", now, event);
    return line;
}

void json_log_string(Text *line, const char *key, const char *value)
{
    text_add(line, ", \"%s\": ", key);
    if (value) text_add_json_string(line, value);
    else text_add(line, "null");
}

void json_log_integer(Text *line, const char *key, int64_t value)
{
    text_add(line, ", \"%s\": %lld", key, (long long)value);
}

void json_log_number(Text *line, const char *key, double value)
{
    if (isfinite(value)) text_add(line, ", \"%s\": %.9g", key, value);
    else text_add(line, ", \"%s\": null", key);
}

void json_log_end(Text *line)
{
    text_add(line, "}\n");
    if (is_open && !line->failed) {
        fputs(line->data, stdout);
        fflush(stdout);
    }
    text_free(line);
}
