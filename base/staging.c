#include "base/staging.h"

#include <string.h>

#include "base/file.h"
#include "base/folder.h"
#include "base/memory.h"

static int make_parents(const char *out, int parent, Err *e)
{
    char *above = parent ? path_format(e, "%.*s", parent, out) : mem_strdup(".", e);
    const int code = above ? file_make_folders(above, e) : ERR_NOMEM;
    mem_free(above);
    return code;
}

/* What a killed run has left. */
static int clear(const Staging *s, Err *e)
{
    bool has_earlier, there;
    TRY(file_is_there(s->earlier, &has_earlier, e));
    TRY(file_is_there(s->out, &there, e));
    if (has_earlier && !there) TRY(folder_rename(s->earlier, s->out, e));
    TRY(folder_remove(s->earlier, e));
    return folder_remove(s->fresh, e);
}

/* Another run may remove the hidden folder, at its end, before this one has locked it. */
static int lock_work(Staging *s, Err *e)
{
    enum { TRIES = 10 };
    bool there;
    for (int tries = 1;; tries++) {
        TRY(file_make_folders(s->work, e));
        const int code = folder_lock(&s->lock, s->work, e);
        if (!code || tries == TRIES || file_is_folder(s->work, &there, NULL) || there) return code;
    }
}

/* Locks the hidden folder and makes the one to fill. */
static int begin(Staging *s, Err *e)
{
    if (!s->earlier) return ERR_NOMEM;
    TRY(lock_work(s, e));
    int code = clear(s, e);
    if (!code) code = file_make_folders(s->fresh, e);
    if (code) folder_unlock(&s->lock);
    return code;
}

static void release(Staging *s)
{
    mem_free(s->earlier);
    mem_free(s->fresh);
    mem_free(s->work);
}

int staging_begin(Staging *s, const char *out, const char *suffix, Err *e)
{
    int length = (int)strlen(out), parent;
    while (length > 1 && out[length - 1] == '/') length--;
    for (parent = length; parent > 0 && out[parent - 1] != '/'; parent--) continue;
    *s = (Staging){.out = out, .lock = {-1}};
    TRY(make_parents(out, parent, e));
    s->work = path_format(e, "%.*s.%.*s.%s", parent, out, length - parent, out + parent, suffix);
    s->fresh = s->work ? path_format(e, "%s/new", s->work) : NULL;
    s->earlier = s->fresh ? path_format(e, "%s/old", s->work) : NULL;
    const int code = begin(s, e);
    if (code) release(s);
    return code;
}

int staging_settle(const Staging *s, Err *e)
{
    bool there;
    TRY(file_is_there(s->out, &there, e));
    return there ? folder_replace(s->out, s->fresh, s->earlier, e) : folder_rename(s->fresh, s->out, e);
}

int staging_end(Staging *s, int code, Err *e)
{
    int removed = folder_remove(s->fresh, code ? NULL : e);
    if (!removed) removed = folder_remove(s->earlier, code ? NULL : e);
    folder_remove_empty(s->work);
    folder_unlock(&s->lock);
    release(s);
    return code ? code : removed;
}
