/* Where requests end: what is in order goes through to the last byte, in pieces of any size; what two servers could
 * read in two ways does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/http/framing.h"

#define GET "GET / HTTP/1.1\r\n"
#define POST "POST /v1/caption?n=1 HTTP/1.1\r\nHost: a\r\n"
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"

/* Feeds pieces of this size; returns the bytes that were taken. */
static size_t feed(framing *f, const char *text, size_t length, size_t piece)
{
    size_t n = 0;
    memset(f, 0, sizeof *f);
    while (n < length && !f->fault.kind) {
        size_t more = length - n < piece ? length - n : piece;
        size_t taken = framing_feed(f, text + n, more);
        n += taken;
        if (taken < more && f->part == FRAMING_BETWEEN)
            break;
    }
    return n;
}

static void what_is_in_order_goes_through(void **state)
{
    static const char *const texts[] = {
        GET "Host: localhost:8080\r\n\r\n",
        "\r\n" GET "Host: [::1]:8080\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        GET "Host:a\r\nX-Empty:\r\nX-Blanks: \t a b \t\r\n\r\n",
        POST "Content-Length: 0\r\n\r\n",
        POST "content-LENGTH: 005\r\n\r\nhello",
        POST "Transfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        CHUNKED "0\r\n\r\n",
        CHUNKED "00A;name=\"value\"\r\n0123456789\r\n1\r\nx\r\n0;last\r\nX-Trailer: yes\r\nContent-Length: 7\r\n\r\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        for (size_t piece = 1; piece < 64; piece += 3) {
            framing f;
            size_t length = strlen(texts[i]);
            assert_int_equal(feed(&f, texts[i], length, piece), length);
            assert_int_equal(f.fault.kind, PROBLEM_NONE);
            assert_int_equal(f.part, FRAMING_BETWEEN);
        }
}

static void one_request_ends_where_the_next_begins(void **state)
{
    static const char first[] = POST "Content-Length: 3\r\n\r\nabc", second[] = GET "Host: a\r\n\r\n";
    char both[sizeof first + sizeof second];
    framing f;
    (void)state;
    snprintf(both, sizeof both, "%s%s", first, second);
    assert_int_equal(feed(&f, both, strlen(both), sizeof both), strlen(first));
    assert_string_equal(f.path, "/v1/caption");
    assert_int_equal(framing_feed(&f, second, strlen(second)), strlen(second));
    assert_string_equal(f.path, "/");
    assert_int_equal(f.part, FRAMING_BETWEEN);
}

