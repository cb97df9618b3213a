/* Clients that hold connections: by leaving in the midst of a request, by being slow, by being many. Others are
 * answered all the same. Every timeout is an hour here (captiond.h), so an answer cannot come from waiting for one. */
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

enum { MANY = 96 };

#define HEAD "POST /v1/caption HTTP/1.1\r\nHost: localhost\r\nX-A: b"
#define BODY "POST /v1/caption HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\nsome of it"

static captiond *serve_few(void)
{
    return captiond_serve((const char *[]){"--connections", "16", "--connections-per-address", "0", NULL});
}

static void expect_alive(const captiond *c)
{
    reply r = client_ask(c, &(request){.path = "/healthz"});
    assert_int_equal(r.error, CURLE_OK);
    assert_int_equal(r.status, 200);
    reply_free(&r);
}

static void close_all(const int *fds)
{
    for (int i = 0; i < MANY; i++)
        close(fds[i]);
}

static void who_leaves_in_the_midst_keeps_no_place(void **state)
{
    static const char *const beginnings[] = {HEAD, BODY};
    (void)state;
    captiond *c = serve_few();
    for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++) {
        for (int k = 0; k < MANY; k++) {
            int fd = client_connect(c);
            client_send(fd, beginnings[i], 0);
            close(fd);
        }
        expect_alive(c);
    }
    captiond_stop(c);
}

static void who_closes_one_half_keeps_no_place(void **state)
{
    static const char *const beginnings[] = {"", HEAD, BODY};
    int fds[MANY];
    char byte;
    (void)state;
    captiond *c = serve_few();
    for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++) {
        for (int k = 0; k < MANY; k++) {
            fds[k] = client_connect(c);
            if (*beginnings[i])
                client_send(fds[k], beginnings[i], 0);
            shutdown(fds[k], SHUT_WR);
        }
        for (int k = 0; k < MANY; k++)
            while (recv(fds[k], &byte, 1, 0) > 0) /* to its end: the daemon has closed it */
                ;
        expect_alive(c);
        close_all(fds);
    }
    captiond_stop(c);
}

/* All of them stay, and say nothing more. */
static void who_is_slow_gives_way(void **state)
{
    static const char *const beginnings[] = {"", "G", HEAD, BODY};
    int fds[MANY];
    (void)state;
    captiond *c = serve_few();
    for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++) {
        for (int k = 0; k < MANY; k++) {
            fds[k] = client_connect(c);
            if (*beginnings[i])
                client_send(fds[k], beginnings[i], 0);
        }
        expect_alive(c);
        close_all(fds);
    }
    captiond_stop(c);
}

/* As nginx does: those that wait for a next request make room. */
static void who_is_idle_gives_way(void **state)
{
    CURL *handles[32];
    (void)state;
    captiond *c = serve_few();
    for (int round = 0; round < 2; round++)
        for (int k = 0; k < 32; k++) {
            if (round == 0)
                handles[k] = curl_easy_init();
            reply r = client_ask_with(handles[k], c, &(request){.path = "/healthz"});
            assert_int_equal(r.status, 200);
            reply_free(&r);
        }
    for (int k = 0; k < 32; k++)
        curl_easy_cleanup(handles[k]);
    captiond_stop(c);
}

static void who_is_cut_off_is_told_why(void **state)
{
    char answer[2048];
    size_t size = 0;
    ssize_t n;
    (void)state;
    captiond *c = captiond_serve((const char *[]){"--header-timeout-s", "1", NULL});
    int fd = client_connect(c);
    client_send(fd, HEAD, 0);
    while (size < sizeof answer - 1 && (n = recv(fd, answer + size, sizeof answer - 1 - size, 0)) > 0)
        size += (size_t)n;
    answer[size] = '\0';
    close(fd);
    assert_non_null(strstr(answer, "HTTP/1.1 408 "));
    assert_non_null(strstr(answer, "application/problem+json"));
    assert_non_null(strstr(answer, "urn:captiond:problem:too-slow"));
    captiond_stop(c);
}

