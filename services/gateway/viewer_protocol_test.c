/* The native endpoint's text: each refusal, the responses, the frames. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "viewer_protocol.h"

#define LONG_ID "0123456789012345678901234567890123456789012345678901234567890123"

static struct viewer_request
make_request(const char *argument)
{
    return (struct viewer_request){.get = true,
                                   .path = "/ws",
                                   .arguments = {argument},
                                   .argument_count = argument != NULL,
                                   .upgrade = true,
                                   .websocket = true,
                                   .connection = true,
                                   .key = "dGhlIHNhbXBsZSBub25jZQ==",
                                   .version = "13"};
}

static enum viewer_verdict
check(const struct viewer_request *request, const char *origins)
{
    char auction[AUCTION_BYTES] = "untouched";
    enum viewer_verdict verdict = viewer_request_check(request, origins, auction);
    if (verdict != VIEWER_ADMIT)
        assert_string_equal(auction, "untouched");
    return verdict;
}

static void
admits_an_auction(void **state)
{
    (void)state;
    char auction[AUCTION_BYTES];
    struct viewer_request request = make_request("auction=" LONG_ID);
    request.arguments[request.argument_count++] = "token=x&y";
    assert_int_equal(viewer_request_check(&request, "*", auction), VIEWER_ADMIT);
    assert_string_equal(auction, LONG_ID);
}

static void
refuses_bad_auctions(void **state)
{
    (void)state;
    static const struct {
        const char *argument;
        enum viewer_verdict verdict;
    } cases[] = {
        {NULL, VIEWER_AUCTION_MISSING},
        {"auctions=a", VIEWER_AUCTION_MISSING},
        {"auction", VIEWER_AUCTION_MISSING},
        {"auction=", VIEWER_AUCTION_INVALID},
        {"auction=a b", VIEWER_AUCTION_INVALID},
        {"auction=a/b", VIEWER_AUCTION_INVALID},
        {"auction=\"", VIEWER_AUCTION_INVALID},
        {"auction=" LONG_ID "4", VIEWER_AUCTION_INVALID},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct viewer_request request = make_request(cases[i].argument);
        assert_int_equal(check(&request, "*"), cases[i].verdict);
    }
    struct viewer_request doubled = make_request("auction=a");
    doubled.arguments[doubled.argument_count++] = "auction=a";
    assert_int_equal(check(&doubled, "*"), VIEWER_QUERY);
    struct viewer_request over = make_request("auction=a");
    over.arguments_over = true;
    assert_int_equal(check(&over, "*"), VIEWER_QUERY);
}

static void
refuses_bad_handshakes(void **state)
{
    (void)state;
    struct viewer_request request = make_request("auction=a");
    request.version = "8";
    assert_int_equal(check(&request, "*"), VIEWER_HANDSHAKE);
    request = make_request("auction=a");
    request.key = NULL;
    assert_int_equal(check(&request, "*"), VIEWER_HANDSHAKE);
    request = make_request("auction=a");
    request.connection = false;
    assert_int_equal(check(&request, "*"), VIEWER_HANDSHAKE);
    request = make_request("auction=a");
    request.protocols = "chat";
    assert_int_equal(check(&request, "*"), VIEWER_HANDSHAKE);
    request = make_request("auction=a");
    request.websocket = false;
    assert_int_equal(check(&request, "*"), VIEWER_HANDSHAKE);
    request = make_request("auction=a");
    request.old = true;
    assert_int_equal(check(&request, "*"), VIEWER_HANDSHAKE);
    request = make_request("auction=a");
    request.body = true;
    assert_int_equal(check(&request, "*"), VIEWER_REQUEST);
}

static void
serves_plain_requests(void **state)
{
    (void)state;
    struct viewer_request request = {.get = true, .path = "/ws"};
    assert_int_equal(check(&request, "*"), VIEWER_UPGRADE);
    request.path = "/healthz";
    assert_int_equal(check(&request, "*"), VIEWER_HEALTHZ);
    request.path = "/readyz";
    assert_int_equal(check(&request, "*"), VIEWER_READYZ);
    request.path = "/ws/";
    assert_int_equal(check(&request, "*"), VIEWER_NOT_FOUND);
    request = (struct viewer_request){.get = false, .path = "/ws"};
    assert_int_equal(check(&request, "*"), VIEWER_METHOD);
}

static void
refuses_foreign_origins(void **state)
{
    (void)state;
    struct viewer_request request = make_request("auction=a");
    assert_int_equal(check(&request, "https://shop.example"), VIEWER_ADMIT);
    request.origin = "https://shop.example:443";
    assert_int_equal(check(&request, "https://shop.example"), VIEWER_ADMIT);
    request.origin = "null";
    assert_int_equal(check(&request, "https://shop.example"), VIEWER_ORIGIN);
}

static void
check_response(enum viewer_verdict verdict, unsigned status)
{
    char response[RESPONSE_BYTES], line[32];
    size_t length = viewer_response(verdict, true, response);
    assert_int_equal(length, strlen(response));
    snprintf(line, sizeof line, "HTTP/1.1 %u ", status);
    assert_memory_equal(response, line, strlen(line));
    const char *body = strstr(response, "\r\n\r\n") + 4;
    char header[64];
    snprintf(header, sizeof header, "\r\nContent-Length: %zu\r\n", strlen(body));
    assert_non_null(strstr(response, header));
    if (status == 200)
        return;
    json_t *json = json_loads(body, 0, NULL);
    assert_true(json_is_false(json_object_get(json, "success")));
    json_t *error = json_object_get(json, "error");
    assert_true(json_string_length(json_object_get(error, "code")) > 0);
    assert_true(json_string_length(json_object_get(error, "message")) > 0);
    json_decref(json);
}

static void
answers_every_verdict(void **state)
{
    (void)state;
    static const unsigned statuses[VIEWER_VERDICTS] = {
        [VIEWER_HEALTHZ] = 200,         [VIEWER_READYZ] = 200,  [VIEWER_NOT_FOUND] = 404,
        [VIEWER_METHOD] = 405,          [VIEWER_UPGRADE] = 426, [VIEWER_HANDSHAKE] = 400,
        [VIEWER_AUCTION_MISSING] = 400, [VIEWER_QUERY] = 400,   [VIEWER_FULL] = 503,
        [VIEWER_AUCTION_INVALID] = 400, [VIEWER_ORIGIN] = 403,  [VIEWER_LEAVING] = 503,
        [VIEWER_REQUEST] = 400,         [VIEWER_TARGET] = 414,  [VIEWER_HEADERS] = 431,
        [VIEWER_VERSION] = 505,         [VIEWER_ADDRESS] = 429, [VIEWER_AUCTIONS] = 503,
    };
    for (int verdict = VIEWER_ADMIT + 1; verdict < VIEWER_VERDICTS; verdict++)
        check_response((enum viewer_verdict)verdict, statuses[verdict]);
    char response[RESPONSE_BYTES];
    viewer_response(VIEWER_READYZ, false, response);
    assert_non_null(strstr(response, "503"));
}

static void
accepts_as_the_rfc_does(void **state)
{
    (void)state;
    char response[RESPONSE_BYTES];
    size_t length = viewer_accept("dGhlIHNhbXBsZSBub25jZQ==", response);
    assert_int_equal(length, strlen(response));
    assert_non_null(
        strstr(response, "\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
    assert_string_equal(response + length - 4, "\r\n\r\n");
}

static void
makes_frames(void **state)
{
    (void)state;
    char frame[FRAME_BYTES];
    size_t length = viewer_frame("lot-1", 475, frame);
    assert_string_equal(
        frame, "{\"event\":\"viewerCountUpdate\",\"auction\":\"lot-1\",\"count\":475}");
    assert_int_equal(length, strlen(frame));
    assert_true(viewer_frame(LONG_ID, UINT64_MAX, frame) < FRAME_BYTES);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(admits_an_auction),       cmocka_unit_test(refuses_bad_auctions),
        cmocka_unit_test(refuses_bad_handshakes),  cmocka_unit_test(serves_plain_requests),
        cmocka_unit_test(refuses_foreign_origins), cmocka_unit_test(answers_every_verdict),
        cmocka_unit_test(accepts_as_the_rfc_does), cmocka_unit_test(makes_frames),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
