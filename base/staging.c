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

int staging_begin(Staging *s, const char *out, const char *suffix, Err *e)
{
    int length = (int)strlen(out), parent;
    while (length > 1 && out[length - 1] == '/') length--;
    for (parent = length; parent > 0 && out[parent - 1] != '/'; parent--) continue;
    *s = (Staging){.out = out};
    TRY(make_parents(out, parent, e));
    s->work = path_format(e, "%.*s.%.*s.%s", parent, out, length - parent, out + parent, suffix);
    s->fresh = s->work ? path_format(e, "%s/new", s->work) : NULL;
    int code = s->fresh ? folder_make(s->work, e) : ERR_NOMEM;
    if (code) {
        mem_free(s->fresh);
        mem_free(s->work);
        return code;
    }
    code = folder_make(s->fresh, e);
    return code ? staging_end(s, code, e) : 0;
}

int staging_settle(const Staging *s, Err *e)
{
    bool there;
    TRY(file_is_there(s->out, &there, e));
    if (!there) return folder_rename(s->fresh, s->out, e);
    char *away = path_format(e, "%s/old", s->work);
    const int code = away ? folder_replace(s->out, s->fresh, away, e) : ERR_NOMEM;
    mem_free(away);
    return code;
}

int staging_end(Staging *s, int code, Err *e)
{
    const int removed = folder_remove(s->work, code ? NULL : e);
    mem_free(s->fresh);
    mem_free(s->work);
    return code ? code : removed;
}
