/* Attributes of DICOM objects as numbers; for the files in C++. */
#ifndef DICOM_ATTRIBUTES_H
#define DICOM_ATTRIBUTES_H

#include <dcmtk/config/osconfig.h>

#include <dcmtk/dcmdata/dcitem.h>

/* A whole number of whatever kind; `missing` where there is none. */
static inline long whole_of(DcmItem *item, const DcmTagKey &tag, long missing)
{
    Sint32 value;
    Uint16 small;
    Uint32 large;
    if (item->findAndGetUint16(tag, small).good()) return small;
    if (item->findAndGetUint32(tag, large).good()) return large;
    return item->findAndGetSint32(tag, value).good() ? value : missing;
}

#endif
