/* trainer/pseudo_dice: classes that say nothing, and what is printed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <math.h>

#include "trainer/pseudo_dice.h"

static void classes_that_no_case_shows_are_left_out(void **state)
{
    (void)state;
    static const float logits[] = {0, 9, 0, 0, /**/ 0, 0, 9, 0};
    static const int16_t labels[] = {1, 1};  /* predicted: 1, 2; nothing of 3 */
    PseudoDice d;
    Text text = {0};
    assert_int_equal(pseudo_dice_new(&d, 4, NULL, NULL), 0);
    pseudo_dice_add(&d, logits, labels, 2, -1);
    assert_true(pseudo_dice_of(&d, 2) == 0);
    assert_true(fabs(pseudo_dice_mean(&d) - (2.0 / 3 + 0) / 2) < 1e-15);
    pseudo_dice_leave_out(&d, 2);
    assert_true(isnan(pseudo_dice_of(&d, 2)));
    assert_true(fabs(pseudo_dice_mean(&d) - 2.0 / 3) < 1e-15);
    pseudo_dice_text(&d, 3, &text);
    assert_string_equal(text.data, " 0.667 – –");
    pseudo_dice_clear(&d);
    assert_true(isnan(pseudo_dice_mean(&d)));
    pseudo_dice_free(&d);
    text_free(&text);
}

static void many_classes_are_summed_up(void **state)
{
    (void)state;
    enum { CLASSES = 105 };
    PseudoDice d;
    Text text = {0};
    assert_int_equal(pseudo_dice_new(&d, CLASSES, NULL, NULL), 0);
    for (int k = 1; k < CLASSES - 1; k++) d.counts[k] = (ClassCounts){50, 0, k == 7 || k == 90 ? 100 : 0};
    d.counts[40] = (ClassCounts){0, 1, 1};
    pseudo_dice_summary(&d, &text); /* 104 has none */
    assert_string_equal(text.data, " of 104 classes: mean 0.981, worst 40: 0.000, 7: 0.500, 90: 0.500, 1: 1.000, 2: 1.000");
    pseudo_dice_free(&d);
    text_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classes_that_no_case_shows_are_left_out),
        cmocka_unit_test(many_classes_are_summed_up),
    };
    return cmocka_run_group_tests_name("pseudo_dice", tests, NULL, NULL);
}
