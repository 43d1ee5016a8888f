/* PyTorch files (.pth, .pt), read without executing anything and written so that torch.load opens them.
 *
 * Source: torch/serialization.py. Reads the zip format and the legacy one before it (magic number,
 * protocol, system, object, keys, storages); storages of any device. Checked when opened: the archive and
 * its checksums, every tensor within its storage, every storage in the file with the right length.
 * Lifecycle: pth_open, look up, pth_close; or pth_read_weights for the weights alone. Values belong to the
 * Pth and view the mapped file. */
#ifndef WEIGHTS_PTH_H
#define WEIGHTS_PTH_H

#include <stddef.h>

#include "base/array.h"
#include "base/error.h"
#include "weights/pickle.h"
#include "weights/weights.h"

typedef struct Pth {
    Pickle pickle;    /* pickle.root: what was saved; look up with value_get and value_at */
    const char *data; /* the file */
    size_t bytes;
    bool mapped; /* by pth_open: pth_close unmaps it */
} Pth;

/* Fails with the file's name: ERR_IO; ERR_FORMAT; ERR_UNSUPPORTED (a call that no file of weights needs,
 * compressed entries, big-endian numbers); ERR_NOMEM. On failure nothing is owned. */
int pth_open(Pth *p, const char *path, Err *e);

/* As pth_open, from memory that the caller keeps as long as the Pth. */
int pth_parse(Pth *p, const char *data, size_t bytes, Err *e);
void pth_close(Pth *p);

/* The numbers of a VALUE_TENSOR, row-major: a read-only view into the file (valid until pth_close; perhaps not aligned for
 * the type) or, where they are strided, a copy on the heap. The caller frees with array_free. Fails: ERR_VALUE
 * for another kind; ERR_NOMEM. */
int pth_array(const Value *tensor, Array *out, Err *e);

/* The weights of a file: the tensors of the dictionary `network_weights` (nnU-Net's checkpoint), else `model`, else
 * `state_dict`, else of the whole file, in their order. Notes: the entries of the outermost dictionary that are
 * texts, numbers, truth values, or lists and dictionaries of these (as JSON): current_epoch, trainer_name,
 * init_args … Arrays view what p views. The caller closes w with weights_close. Fails: ERR_FORMAT where there is no
 * tensor; ERR_VALUE for a NaN or an infinity; ERR_NOMEM. On failure nothing is owned. */
int pth_weights(WeightsFile *w, const Pth *p, Err *e);

/* pth_open and pth_weights; the WeightsFile then owns the mapping. */
int pth_read_weights(WeightsFile *w, const char *path, Err *e);

/* Writes the tensors as one state dict (zip format, pickle protocol 2; torch.load(weights_only=True) opens it),
 * atomically and without a copy of the numbers; tensors that view the same numbers share them in the file, too. With
 * `under`: {under: state dict, key: note …}, "network_weights" in nnU-Net's files, "model" in VMamba's; notes that are numbers,
 * lists … in the form of pth_weights are stored as such. under NULL: the notes are beside the tensors. Fails: ERR_IO; ERR_UNSUPPORTED for a type that
 * such files do not have (uint16, 32, 64); ERR_FORMAT for a name that occurs twice; ERR_NOMEM. */
int pth_write_weights(const WeightsFile *w, const char *under, const char *path, Err *e);

#endif
