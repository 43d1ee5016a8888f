#include "serve/upload.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory_file.h"
#include "base/plain.h"
#include "base/sys.h"

enum { FORM_BYTES = 1 << 16 };

static void take_name(char to[UPLOAD_NAME_BYTES], const char *name)
{
    snprintf(to, UPLOAD_NAME_BYTES, "%s", name);
    plain_line(to); /* it goes into the log */
}

static void start_file(Upload *u, const char *name)
{
    if (u->count == u->most) {
        err_set(&u->e, ERR_VALUE, "more than %d files: a request has one file, or one for each channel", u->most);
        return;
    }
    const int fd = memory_file_new("image", u->paths[u->count], &u->e);
    if (fd < 0) return;
    take_name(u->names[u->count], name);
    u->fds[u->count++] = fd;
    u->file_bytes = 0;
}

/* Whether the last file is that of the part which begins. The beginning of a part is told several times if none of its bytes
 * have come yet. */
static bool is_started(const Upload *u, const char *name)
{
    char known[UPLOAD_NAME_BYTES];
    take_name(known, name);
    return u->count && !u->file_bytes && !strcmp(u->names[u->count - 1], known);
}

static void write_bytes(Upload *u, const char *data, size_t bytes)
{
    u->file_bytes += (int64_t)bytes;
    while (bytes) {
        const ssize_t done = sys_write(u->fds[u->count - 1], data, bytes);
        if (done <= 0) {
            err_errno(&u->e, done ? errno : ENOMEM, "the body could not be kept in memory");
            return;
        }
        data += done;
        bytes -= (size_t)done;
    }
}

static enum MHD_Result take_part(void *context, enum MHD_ValueKind kind, const char *key, const char *name,
                                 const char *type, const char *encoding, const char *data, uint64_t offset,
                                 size_t bytes)
{
    Upload *u = context;
    (void)kind, (void)type, (void)encoding;
    if (u->e.code) return MHD_NO;
    if (!name) err_set(&u->e, ERR_VALUE, "the field %s is no file: expected files only", key ? key : "");
    else if (!offset && !is_started(u, path_base(name))) start_file(u, path_base(name));
    if (!u->e.code && bytes) write_bytes(u, data, bytes);
    return u->e.code ? MHD_NO : MHD_YES;
}

/* Why the library refuses a boundary is not known here: there is none, or its length is not supported. */
static void begin_form(Upload *u, struct MHD_Connection *connection, const char *type)
{
    errno = 0;
    u->form = MHD_create_post_processor(connection, FORM_BYTES, take_part, u);
    if (u->form) return;
    if (errno == ENOMEM) err_set(&u->e, ERR_NOMEM, "no memory for a form");
    else
        err_set(
            &u->e, ERR_VALUE,
            "Content-Type is %s: its boundary is missing or cannot be used: expected multipart/form-data; boundary=TEXT "
            "with a TEXT of 2 to 70 characters",
            type);
}

int upload_begin(Upload *u, struct MHD_Connection *connection, int most)
{
    static const char form[] = "multipart/form-data";
    const char *type = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_TYPE);
    *u = (Upload){.most = most};
    if (type && !strncasecmp(type, form, sizeof form - 1)) begin_form(u, connection, type);
    else start_file(u, "the image");
    return u->e.code;
}

void upload_add(Upload *u, const char *data, size_t bytes)
{
    if (u->e.code) return;
    if (!u->form) write_bytes(u, data, bytes);
    else if (MHD_post_process(u->form, data, bytes) != MHD_YES && !u->e.code)
        err_set(&u->e, ERR_FORMAT, "the form cannot be read: expected multipart/form-data");
}

static void end_form(Upload *u)
{
    if (u->form && MHD_destroy_post_processor(u->form) != MHD_YES && !u->e.code)
        err_set(&u->e, ERR_FORMAT, "the form is cut off");
    u->form = NULL;
}

int upload_finish(Upload *u, Err *e)
{
    end_form(u);
    if (!u->e.code && u->count <= 1 && !u->file_bytes)
        err_set(
            &u->e, ERR_VALUE,
            "the body has no image: send a file (curl --data-binary @image.nii.gz), or one for each channel (curl -F "
            "image=@image_0000.nii.gz -F image=@image_0001.nii.gz)");
    *e = u->e;
    return e->code;
}

void upload_free(Upload *u)
{
    end_form(u);
    for (int i = 0; i < u->count; i++) close(u->fds[i]);
    u->count = 0;
}

void upload_add_other(Upload *u, const char *path, const char *name)
{
    UploadOther *other = &u->others[u->other_count++];
    snprintf(other->path, sizeof other->path, "%s", path);
    snprintf(other->name, sizeof other->name, "%s", name);
}

void upload_rename(const Upload *u, char *text, size_t bytes)
{
    for (int i = 0; i < u->other_count; i++) memory_file_rename(text, bytes, u->others[i].path, u->others[i].name);
    for (int i = 0; i < u->count; i++) memory_file_rename(text, bytes, u->paths[i], u->names[i]);
}
