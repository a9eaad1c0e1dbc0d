/* The table that embed.py makes: every file found by name, typed, tagged and whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "embedded.h"

static void
finds_every_file(void **state)
{
    (void)state;
    assert_true(web_files.count >= 2);
    for (size_t i = 0; i < web_files.count; i++)
        assert_ptr_equal(embedded_find(&web_files, web_files.files[i].name),
                         &web_files.files[i]);
    assert_null(embedded_find(&web_files, "pages/../embed.py"));
    assert_null(embedded_find(&web_files, ""));
}

static void
pages_are_whole_html(void **state)
{
    (void)state;
    const struct embedded_file *page = embedded_find(&web_files, "pages/index.html");
    assert_non_null(page);
    assert_string_equal(page->type, "text/html; charset=utf-8");
    assert_int_equal(strlen(page->etag), 34);
    assert_memory_equal(page->bytes, "<!doctype html>", 15);
    assert_non_null(memmem(page->bytes, page->length, "</html>", 7));
}

static void
the_chart_library_is_there(void **state)
{
    (void)state;
    const struct embedded_file *script = embedded_find(&web_files, "assets/chart.min.js");
    assert_non_null(script);
    assert_string_equal(script->type, "text/javascript; charset=utf-8");
    assert_non_null(memmem(script->bytes, script->length, "Chart.js v", 10));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_every_file),
        cmocka_unit_test(pages_are_whole_html),
        cmocka_unit_test(the_chart_library_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
