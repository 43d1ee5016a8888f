/* dataset.json of the Medical Segmentation Decathlon and of nnU-Net 1, which have the same form. */
#ifndef CONVERT_TASK_JSON_H
#define CONVERT_TASK_JSON_H

#include "convert/conversion.h"

/* Reads IN/dataset.json into c->doc and c->info: name, description (with reference and licence), channels from
 * modality, labels in the order of their values. Fails: ERR_VALUE where there is no such file; ERR_IO, ERR_NOMEM;
 * ERR_FORMAT, also for the form of nnU-Net 2. */
int task_json_read(Conversion *c, Err *e);

/* Warns where numTraining is not the number of labels found. */
void task_json_compare(Conversion *c);

#endif
