/* Conversion: a public dataset, as it is downloaded and unpacked, becomes a raw dataset folder in nnU-Net's format.
 *
 * A source is one file: it lists the items of the input folder (find), and writes the files of one item (write),
 * which is called from several threads. The rest is the same for all: faults of names are found before anything is
 * written, faults of contents while it is written, all of them in one run; the output exists only if there were none.
 *   Conversion c = {.source = …, .in = …, .out = …};
 *   code = conversion_find(&c, e);
 *   if (!code) code = conversion_write(&c, progress, e);      // faults are in c.faults, also on failure
 *   conversion_free(&c); */
#ifndef CONVERT_CONVERSION_H
#define CONVERT_CONVERSION_H

#include "base/progress.h"
#include "data/faults.h"
#include "formats/yaml.h"
#include "plans/dataset_json.h"
#include "plans/splits.h"

/* In the description in dataset.json, with the source and its options behind it: what --overwrite may replace. */
#define CONVERSION_MARK "made by convert_dataset "

typedef enum ConversionOption { CONVERT_BOUNDARY_WIDTH = 1, CONVERT_SHRINK = 2 } ConversionOption;

typedef struct ConversionItem {
    char *id;         /* name of the case */
    const char *part; /* ending of the folders' names: "Tr", "Ts", "Val" */
    int group;        /* what folds keep together (conversion_add_fold) */
    char *image;      /* path in the input; NULL: none */
    char *label;      /* likewise; of some sources a folder of masks */
} ConversionItem;

typedef struct Conversion Conversion;

typedef struct ConversionSource {
    const char *name;  /* on the command line */
    const char *about; /* a line for --help */
    unsigned takes;    /* ConversionOption */
    /* Adds the items, the folds, and the content of dataset.json (all but numTraining). Faults of names go to
     * c->faults. Fails where nothing can be listed. */
    int (*find)(Conversion *c, Err *e);
    int (*write)(const Conversion *c, const ConversionItem *item, Err *e);
} ConversionSource;

struct Conversion {
    const ConversionSource *source;
    const char *in, *out; /* borrowed */
    bool overwrite;
    int boundary_width, shrink;

    const char *fresh; /* the folder that is being filled; borrowed */
    ConversionItem *items;
    int count;
    DatasetInfo info;  /* its strings: literals, in doc, or the description */
    Doc doc;           /* the source's own dataset.json */
    char *description; /* owned; NULL: info.description is a literal */
    Splits splits;     /* count 0: no file of splits */
    FaultList faults;
    Text told; /* lines: what was left out, and what was written */
};

extern const ConversionSource source_amos_mri, source_endovis17, source_neurips_cell, source_msd, source_nnunet_v1,
    source_instances;

/* Lists the items. Writes nothing. Fails: ERR_VALUE where the output exists (and is no dataset, or is not to be
 * overwritten), and for faults; as the source's find. */
int conversion_find(Conversion *c, Err *e);

/* Writes all of it. Fails: ERR_VALUE for faults; as the source's write; ERR_INTERRUPTED. The output is then as it was. */
int conversion_write(Conversion *c, Progress *progress, Err *e);
void conversion_free(Conversion *c);

/* ---- for sources ---- */

/* Adds an item; image and label are owned by it from then on, also on failure. Either may be NULL. */
int conversion_add(Conversion *c, const char *part, int group, const char *id, char *image, char *label, Err *e);

/* Images of a folder and their labels in another one. */
typedef struct ImagePairs {
    const char *images, *labels; /* folders; labels NULL: images alone */
    const char *label_suffix;    /* of a label's name, before its ending: "" or "_label" */
    const char *part;
    int group;
    int (*takes)(const char *id); /* 1: taken; 0: passed over; -1: not a name of this dataset. NULL: all are taken */
    const char *form;             /* of names, where `takes` returns -1 */
    int *passed_over;             /* images that were passed over are added; NULL: nothing is */
} ImagePairs;

/* Adds an item for each image. Adds to faults: images without a label, labels without an image, two images of one
 * name, files that are no images (a warning). Fails: ERR_IO, ERR_NOMEM. */
int conversion_add_pairs(Conversion *c, const ImagePairs *p, Err *e);

/* Adds a fold: training items of these groups are validated, all others trained on. Fails: ERR_NOMEM. */
int conversion_add_fold(Conversion *c, const int *groups, int count, Err *e);

/* Sets *path to FOLDER/NAME, owned by the caller, if that is a folder, else to NULL. Fails: ERR_IO, ERR_NOMEM. */
int conversion_find_folder(char **path, const char *folder, const char *name, Err *e);

/* The same, where the folder must exist. `expected` tells what IN should be, for the message. Fails: ERR_VALUE too. */
int conversion_need_folder(char **path, const Conversion *c, const char *name, const char *expected, Err *e);

/* OUT's KINDPART/ID+SUFFIX, owned by the caller; makes the folder. kind: "images", "labels", "instances". NULL with e
 * filled on failure. */
char *conversion_target(const Conversion *c, const char *kind, const ConversionItem *item, const char *suffix, Err *e);

/* Copies the item's image to imagesPART/ID+SUFFIX. */
int conversion_copy_image(const Conversion *c, const ConversionItem *item, const char *suffix, Err *e);

#endif
