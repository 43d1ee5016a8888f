/* Stack: slices of a series as a volume: their order, and the grid that they make (part of dicom/series.c). */
#ifndef DICOM_STACK_H
#define DICOM_STACK_H

#include "dicom/series.h"

/* Sorts the slices along the normal of their plane: the cross product of the directions of rows and columns. Fails:
 * ERR_VALUE, naming files, if they do not lie in one direction with one size and spacing, each in a place of its own;
 * ERR_NOMEM. */
int stack_sort(int *slices, int count, const DicomScan *scan, const DicomSources *source, Err *e);

/* Whether all slices lie in one place. */
bool stack_is_one_place(const int *slices, int count, const DicomScan *scan);

/* Sets s->geometry from sorted slices; a tilt of the gantry is kept as a shear, with a warning. Fails: ERR_VALUE for
 * slices that are missing, uneven or out of line. */
int stack_geometry(Series *s, const DicomSources *source, Err *e);

#endif