/* A body of a byte now and then is not silent, but below any rate. */
static void a_body_has_a_minimum_rate(void **state)
{
    (void)state;
    captiond *c = captiond_serve((const char *[]){"--header-timeout-s", "1", "--min-rate", "1000000", NULL});
    int fd = client_connect(c);
    client_send(fd, BODY, 0);
    captiond_wait_log(c, "status=408 reason=too-slow", 1);
    close(fd);
    captiond_stop(c);
}

/* Nobody reads an answer that is larger than what the sockets hold. */
static void an_answer_has_to_be_taken(void **state)
{
    (void)state;
    captiond *c = captiond_serve(
        (const char *[]){"--header-timeout-s", "1", "--min-rate", "1000", "--idle-timeout-s", "2", NULL});
    int small = 1024, fd = client_connect(c);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    for (int k = 0; k < 64; k++) /* answered one after the other, until one does not fit */
        client_send(fd, "GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n", 0);
    captiond_wait_log(c, "ended=early", 1);
    close(fd);
    captiond_stop(c);
}

static int evicted(const captiond *c)
{
    static const char name[] = "captiond_http_connections_cut_total{reason=\"evicted\"} ";
    reply r = client_ask(c, &(request){.path = "/metrics"});
    assert_int_equal(r.status, 200);
    const char *line = strstr(r.body, name);
    assert_non_null(line);
    int n = atoi(line + strlen(name));
    reply_free(&r);
    return n;
}

/* One address alone cannot take the places of others; nor can it be locked out. */
static void an_address_has_a_share(void **state)
{
    int fds[MANY];
    (void)state;
    captiond *c = captiond_serve((const char *[]){"--connections-per-address", "8", NULL});
    for (int k = 0; k < MANY; k++) {
        fds[k] = client_connect(c);
        client_send(fds[k], HEAD, 0);
    }
    expect_alive(c);
    while (evicted(c) < MANY - 8)
        ;
    close_all(fds);
    captiond_stop(c);
}

/* On the management listener. */
static void expect_admin(const char *socket_path, const char *path, long status, const char *text)
{
    char url[512];
    CURL *curl = curl_easy_init();
    long got;
    char *body = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&body, &size);
    snprintf(url, sizeof url, "http://localhost%s", path);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socket_path);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, out);
    assert_int_equal(curl_easy_perform(curl), CURLE_OK);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &got);
    curl_easy_cleanup(curl);
    fclose(out);
    assert_int_equal(got, status);
    assert_non_null(strstr(body, text));
    free(body);
}

static void health_has_a_listener_of_its_own(void **state)
{
    char option[300], path[256];
    (void)state;
    snprintf(path, sizeof path, "%s", scratch_path("admin.sock"));
    snprintf(option, sizeof option, "unix:%s", path);
    captiond *c = captiond_serve((const char *[]){"--admin-listen", option, "--caption-key", "k", NULL});
    expect_admin(path, "/healthz", 200, "alive");
    expect_admin(path, "/readyz", 200, "ready");
    expect_admin(path, "/metrics", 200, "captiond_http_connections{phase=\"idle\"}");
    expect_admin(path, "/v1/models", 404, "not-found");
    captiond_stop(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_leaves_in_the_midst_keeps_no_place),
        cmocka_unit_test(who_closes_one_half_keeps_no_place),
        cmocka_unit_test(who_is_slow_gives_way),
        cmocka_unit_test(who_is_idle_gives_way),
        cmocka_unit_test(who_is_cut_off_is_told_why),
        cmocka_unit_test(a_body_has_a_minimum_rate),
        cmocka_unit_test(an_answer_has_to_be_taken),
        cmocka_unit_test(an_address_has_a_share),
        cmocka_unit_test(health_has_a_listener_of_its_own),
    };
    return cmocka_run_group_tests_name("hostile clients", tests, captiond_setup, captiond_teardown);
}
