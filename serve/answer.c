#include "serve/answer.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"

unsigned answer_status(int code)
{
    switch (code) {
    case SWIN_MEMORY_LIMIT: return MHD_HTTP_CONTENT_TOO_LARGE;
    case SWIN_NO_MEMORY: return MHD_HTTP_SERVICE_UNAVAILABLE; /* there may be some later */
    case SWIN_UNSUPPORTED: return MHD_HTTP_UNSUPPORTED_MEDIA_TYPE;
    case SWIN_FORMAT:
    case SWIN_VALUE:
    case SWIN_SHAPE: return MHD_HTTP_BAD_REQUEST;
    default: return MHD_HTTP_INTERNAL_SERVER_ERROR;
    }
}

static enum MHD_Result queue(struct MHD_Connection *c, unsigned status, const char *type, struct MHD_Response *r)
{
    MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    MHD_add_response_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    const enum MHD_Result sent = MHD_queue_response(c, status, r);
    MHD_destroy_response(r);
    return sent;
}

enum MHD_Result answer_text(struct MHD_Connection *c, unsigned status, const char *type, Text *text,
                            AnswerHeader header)
{
    static char without_memory[] = "{\"error\": \"" ANSWER_NO_MEMORY "\"}\n";
    const bool is_whole = !text_check(text, NULL);
    struct MHD_Response *r =
        is_whole ? MHD_create_response_from_buffer(text->length, text->data, MHD_RESPMEM_MUST_COPY)
                 : MHD_create_response_from_buffer(sizeof without_memory - 1, without_memory, MHD_RESPMEM_PERSISTENT);
    text_free(text);
    if (!r) return MHD_NO;
    if (header.name) MHD_add_response_header(r, header.name, header.value);
    return queue(c, is_whole ? status : MHD_HTTP_SERVICE_UNAVAILABLE, is_whole ? type : "application/json", r);
}

enum MHD_Result answer_error(struct MHD_Connection *c, unsigned status, const char *error, AnswerHeader header)
{
    Text text = {0};
    text_add(&text, "{\"error\": ");
    text_add_json_string(&text, error);
    text_add(&text, "}\n");
    return answer_text(c, status, "application/json", &text, header);
}

static void add_warnings(struct MHD_Response *r, const Text *warnings)
{
    int length;
    char line[sizeof(Err)];
    for (const char *at = warnings->data, *next; at && *at; at = next) {
        next = text_next_line(at, &length);
        snprintf(line, sizeof line, "%.*s", length, at);
        MHD_add_response_header(r, "Swin-Umamba-Warning", line);
    }
}

enum MHD_Result answer_file(struct MHD_Connection *c, int fd, const char *type, const char *name, const Text *warnings)
{
    char disposition[256];
    const off_t bytes = lseek(fd, 0, SEEK_END);
    struct MHD_Response *r = bytes > 0 ? MHD_create_response_from_fd64((uint64_t)bytes, fd) : NULL;
    if (!r) {
        close(fd);
        return MHD_NO;
    }
    snprintf(disposition, sizeof disposition, "attachment; filename=\"%s\"", name);
    MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_DISPOSITION, disposition);
    add_warnings(r, warnings);
    return queue(c, MHD_HTTP_OK, type, r);
}

static void add_names(Text *t, const swin_info *info)
{
    text_add(t, ", \"channels\": [");
    for (int i = 0; i < info->channel_count; i++) {
        text_add(t, "%s", i ? ", " : "");
        text_add_json_string(t, info->channel_names[i]);
    }
    text_add(t, "], \"classes\": [");
    for (int i = 0; i < info->class_count; i++) {
        text_add(t, "%s{\"name\": ", i ? ", " : "");
        text_add_json_string(t, info->classes[i].name);
        text_add(t, ", \"label\": %d}", info->classes[i].value);
    }
    text_add(t, "]");
}

void answer_model(Text *t, const swin_info *info, int models)
{
    const double *spacing = info->median_spacing_zyx_mm;
    text_add(t, "{\"version\": \"%s\", \"network\": ", swin_version());
    text_add_json_string(t, info->network);
    text_add(t, ", \"dataset\": ");
    text_add_json_string(t, info->dataset);
    add_names(t, info);
    text_add(t, ", \"regions\": %s, \"folds\": %d, \"patch_yx\": [%d, %d]", info->has_regions ? "true" : "false",
             info->fold_count, info->patch_yx[0], info->patch_yx[1]);
    text_add(t, ", \"median_spacing_zyx_mm\": [%.9g, %.9g, %.9g], \"file_ending\": ", spacing[0], spacing[1],
             spacing[2]);
    text_add_json_string(t, info->file_ending);
    text_add(t, ", \"parallel\": %d, \"threads\": %d}\n", models, info->threads);
}
