/* trainer/pseudo_dice: classes that are not counted, and the printed text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <math.h>

#include "trainer/pseudo_dice.h"

static void classes_that_no_case_shows_are_left_out(void **state)
{
    (void)state;
    /* two images, whose pixels have the label 1; predicted: 1 and 2; nothing of 3 */
    static const float counts[] = {0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /**/ 0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0};
    PseudoDice d;
    Text text = {0};
    assert_int_equal(pseudo_dice_new(&d, 4, PSEUDO_DICE_LABELS, NULL), 0);
    pseudo_dice_add(&d, counts, 2);
    assert_true(pseudo_dice_of(&d, 2) == 0);
    assert_true(fabs(pseudo_dice_mean(&d) - (2.0 / 3 + 0) / 2) < 1e-15);
    pseudo_dice_leave_out(&d, 2);
    assert_true(isnan(pseudo_dice_of(&d, 2)));
    assert_true(fabs(pseudo_dice_mean(&d) - 2.0 / 3) < 1e-15);
    pseudo_dice_text(&d, 0.5, &text);
    assert_string_equal(text.data, ", pseudo Dice 0.6667 – –, mean 0.6667, EMA 0.5000");
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
    assert_int_equal(pseudo_dice_new(&d, CLASSES, PSEUDO_DICE_LABELS, NULL), 0);
    for (int k = 1; k < CLASSES - 1; k++) d.counts[k] = (ClassCounts){50, 0, k == 7 || k == 90 ? 100 : 0};
    d.counts[40] = (ClassCounts){0, 1, 1};
    pseudo_dice_summary(&d, NAN, &text); /* 104 has none */
    assert_string_equal(text.data, ", pseudo Dice of 104 classes: mean 0.981, worst 40: 0.000, 7: 0.500, 90: 0.500, "
                                   "1: 1.000, 2: 1.000, EMA –");
    pseudo_dice_free(&d);
    text_free(&text);
}

static void images_have_an_accuracy(void **state)
{
    (void)state;
    static const float counts[] = {1, 0, 0, 1, 0, 1}; /* of two classes: one image right, one taken for the other */
    PseudoDice d;
    Text text = {0};
    assert_int_equal(pseudo_dice_new(&d, 2, PSEUDO_DICE_IMAGES, NULL), 0);
    assert_true(isnan(pseudo_dice_mean(&d)));
    pseudo_dice_add(&d, counts, 1);
    pseudo_dice_text(&d, 0.75, &text);
    pseudo_dice_summary(&d, 0.75, &text);
    assert_string_equal(text.data, ", accuracy 0.5000, EMA 0.7500, accuracy 0.500, EMA 0.750");
    pseudo_dice_free(&d);
    text_free(&text);
    pseudo_dice_text(&d, 0, &text); /* nothing is counted */
    assert_int_equal(text.length, 0);
}

static void regions_are_numbered_from_1_as_labels_are(void **state)
{
    (void)state;
    enum { REGIONS = 11 };
    PseudoDice d;
    Text text = {0};
    assert_int_equal(pseudo_dice_new(&d, REGIONS, PSEUDO_DICE_REGIONS, NULL), 0);
    for (int k = 0; k < REGIONS; k++) d.counts[k] = (ClassCounts){50, 0, k ? 0 : 100};
    assert_int_equal(pseudo_dice_number(&d, pseudo_dice_first(&d)), 1);
    pseudo_dice_summary(&d, 0.25, &text);
    assert_string_equal(text.data, ", pseudo Dice of 11 classes: mean 0.955, worst 1: 0.500, 2: 1.000, 3: 1.000, "
                                   "4: 1.000, 5: 1.000, EMA 0.250");
    pseudo_dice_free(&d);
    text_free(&text);
    assert_int_equal(pseudo_dice_new(&d, REGIONS, PSEUDO_DICE_LABELS, NULL), 0);
    assert_int_equal(pseudo_dice_number(&d, pseudo_dice_first(&d)), 1);
    pseudo_dice_free(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classes_that_no_case_shows_are_left_out),
        cmocka_unit_test(many_classes_are_summed_up),
        cmocka_unit_test(images_have_an_accuracy),
        cmocka_unit_test(regions_are_numbered_from_1_as_labels_are),
    };
    return cmocka_run_group_tests_name("pseudo_dice", tests, NULL, NULL);
}
