/* Error texts that are longer than the buffer: they are shortened visibly, never inside a character, and the reason is
 * kept. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/text.h"
#include "tests/support/says.h"

enum { LONG = 3000 };

/* One byte and then two-byte characters, from every start: so the text is cut at each position in a character. */
static const char *umlauts(int odd)
{
    static char text[LONG + 4];
    memset(text, 'x', (size_t)odd);
    for (int i = odd; i + 1 < LONG; i += 2) memcpy(text + i, "\xc3\xa4", 3);
    return text;
}

static void assert_cut(const Err *e)
{
    const size_t length = strlen(e->text);
    assert_true(length > sizeof e->text - 8 && length < sizeof e->text);
    assert_true(text_is_utf8(e->text, length));
    assert_says(e, "…");
}

static void a_long_text_shows_that_it_was_cut(void **state)
{
    (void)state;
    for (int odd = 0; odd < 4; odd++) {
        Err e = {0};
        assert_int_equal(err_set(&e, ERR_VALUE, "%s", umlauts(odd)), ERR_VALUE);
        assert_cut(&e);
        assert_int_equal(err_context(&e, "case %s", umlauts(odd)), ERR_VALUE);
        assert_cut(&e);
        assert_int_equal(err_errno(&e, ENOSPC, "%s", umlauts(odd)), ERR_IO);
        assert_cut(&e);
        assert_says(&e, "…: No space left on device");
    }
}

static void a_text_that_fits_is_whole(void **state)
{
    (void)state;
    Err e = {0};
    for (int length = 1018; length < 1024; length++) {
        err_set(&e, ERR_VALUE, "%.*s", length, umlauts(length % 2));
        assert_int_equal(strlen(e.text), length);
        assert_null(strstr(e.text, "…"));
    }
    err_set(&e, ERR_FORMAT, "inner");
    assert_int_equal(err_context(&e, "outer %d", 7), ERR_FORMAT);
    assert_string_equal(e.text, "outer 7: inner");
    assert_int_equal(err_errno(&e, ENOENT, "name"), ERR_IO);
    assert_string_equal(e.text, "name: No such file or directory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_long_text_shows_that_it_was_cut),
        cmocka_unit_test(a_text_that_fits_is_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
