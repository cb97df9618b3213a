/* What is no HTTP/1.1 is told so in the one shape of all problems, and the connection closes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/client.h"
#include "tests/support/served.h"

#define POST "POST /v1/caption HTTP/1.1\r\nHost: localhost\r\n"
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"

static int start(void **state)
{
    return served_start(state, (photo){0}, NULL);
}

/* To the end, which comes because the daemon closes. */
static void ask(const char *text, char *answer, size_t room)
{
    size_t size = 0;
    ssize_t n;
    int fd = client_connect(served);
    client_send(fd, text, 0);
    while (size < room - 1 && (n = recv(fd, answer + size, room - 1 - size, 0)) > 0)
        size += (size_t)n;
    answer[size] = '\0';
    close(fd);
}

static int count(const char *text, const char *wanted)
{
    int n = 0;
    for (; (text = strstr(text, wanted)) != NULL; text += strlen(wanted))
        n++;
    return n;
}

/* Behind what is refused stands a request that a proxy might have taken for the next: it must have no answer. */
static void what_has_two_readings_is_told_so_and_closed(void **state)
{
    static const struct {
        const char *text;
        int status;
        const char *name;
    } cases[] = {
        {"GET / HTTP/1.1\r\n\r\n", 400, "bad-request"},
        {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "bad-request"},
        {POST "Content-Length: 4\r\nContent-Length: 5\r\n\r\n", 400, "bad-request"},
        {POST "Content-Length: 4\r\nContent-Length: 4\r\n\r\n", 400, "bad-request"},
        {POST "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "bad-request"},
        {POST "Transfer-Encoding : chunked\r\n\r\n", 400, "bad-request"},
        {POST "Transfer-Encoding: gzip\r\n\r\n", 501, "not-implemented"},
        {POST "Transfer-Encoding: xchunked\r\n\r\n", 501, "not-implemented"},
        {POST "Content-Length: -1\r\n\r\n", 400, "bad-request"},
        {POST "Content-Length: 99999999999999999999999999\r\n\r\n", 413, "body-too-large"},
        {POST " folded: yes\r\n\r\n", 400, "bad-request"},
        {"GET /\r\n\r\n", 400, "bad-request"},
        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "http-version"},
        {"\x16\x03\x01\x02", 400, "bad-request"},
        {CHUNKED "zz\r\n", 400, "bad-request"},
        {CHUNKED "3\r\nabcd\r\n", 400, "bad-request"},
        {CHUNKED "ffffffffffffffffff\r\n", 413, "body-too-large"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[1024], answer[8192], line[64], type[96];
        snprintf(text, sizeof text, "%sGET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", cases[i].text);
        snprintf(line, sizeof line, "HTTP/1.1 %d ", cases[i].status);
        snprintf(type, sizeof type, "\"type\":\"urn:captiond:problem:%s\"", cases[i].name);
        ask(text, answer, sizeof answer);
        if (strncmp(answer, line, strlen(line)) != 0)
            fprintf(stderr, "%s\n=>\n%s\n", text, answer);
        assert_int_equal(strncmp(answer, line, strlen(line)), 0);
        assert_non_null(strstr(answer, "Content-Type: application/problem+json\r\n"));
        assert_non_null(strstr(answer, "Connection: close\r\n"));
        assert_non_null(strstr(answer, type));
        assert_int_equal(count(answer, "HTTP/1.1 "), 1);
    }
}

/* `piece` so many times between these. */
static void expect_too_much(const char *before, const char *piece, int times, int status)
{
    size_t room = strlen(before) + strlen(piece) * (size_t)times + 1;
    char *text = malloc(room), answer[8192], line[64];
    assert_non_null(text);
    strcpy(text, before);
    for (char *to = text + strlen(before); times > 0; times--, to += strlen(piece))
        strcpy(to, piece);
    ask(text, answer, sizeof answer);
    free(text);
    snprintf(line, sizeof line, "HTTP/1.1 %d ", status);
    assert_int_equal(strncmp(answer, line, strlen(line)), 0);
    assert_non_null(strstr(answer, "Content-Type: application/problem+json\r\n"));
}

static void what_is_too_long_is_told_so(void **state)
{
    (void)state;
    expect_too_much("GET /", "a", 100000, 414);
}

static void heads_that_are_too_large_are_told_so(void **state)
{
    (void)state;
    expect_too_much(POST "X: ", "a", 100000, 431);
    expect_too_much(POST, "a: b\r\n", 1000, 431);
    expect_too_much(POST, "Cookie: a=b; c=d\r\n", 1000, 431);
}

/* The answer to a request that was in order comes first. */
static void what_went_before_is_answered(void **state)
{
    char answer[8192];
    (void)state;
    ask("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nnonsense\r\n\r\n", answer, sizeof answer);
    assert_int_equal(strncmp(answer, "HTTP/1.1 200 ", 13), 0);
    assert_non_null(strstr(answer, "HTTP/1.1 400 "));
    assert_int_equal(count(answer, "HTTP/1.1 "), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_has_two_readings_is_told_so_and_closed),
        cmocka_unit_test(what_is_too_long_is_told_so),
        cmocka_unit_test(heads_that_are_too_large_are_told_so),
        cmocka_unit_test(what_went_before_is_answered),
    };
    return cmocka_run_group_tests_name("framing answers", tests, start, served_end);
}
