/* Origins: own, foreign, and what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "origin.h"

static void
tells_own_from_foreign(void **state)
{
    (void)state;
    static const char list[] = "https://shop.example, http://localhost:8080,https://[::1]:8443";
    static const char *const own[] = {"https://shop.example",     "HTTPS://Shop.Example",
                                      "https://shop.example:443", "https://[::1]:8443",
                                      "http://localhost:8080",    "http://localhost:08080"};
    static const char *const foreign[] = {"https://shop.example.evil",
                                          "https://evil.shop.example",
                                          "https://shop.exampl",
                                          "https://shop.example:444",
                                          "https://shop.example:80",
                                          "https://shop.example:",
                                          "https://shop.example:443443443",
                                          "https://shop.example:+443",
                                          "https://shop.example/",
                                          "https://shop.example https://evil.example",
                                          "https://evil.example,https://shop.example",
                                          "https://user@shop.example",
                                          "https://shop.example#",
                                          "http://shop.example",
                                          "http://localhost",
                                          "http://localhost:80",
                                          "https://[::1]",
                                          "https://[::1",
                                          "shop.example",
                                          "null",
                                          "*",
                                          ""};
    assert_true(origins_allow(list, NULL)); /* no browser */
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        assert_true(origins_allow(list, own[i]));
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
        assert_false(origins_allow(list, foreign[i]));
        assert_true(origins_allow("*", foreign[i]));
    }
    assert_true(origins_allow("https://shop.example:443", "https://shop.example"));
    assert_true(origins_allow("http://shop.example:80", "http://shop.example"));
}

static void
judges_lists(void **state)
{
    (void)state;
    assert_true(origins_valid("*"));
    assert_true(origins_valid("https://a.example,http://[::1]:80"));
    assert_true(origins_valid("capacitor://localhost"));
    static const char *const wrong[] = {"",
                                        ",",
                                        "null",
                                        "a.example",
                                        "https://",
                                        "https://a/",
                                        "https://a:",
                                        "https://a:0",
                                        "https://a:65536",
                                        "https://a:8x",
                                        "https://a?b",
                                        "https://u@a",
                                        "*,https://a",
                                        "https://*.a",
                                        "https://a,b",
                                        "1a://a",
                                        "://a"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_false(origins_valid(wrong[i]));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_own_from_foreign),
        cmocka_unit_test(judges_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
