#include "dicom/frames.h"

#include <string.h>

#include "base/memory.h"

int scan_add(DicomScan *s, int frames, Err *e)
{
    TRY(mem_grow_list(&s->files, s->file_count, sizeof *s->files, e));
    for (int i = 0; i < frames; i++) {
        TRY(mem_grow_list(&s->frames, s->frame_count + i, sizeof *s->frames, e));
        memset(&s->frames[s->frame_count + i], 0, sizeof *s->frames);
    }
    s->files[s->file_count++] = (DicomFile){.first = s->frame_count, .count = frames};
    s->frame_count += frames;
    return 0;
}

void scan_free(DicomScan *s)
{
    mem_free(s->files);
    mem_free(s->frames);
    *s = (DicomScan){0};
}