static void what_has_two_readings_is_refused(void **state)
{
    static const struct {
        const char *text;
        problem_kind kind;
    } cases[] = {
        {GET "\r\n", PROBLEM_BAD_REQUEST},
        {GET "Host: a\r\nHost: a\r\n\r\n", PROBLEM_BAD_REQUEST},
        {GET "Host: a\r\nhost: b\r\n\r\n", PROBLEM_BAD_REQUEST},
        {GET "Host:\r\n\r\n", PROBLEM_BAD_REQUEST},
        {GET "Host: a/b\r\n\r\n", PROBLEM_BAD_REQUEST},
        {GET "Host: a b\r\n\r\n", PROBLEM_BAD_REQUEST},
        {GET "Host: user@a\r\n\r\n", PROBLEM_BAD_REQUEST},
        {"GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", PROBLEM_BAD_REQUEST},
        {POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", PROBLEM_BAD_REQUEST},
        {POST "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", PROBLEM_BAD_REQUEST},
        {POST "Content-Length: 5, 5\r\n\r\n", PROBLEM_BAD_REQUEST},
        {POST "Content-Length: +5\r\n\r\n", PROBLEM_BAD_REQUEST},
        {POST "Content-Length: -5\r\n\r\n", PROBLEM_BAD_REQUEST},
        {POST "Content-Length: 0x5\r\n\r\n", PROBLEM_BAD_REQUEST},
        {POST "Content-Length: 5 5\r\n\r\n", PROBLEM_BAD_REQUEST},
        {POST "Content-Length:\r\n\r\n", PROBLEM_BAD_REQUEST},
        {POST "Content-Length : 5\r\n\r\n", PROBLEM_BAD_REQUEST},
        {POST "Content-Length: 99999999999999999999999\r\n\r\n", PROBLEM_BODY_TOO_LARGE},
        {POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", PROBLEM_BAD_REQUEST},
        {POST "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n", PROBLEM_BAD_REQUEST},
        {POST "Transfer-Encoding : chunked\r\n\r\n", PROBLEM_BAD_REQUEST},
        {POST "Transfer-Encoding\t: chunked\r\n\r\n", PROBLEM_BAD_REQUEST},
        {POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", PROBLEM_BAD_REQUEST},
        {POST "Transfer-Encoding:\r\n\r\n", PROBLEM_BAD_REQUEST},
        {POST "Transfer-Encoding: gzip\r\n\r\n", PROBLEM_NOT_IMPLEMENTED},
        {POST "Transfer-Encoding: gzip, chunked\r\n\r\n", PROBLEM_NOT_IMPLEMENTED},
        {POST "Transfer-Encoding: chunked, chunked\r\n\r\n", PROBLEM_NOT_IMPLEMENTED},
        {POST "Transfer-Encoding: identity\r\n\r\n", PROBLEM_NOT_IMPLEMENTED},
        {POST "Transfer-Encoding: xchunked\r\n\r\n", PROBLEM_NOT_IMPLEMENTED},
        {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", PROBLEM_BAD_REQUEST},
        {GET " Host: a\r\n\r\n", PROBLEM_BAD_REQUEST},
        {GET "Host: a\r\n folded\r\n\r\n", PROBLEM_BAD_REQUEST},
        {GET "Host: a\r\nno colon\r\n\r\n", PROBLEM_BAD_REQUEST},
        {GET "Host: a\r\n: no name\r\n\r\n", PROBLEM_BAD_REQUEST},
        {GET "Host: a\r\nX-(: b\r\n\r\n", PROBLEM_BAD_REQUEST},
        {GET "Host: a\n\r\n", PROBLEM_BAD_REQUEST},
        {GET "Host: a\rb\r\n\r\n", PROBLEM_BAD_REQUEST},
        {GET "Host: a\r\nX: \x01\r\n\r\n", PROBLEM_BAD_REQUEST},
        {"GET / HTTP/1.1\nHost: a\r\n\r\n", PROBLEM_BAD_REQUEST},
        {"GET /\r\n\r\n", PROBLEM_BAD_REQUEST},
        {"GET  / HTTP/1.1\r\n", PROBLEM_BAD_REQUEST},
        {"GET / a HTTP/1.1\r\n", PROBLEM_BAD_REQUEST},
        {"GET / HTTP/1.1 \r\n", PROBLEM_BAD_REQUEST},
        {"GET /\t HTTP/1.1\r\n", PROBLEM_BAD_REQUEST},
        {"G(T / HTTP/1.1\r\n", PROBLEM_BAD_REQUEST},
        {"\x16\x03\x01", PROBLEM_BAD_REQUEST},
        {"PRI * HTTP/2.0\r\n", PROBLEM_HTTP_VERSION},
        {"GET / HTTP/1.2\r\n", PROBLEM_HTTP_VERSION},
        {"GET / HTTP/11\r\n", PROBLEM_BAD_REQUEST},
        {"\r\n\r\n\r\n", PROBLEM_BAD_REQUEST},
        {CHUNKED "\r\n", PROBLEM_BAD_REQUEST},
        {CHUNKED "g\r\n", PROBLEM_BAD_REQUEST},
        {CHUNKED "0x5\r\n", PROBLEM_BAD_REQUEST},
        {CHUNKED "-5\r\n", PROBLEM_BAD_REQUEST},
        {CHUNKED "5 \r\n", PROBLEM_BAD_REQUEST},
        {CHUNKED "5\n", PROBLEM_BAD_REQUEST},
        {CHUNKED "5;a\n", PROBLEM_BAD_REQUEST},
        {CHUNKED "5\r\nhelloX", PROBLEM_BAD_REQUEST},
        {CHUNKED "5\r\nhello\n", PROBLEM_BAD_REQUEST},
        {CHUNKED "5\r\nhello\rX", PROBLEM_BAD_REQUEST},
        {CHUNKED "0\r\nno colon\r\n", PROBLEM_BAD_REQUEST},
        {CHUNKED "ffffffffffffffff\r\n", PROBLEM_BODY_TOO_LARGE},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t piece = 1; piece < 80; piece += 13) {
            framing f;
            feed(&f, cases[i].text, strlen(cases[i].text), piece);
            if (f.fault.kind != cases[i].kind)
                fprintf(stderr, "%zu bytes at a time:\n%s\n", piece, cases[i].text);
            assert_int_equal(f.fault.kind, cases[i].kind);
        }
}

/* `before`, then `piece` so many times. */
static problem_kind feed_many(const char *before, const char *piece, int times)
{
    size_t length = strlen(before) + strlen(piece) * (size_t)times;
    char *text = malloc(length + 1);
    framing f;
    assert_non_null(text);
    strcpy(text, before);
    for (size_t n = strlen(before); n < length; n += strlen(piece))
        strcpy(text + n, piece);
    feed(&f, text, length, 1000);
    free(text);
    return f.fault.kind;
}

static void heads_have_limits(void **state)
{
    (void)state;
    assert_int_equal(feed_many("GET /", "a", FRAMING_LINE_BYTES - 20), PROBLEM_NONE);
    assert_int_equal(feed_many("GET /", "a", FRAMING_LINE_BYTES), PROBLEM_URI_TOO_LONG);
    assert_int_equal(feed_many(GET "X: ", "a", FRAMING_LINE_BYTES), PROBLEM_HEADERS_TOO_LARGE);
    assert_int_equal(feed_many(GET, "A: b\r\n", FRAMING_FIELDS), PROBLEM_NONE);
    assert_int_equal(feed_many(GET, "A: b\r\n", FRAMING_FIELDS + 1), PROBLEM_HEADERS_TOO_LARGE);
    assert_int_equal(feed_many(GET,
                               "Longer-Than-The-Others: 0123456789012345678901234567890123456789012345678901234567"
                               "89012345678901234567890123456789012345678901234567890123456789012345678901234567890"
                               "1234567890123456789012345678901234567890123456789012345678901234567890123456789\r\n",
                               90),
                     PROBLEM_HEADERS_TOO_LARGE);
    assert_int_equal(feed_many(GET "Cookie: a", "; b=c", FRAMING_PIECES + 1),
                     PROBLEM_NONE); /* the line has not ended */
    assert_int_equal(feed_many(GET, "Cookie: a; b; c; d\r\n", FRAMING_PIECES / 3 + 1), PROBLEM_HEADERS_TOO_LARGE);
    assert_int_equal(feed_many(CHUNKED "1;", "x", FRAMING_EXTENSION_BYTES + 1), PROBLEM_BAD_REQUEST);
    assert_int_equal(feed_many(CHUNKED "0\r\n", "A: b\r\n", FRAMING_FIELDS + 1), PROBLEM_HEADERS_TOO_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_in_order_goes_through),
        cmocka_unit_test(one_request_ends_where_the_next_begins),
        cmocka_unit_test(what_has_two_readings_is_refused),
        cmocka_unit_test(heads_have_limits),
    };
    return cmocka_run_group_tests_name("framing", tests, NULL, NULL);
}
