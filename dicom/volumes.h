/* Volumes: a series may hold several, of points in time, echoes, b-values … (part of dicom/series.c). */
#ifndef DICOM_VOLUMES_H
#define DICOM_VOLUMES_H

#include "dicom/series.h"

/* Leaves in s->slices those of one volume, sorted. volume: from 1, in the order of the values in which they differ; 0:
 * there must be only one. Fails: as stack_sort if the slices are neither one volume nor several that an attribute
 * tells apart; ERR_VALUE for several, with that attribute and its values, and for a number that there is not. */
int volumes_choose(Series *s, const DicomSources *source, int volume, Err *e);

#endif
