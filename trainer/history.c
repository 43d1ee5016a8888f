#include "trainer/history.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

#define EARLIER_COLUMNS "epoch,learning_rate,train_loss,val_loss,pseudo_dice,ema_pseudo_dice,seconds"
static const char EARLIER_HEADER[] = EARLIER_COLUMNS "\n", HEADER[] = EARLIER_COLUMNS ",cpu_seconds\n";

static int append(History *h, const EpochRecord *record, Err *e)
{
    if (h->count == h->capacity) {
        const int capacity = h->capacity ? 2 * h->capacity : 64;
        void *block = h->records;
        TRY(mem_grow(&block, (size_t)h->count * sizeof *record, (size_t)capacity * sizeof *record, e));
        h->records = block;
        h->capacity = capacity;
    }
    h->records[h->count++] = *record;
    return 0;
}

int history_add(History *h, EpochRecord record, Err *e)
{
    const double dice = record.pseudo_dice, before = h->count ? h->records[h->count - 1].ema_pseudo_dice : NAN;
    record.ema_pseudo_dice = isnan(before) ? dice : isnan(dice) ? before : 0.9 * before + 0.1 * dice;
    return append(h, &record, e);
}

void history_text(const History *h, Text *t)
{
    text_add(t, "%s", HEADER);
    for (int i = 0; i < h->count; i++) {
        const EpochRecord *r = &h->records[i];
        const double values[] = {r->learning_rate,   r->train_loss, r->val_loss,   r->pseudo_dice,
                                 r->ema_pseudo_dice, r->seconds,    r->cpu_seconds};
        text_add(t, "%d", r->epoch);
        for (size_t k = 0; k < sizeof values / sizeof values[0]; k++) {
            text_add(t, ",");
            text_add_double(t, values[k]);
        }
        text_add(t, "\n");
    }
}

/* has_cpu: the last column is there. */
static const char *parse_record(EpochRecord *r, const char *line, bool has_cpu)
{
    double *const values[] = {&r->learning_rate,   &r->train_loss, &r->val_loss,   &r->pseudo_dice,
                              &r->ema_pseudo_dice, &r->seconds,    &r->cpu_seconds};
    const size_t columns = sizeof values / sizeof values[0] - !has_cpu;
    char *end;
    r->epoch = (int)strtol(line, &end, 10);
    r->cpu_seconds = NAN;
    for (size_t k = 0; k < columns; k++) {
        if (*end != ',') return NULL;
        *values[k] = strtod(end + 1, &end);
    }
    return *end == '\n' ? end + 1 : NULL;
}

int history_parse(History *h, const char *text, Err *e)
{
    const bool has_cpu = !strncmp(text, HEADER, strlen(HEADER));
    if (!has_cpu && strncmp(text, EARLIER_HEADER, strlen(EARLIER_HEADER)))
        return err_set(e, ERR_FORMAT, "curves: expected the header %s", HEADER);
    const char *line = text + strlen(has_cpu ? HEADER : EARLIER_HEADER);
    while (*line) {
        EpochRecord record;
        line = parse_record(&record, line, has_cpu);
        if (!line) return err_set(e, ERR_FORMAT, "curves: record %d cannot be read", h->count);
        TRY(append(h, &record, e));
    }
    return 0;
}

void history_free(History *h)
{
    mem_free(h->records);
    *h = (History){0};
}
