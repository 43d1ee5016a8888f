#include "pictures/label_colors.h"

static const Color colors[LABEL_COLORS] = {
    {132, 255, 175}, {233, 81, 255}, {255, 99, 4},    {248, 188, 255}, {179, 250, 2}, {222, 122, 99}, {198, 121, 210},
    {245, 176, 97},  {58, 86, 119},  {43, 24, 251},   {120, 16, 193},  {117, 68, 26}, {203, 25, 153}, {120, 95, 70},
    {246, 229, 96},  {15, 180, 29},  {129, 198, 145}, {190, 38, 251},  {157, 83, 16}, {149, 11, 162},
};

Color label_color(int label) { return colors[(label - 1) % LABEL_COLORS]; }

int label_dash(int label)
{
    const int round = (label - 1) / LABEL_COLORS;
    return round < 1 ? 0 : 4 << (round < 4 ? round - 1 : 3);
}

bool label_gap(int label, int x, int y)
{
    const int dash = label_dash(label);
    return dash && (x + 2 * y) / dash % 2; /* so that lines of each common direction have gaps */
}

void label_swatch(Canvas *c, int x, int y, int size, int label)
{
    for (int i = 0; i < size; i++)
        for (int k = 0; k < size; k++) {
            const bool border = i < 2 || k < 2 || i >= size - 2 || k >= size - 2;
            canvas_blend(c, x + k, y + i, border && !label_gap(label, k, i) ? 1 : LABEL_FILL, label_color(label));
        }
}
