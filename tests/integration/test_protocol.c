/* What comes over the wire need not be what libcurl would send. */
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
#include "tests/support/photo.h"
#include "tests/support/scratch.h"
#include "tests/support/served.h"

enum { ANSWER_BYTES = 1 << 16 };

static int start(void **state)
{
    return served_start(state, photo_make("png", 50, 40, 1), NULL);
}

/* Reads until the server closes; malloc'd. */
static char *read_all(int fd)
{
    char *answer = calloc(1, ANSWER_BYTES);
    size_t size = 0;
    ssize_t n;
    assert_non_null(answer);
    while (size + 1 < ANSWER_BYTES && (n = recv(fd, answer + size, ANSWER_BYTES - 1 - size, 0)) > 0)
        size += (size_t)n;
    close(fd);
    return answer;
}

static void expect_still_serving(void)
{
    reply r =
        client_ask(served, &(request){.path = "/v1/caption", .body = served_photo.bytes, .size = served_photo.size});
    client_expect_captions(&r, 1);
    reply_free(&r);
}

static void what_is_not_http_does_no_harm(void **state)
{
    static const char *const openings[] = {
        "hello\r\n\r\n",
        "GET\r\n\r\n",
        "POST /v1/caption HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        "POST /v1/caption HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        "POST /v1/caption HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
        "POST /v1/caption HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffffff\r\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof openings / sizeof *openings; i++) {
        int fd = client_connect(served);
        client_send(fd, openings[i], 0);
        char *answer = read_all(fd);
        assert_null(strstr(answer, "HTTP/1.1 200"));
        free(answer);
    }
    expect_still_serving();
}

static void noise_does_no_harm(void **state)
{
    unsigned long long seed = 7;
    (void)state;
    for (int i = 0; i < 50; i++) {
        unsigned char noise[512];
        for (size_t k = 0; k < sizeof noise; k++)
            noise[k] = (unsigned char)scratch_random(&seed);
        int fd = client_connect(served);
        client_send(fd, noise, sizeof noise);
        close(fd);
    }
    expect_still_serving();
}

static void headers_that_are_too_large_are_refused(void **state)
{
    (void)state;
    size_t size = 1 << 18;
    char *head = malloc(size + 64);
    assert_non_null(head);
    int length = sprintf(head, "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: ");
    memset(head + length, 'a', size);
    int fd = client_connect(served);
    send(fd, head, (size_t)length + size, MSG_NOSIGNAL);
    char *answer = read_all(fd);
    assert_null(strstr(answer, "HTTP/1.1 200"));
    free(answer);
    free(head);
    expect_still_serving();
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    (void)state;
    char head[256];
    int fd = client_connect(served);
    for (int i = 0; i < 3; i++) {
        snprintf(head, sizeof head,
                 "POST /v1/caption HTTP/1.1\r\nHost: x\r\nX-Request-Id: pipe-%d\r\n%sContent-Length: %zu\r\n\r\n", i,
                 i == 2 ? "Connection: close\r\n" : "", served_photo.size);
        client_send(fd, head, 0);
        client_send(fd, served_photo.bytes, served_photo.size);
    }
    char *answer = read_all(fd), *at = answer;
    for (int i = 0; i < 3; i++) {
        snprintf(head, sizeof head, "\"request_id\":\"pipe-%d\"", i);
        at = strstr(at, head);
        assert_non_null(at);
    }
    free(answer);
}

static void http_1_0_is_answered_and_closed(void **state)
{
    (void)state;
    int fd = client_connect(served);
    client_send(fd, "GET /healthz HTTP/1.0\r\n\r\n", 0);
    char *answer = read_all(fd);
    assert_non_null(strstr(answer, " 200 OK"));
    assert_non_null(strstr(answer, "{\"status\":\"alive\"}"));
    free(answer);
}

/* RFC 9112, 3.2.2: the host in the target counts, not the header: also where a name decides who may ask. */
static void a_target_may_be_a_whole_url(void **state)
{
    static const struct {
        const char *target, *host, *status;
    } cases[] = {
        {"http://127.0.0.1/healthz", "127.0.0.1", " 200 "},
        {"HTTP://localhost:80/v1/models?", "localhost:80", " 200 "},
        {"http://localhost", "localhost", " 200 "},
        {"https://localhost/nothing", "localhost", " 404 "},
        {"http://localhost/v1/datasets", "evil.example", " 200 "},
        {"http://evil.example/v1/datasets", "localhost", " 403 "},
        {"ftp://localhost/healthz", "localhost", " 404 "},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char head[256];
        int fd = client_connect(served);
        snprintf(head, sizeof head, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", cases[i].target,
                 cases[i].host);
        client_send(fd, head, 0);
        char *answer = read_all(fd);
        if (strncmp(answer + 8, cases[i].status, 5) != 0)
            fail_msg("%s with Host %s: %.60s", cases[i].target, cases[i].host, answer);
        free(answer);
    }
}

static void silent_connections_are_closed(void **state)
{
    (void)state;
    captiond *c = captiond_serve((const char *[]){"--idle-timeout-s", "1", NULL});
    int fd = client_connect(c);
    client_send(fd, "GET /healthz HTTP/1.1\r\nHost:", 0);
    char *answer = read_all(fd); /* comes back only because the server closes */
    assert_null(strstr(answer, " 200 OK"));
    free(answer);
    captiond_stop(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_http_does_no_harm),
        cmocka_unit_test(noise_does_no_harm),
        cmocka_unit_test(headers_that_are_too_large_are_refused),
        cmocka_unit_test(pipelined_requests_are_answered_in_order),
        cmocka_unit_test(http_1_0_is_answered_and_closed),
        cmocka_unit_test(a_target_may_be_a_whole_url),
        cmocka_unit_test(silent_connections_are_closed),
    };
    return cmocka_run_group_tests_name("protocol", tests, start, served_end);
}
