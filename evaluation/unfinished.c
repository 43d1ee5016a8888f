#include "evaluation/unfinished.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "formats/yaml.h"

static int by_id(const void *id, const void *c) { return strcmp(id, ((const CaseResult *)c)->id); }

static int note_case(Summary *s, bool *named, const DocNode *recorded, Err *e)
{
    const char *id, *state;
    const DocNode *name = doc_find(recorded, "case"), *how = doc_find(recorded, "state");
    if (!name || !how) return doc_error(recorded, e, "expected a case with its state");
    TRY(doc_get_string(name, &id, e));
    TRY(doc_get_string(how, &state, e));
    CaseResult *c = bsearch(id, s->cases, (size_t)s->case_count, sizeof *s->cases, by_id);
    if (!c) return 0;
    named[c - s->cases] = true;
    if (strcmp(state, "done"))
        case_note(c,
                  "predict did not finish this case (it is '%s' in predict.yaml): the prediction may be an earlier one",
                  state);
    return 0;
}

static int note_cases(Summary *s, const DocNode *cases, Err *e)
{
    bool *named = mem_zalloc((size_t)s->case_count + 1, sizeof *named, e);
    int code = named ? 0 : ERR_NOMEM;
    for (const DocNode *one = cases->first; one && !code; one = one->next) code = note_case(s, named, one, e);
    for (int i = 0; i < s->case_count && !code; i++)
        if (!named[i])
            case_note(&s->cases[i], "predict.yaml does not name this case: the prediction may be an earlier model's");
    mem_free(named);
    return code;
}

int unfinished_note(Summary *s, const char *predictions, Err *e)
{
    Doc doc = {0};
    bool there;
    TRY(folder_is_there(predictions, &there, e));
    if (!there) return 0;
    char *path = path_format(e, "%s/predict.yaml", predictions);
    int code = path ? file_is_there(path, &there, e) : ERR_NOMEM;
    if (!code && there) {
        code = doc_read(&doc, path, e);
        const DocNode *cases = code ? NULL : doc_find(doc.root, "cases");
        if (!code && (!cases || cases->kind != DOC_SEQUENCE))
            code = doc_error(doc.root, e, "no cases: expected a predict.yaml of predict");
        if (!code) code = note_cases(s, cases, e);
        doc_free(&doc);
    }
    mem_free(path);
    return code;
}
