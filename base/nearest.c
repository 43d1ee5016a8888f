#include "base/nearest.h"

#include <ctype.h>
#include <limits.h>
#include <string.h>

enum { NAME_LONGEST = 64 };

static int smallest(int a, int b, int c)
{
    const int least = a < b ? a : b;
    return least < c ? least : c;
}

/* With one row of the table. */
int name_distance(const char *a, const char *b)
{
    int row[NAME_LONGEST + 1];
    const int columns = (int)strnlen(b, NAME_LONGEST);
    for (int j = 0; j <= columns; j++) row[j] = j;
    for (int i = 0; a[i] && i < NAME_LONGEST; i++) {
        int diagonal = row[0];
        row[0] = i + 1;
        for (int j = 0; j < columns; j++) {
            const int above = row[j + 1];
            const int change = tolower((unsigned char)a[i]) != tolower((unsigned char)b[j]);
            row[j + 1] = smallest(above + 1, row[j] + 1, diagonal + change);
            diagonal = above;
        }
    }
    return row[columns];
}

bool name_is_near(const char *word, const char *name)
{
    const int letters = (int)strnlen(name, NAME_LONGEST);
    return name_distance(word, name) <= (letters > 3 ? letters / 3 : 1);
}

const char *name_nearest(const char *word, const char *const *names)
{
    const char *nearest = NULL;
    for (int least = INT_MAX; *names; names++) {
        const int distance = name_distance(word, *names);
        if (distance >= least) continue;
        least = distance;
        nearest = *names;
    }
    return nearest;
}
