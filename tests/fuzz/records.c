/* The smaller files that programs leave for each other. The first letter of an input says which one follows, from
 * its third byte on: c cases.yaml, f fingerprint, g table of groups, i inference.yaml, m made_from, p properties of
 * a case, r predict.yaml, s summary.json. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "evaluation/compare.h"
#include "inference/configuration.h"
#include "inference/prediction_record_file.h"
#include "planner/case_groups.h"
#include "plans/dataset_cases.h"
#include "plans/fingerprint.h"
#include "preprocess/case.h"
#include "tests/fuzz/fuzz.h"

enum { SELECTOR = 2 };

static const char *put(const char *name, const uint8_t *data, size_t bytes)
{
    return fuzz_in_folder(name, data, bytes);
}

static bool use_cases(const uint8_t *data, size_t bytes)
{
    DatasetCases cases;
    Err e = {0};
    put("cases.yaml", data, bytes);
    if (!fuzz_done(dataset_cases_read(&cases, fuzz_folder(), &e), &e)) return false;
    FUZZ_EXPECT(!dataset_cases_write(&cases, fuzz_folder(), &e));
    dataset_cases_free(&cases);
    FUZZ_EXPECT(!dataset_cases_read(&cases, fuzz_folder(), &e));
    dataset_cases_free(&cases);
    return true;
}

static bool use_fingerprint(const uint8_t *data, size_t bytes)
{
    Fingerprint f, again;
    Err e = {0};
    if (!fuzz_done(fingerprint_read(&f, put("fingerprint.yaml", data, bytes), &e), &e)) return false;
    const char *path = put("fingerprint_again.yaml", data, 0);
    FUZZ_EXPECT(!fingerprint_write(&f, path, &e));
    if (fuzz_done(fingerprint_read(&again, path, &e), &e)) {
        FUZZ_EXPECT(again.case_count == f.case_count && again.channel_count == f.channel_count);
        fingerprint_free(&again);
    }
    fingerprint_free(&f);
    return true;
}

static bool use_groups(const uint8_t *data, size_t bytes)
{
    static char *names[] = {"a", "b", "c"};
    const NameList cases = {names, 3};
    CaseGroups groups;
    Text notes = {0};
    Err e = {0};
    const bool good = fuzz_done(case_groups_read(&groups, put("groups.csv", data, bytes), &cases, &notes, &e), &e);
    for (int i = 0; i < 3 && good; i++) FUZZ_EXPECT(groups.of[i][0]);
    case_groups_free(&groups);
    text_free(&notes);
    return good;
}

static bool use_configuration(const uint8_t *data, size_t bytes)
{
    Configuration c;
    Err e = {0};
    if (!fuzz_done(configuration_read(&c, put("inference.yaml", data, bytes), &e), &e)) return false;
    FUZZ_EXPECT(c.model_count > 0);
    fuzz_done(configuration_expect_results(&c, &e), &e);
    configuration_free(&c);
    return true;
}

static bool use_made_from(const uint8_t *data, size_t bytes)
{
    MadeFrom m, again, unpacked;
    Text differences = {0}, packed = {0};
    Err e = {0};
    if (!fuzz_done(made_from_read(&m, put("made_from.yaml", data, bytes), &e), &e)) return false;
    const char *path = put("made_from_again.yaml", data, 0);
    FUZZ_EXPECT(!made_from_write(&m, path, &e) && !made_from_read(&again, path, &e) && made_from_same(&m, &again));
    FUZZ_EXPECT(!made_from_differences(&differences, &m, &again, ""));
    made_from_pack(&packed, &m);
    FUZZ_EXPECT(!made_from_unpack(&unpacked, packed.data, packed.length, &e) && made_from_same(&m, &unpacked));
    text_free(&packed);
    text_free(&differences);
    made_from_free(&unpacked);
    made_from_free(&again);
    made_from_free(&m);
    return true;
}

static bool use_properties(const uint8_t *data, size_t bytes)
{
    CaseProperties p;
    CaseRecord record;
    Err e = {0};
    int64_t raw[3], crop[3];
    if (!fuzz_done(case_properties_read(&p, put("case.yaml", data, bytes), &record, &e), &e)) return false;
    case_raw_shape(&p, raw);
    case_crop_shape(&p, crop);
    for (int i = 0; i < 3; i++) FUZZ_EXPECT(raw[i] > 0 && crop[i] > 0 && p.shape[i] > 0);
    const char *path = put("case_again.yaml", data, 0);
    FUZZ_EXPECT(!case_properties_write(&p, path, &record, &e) && !case_properties_read(&p, path, NULL, &e));
    case_record_free(&record);
    return true;
}

static bool use_record(const uint8_t *data, size_t bytes)
{
    RecordContent c, again;
    const RecordContent none = {0};
    Err e = {0};
    if (!fuzz_done(record_content_read(&c, put("predict.yaml", data, bytes), &e), &e)) return false;
    const char *path = put("predict_again.yaml", data, 0);
    for (int i = 0; i < c.count; i++) FUZZ_EXPECT(record_content_find(&c, c.cases[i].id) != NULL);
    FUZZ_EXPECT(!record_content_write(&c, &none, path, &e) && !record_content_read(&again, path, &e));
    FUZZ_EXPECT(again.count == c.count);
    record_content_free(&again);
    record_content_free(&c);
    return true;
}

static bool use_summary(const uint8_t *data, size_t bytes)
{
    const char *path = put("compared.json", data, bytes), *paths[] = {path, path};
    Comparison c;
    Text table = {0};
    Err e = {0};
    if (!fuzz_done(comparison_read(&c, paths, 2, &e), &e)) return false;
    fuzz_done(comparison_add_table(&c, &table, &e), &e);
    text_free(&table);
    comparison_free(&c);
    return true;
}

static const struct {
    char letter;
    bool (*use)(const uint8_t *data, size_t bytes);
} kinds[] = {{'c', use_cases},     {'f', use_fingerprint}, {'g', use_groups}, {'i', use_configuration},
             {'m', use_made_from}, {'p', use_properties},  {'r', use_record}, {'s', use_summary}};

static bool run(const uint8_t *data, size_t bytes)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds && bytes >= SELECTOR; i++)
        if (data[0] == kinds[i].letter) return kinds[i].use(data + SELECTOR, bytes - SELECTOR);
    return false;
}

#define HASH "0123456789abcdef0123456789abcdef"
static const char fingerprint[] =
    "f\nforeground_intensity_properties_per_channel: {0: {max: 9, mean: 5, median: 5, min: 1, percentile_00_5: 1, "
    "percentile_99_5: 9, std: 2}}\nmedian_relative_size_after_cropping: 1\norientations: [RAS]\n"
    "shapes_after_crop: [[2, 3, 4]]\nspacings: [[1, 2, 0.5]]\n";
static const char properties[] =
    "p\nformat: 1\nspacing: [2, 1, 1]\ntranspose_forward: [0, 1, 2]\naxes_from: [0, 2, 1]\n"
    "axes_flipped: [true, false, false]\n"
    "shape_before_cropping: [3, 4, 5]\ncrop_first: [0, 1, 1]\ncrop_past: [3, 4, 5]\nshape: [3, 6, 8]\n"
    "made_from: {label: " HASH "}\ncontent: {image: " HASH "}\n";

static int seed_summary(const char *folder, Err *e)
{
    char *json;
    size_t bytes;
    Text text = {0};
    TRY(file_get("tests/golden/evaluation_summary.json", &json, &bytes, e));
    text_add(&text, "s\n%s", json);
    mem_free(json);
    int code = text_check(&text, e);
    if (!code) code = fuzz_seed_text(folder, "summary", text.data, e);
    text_free(&text);
    return code;
}

static int seed(const char *folder, Err *e)
{
    TRY(fuzz_seed_text(folder, "cases", "c\nformat: 1\ndataset: /d\noptions: --folds 3\ncases: [a, b]\nremoved: [c]\n",
                       e));
    TRY(fuzz_seed_text(folder, "fingerprint", fingerprint, e));
    TRY(fuzz_seed_text(folder, "groups", "g\ncase,group\na,1\nb;\"2\"\r\nc\t1\nd,3\n", e));
    TRY(fuzz_seed_text(
        folder, "inference",
        "i\nformat: 1\nmodels:\n  - {results: r, absolute: /r, folds: [0, all], made_from: {weights of fold 0: " HASH
        "}}\ncompared: [{results: r, absolute: /r}]\npostprocessing: [[1, 2], [1]]\ndice: 0.5\n",
        e));
    TRY(fuzz_seed_text(folder, "made_from", "m\nspacing: 1 1\nlabel: " HASH "\n\"a b\": \"\"\n", e));
    TRY(fuzz_seed_text(folder, "properties", properties, e));
    TRY(fuzz_seed_text(
        folder, "record",
        "r\nformat: 1\nmade_from: {folds: \"0,1\"}\nwarnings: [w]\ncases:\n"
        "  - {case: a, state: done, inputs: {a.nii: " HASH "}, outputs: {a.nii.gz: " HASH "}}\n"
        "  - {case: b, state: failed, error: why, warnings: [x]}\n  - {case: c, state: planned, begun: 1}\n",
        e));
    return seed_summary(folder, e);
}

const FuzzTarget fuzz_target_records = {"records", run, seed, NULL};
