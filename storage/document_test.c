/* Ids among ObjectIds: the first one that sorts after a text; and a document read back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "document.h"

static void
test_the_next_object_id(void **state)
{
    static const char *const cases[][2] = {
        {"", "000000000000000000000000"},
        {"5", "500000000000000000000000"},
        {"5f0c1e2d3b4a596877665544", "5f0c1e2d3b4a596877665545"},
        {"5f0c1e2d3b4a59687766554", "5f0c1e2d3b4a596877665540"},
        {"5f0c1e2d3b4a5968776655ff", "5f0c1e2d3b4a596877665600"},
        {"5f0c1e2d3b4a596877665544-more", "5f0c1e2d3b4a596877665545"},
        {"5F0C1E2D3B4A596877665544", "5a0000000000000000000000"},
        {"-", "000000000000000000000000"},
        {"_", "a00000000000000000000000"},
        {"9z", "a00000000000000000000000"},
        {"1fg", "200000000000000000000000"},
        {"lot-1", NULL},
        {"fz", NULL},
        {"ffffffffffffffffffffffff", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[OBJECT_ID_BYTES];
        bool found = document_object_id_after(cases[i][0], text);
        assert_int_equal(found, cases[i][1] != NULL);
        if (found)
            assert_string_equal(text, cases[i][1]);
    }
}

/* Against every ObjectId of a few digits: none that sorts after a text is passed over. */
static void
test_against_all(void **state)
{
    static const char alphabet[] = "-0159AF_afz";
    (void)state;
    for (int i = 0; i < 11 * 11 * 11; i++) {
        char after[4] = {alphabet[i % 11], alphabet[i / 11 % 11], alphabet[i / 121]};
        char expected[OBJECT_ID_BYTES] = "", text[OBJECT_ID_BYTES];
        for (int j = 0; j < 4096 && !*expected; j++) {
            snprintf(text, sizeof text, "%03x000000000000000000000", (unsigned)j);
            if (strcmp(text, after) > 0)
                strcpy(expected, text);
        }
        assert_int_equal(document_object_id_after(after, text), *expected != 0);
        if (*expected)
            assert_string_equal(text, expected);
    }
}

/* What is not known of a minute is not complete. */
static void
test_complete_without_figures(void **state)
{
    struct snapshot snapshot = {.auction = "lot-1", .timestamp_ms = 60000, .sample_count = 12};
    (void)state;
    for (int exact = 0; exact < 2; exact++) {
        bson_t document = BSON_INITIALIZER;
        struct snapshot read;
        snapshot.exact = exact;
        snapshot.complete = exact;
        document_add_key(&document, &snapshot);
        document_add_figures(&document, &snapshot);
        BSON_APPEND_BOOL(&document, "complete", true);
        assert_true(document_read_snapshot(&document, &read));
        assert_int_equal(read.exact, exact);
        assert_int_equal(read.complete, exact);
        assert_string_equal(read.auction, "lot-1");
        bson_destroy(&document);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_next_object_id),
        cmocka_unit_test(test_against_all),
        cmocka_unit_test(test_complete_without_figures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
