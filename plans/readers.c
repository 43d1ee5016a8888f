#include "plans/readers.h"

#include <string.h>

#include "base/nearest.h"
#include "base/text.h"

static const char *const names[] = {
    "SimpleITKIO", "NibabelIO", "NibabelIOWithReorient", "SimpleITKIOWithReorient", "NaturalImage2DIO",
    "Tiff3DIO",    NULL};

int reader_axes(ReaderAxes *axes, const char *name, const char *key, Err *e)
{
    bool known = false;
    for (int i = 0; names[i] && !known; i++) known = !strcmp(names[i], name);
    *axes = !strcmp(name, "NibabelIOWithReorient")     ? READER_RAS_NIBABEL
            : !strcmp(name, "SimpleITKIOWithReorient") ? READER_RAS_ITK
                                                       : READER_STORED;
    if (known) return 0;
    Text list = {0};
    for (int i = 0; names[i]; i++) text_add(&list, "%s%s", i ? ", " : "", names[i]);
    const int code = text_check(&list, e);
    if (!code)
        err_set(e, ERR_VALUE, "%s: found %s, an unknown reader: expected one of %s; the nearest is %s", key, name,
                list.data, name_nearest(name, names));
    text_free(&list);
    return code ? code : ERR_VALUE;
}
