/* `captiond health`, by which containers check the daemon: its exit status says whether captions are served. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "tests/support/client.h"
#include "tests/support/scratch.h"

/* Asks the port in its environment, as it stands in a container's. */
static captiond_output ask(int port, const char *option, const char *value)
{
    char variable[32];
    snprintf(variable, sizeof variable, "CAPTIOND_PORT=%d", port);
    return captiond_run((const char *[]){"health", option, value, NULL},
                        (const char *[]){"CAPTIOND_HOST=0.0.0.0", "CAPTIOND_TIMEOUT_MS=30000", variable, NULL}, NULL);
}

static void expect(int port, const char *path, int status, const char *out, const char *err)
{
    captiond_output o = ask(port, "--path", path);
    assert_int_equal(o.status, status);
    assert_non_null(strstr(o.out, out));
    assert_non_null(strstr(o.err, err));
    captiond_output_free(&o);
}

static void one_that_serves_is_well(void **state)
{
    (void)state;
    captiond *c = captiond_serve(NULL);
    int port = c->port;
    expect(port, "/readyz", 0, "200 {\"status\":\"ready\"}", "");
    expect(port, "/healthz", 0, "200 {\"status\":\"alive\"}", "");
    captiond_stop(c);
    expect(port, "/readyz", 1, "", "Connection refused");
}

/* A socket that listens on a port of its own, and nobody behind it. */
static int listen_mute(int *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 4), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    *port = ntohs(address.sin_port);
    return fd;
}

static void one_that_does_not_answer_is_ill(void **state)
{
    int port, fd = listen_mute(&port);
    (void)state;
    captiond_output o = ask(port, "--timeout-ms", "50");
    assert_int_equal(o.status, 1);
    assert_non_null(strstr(o.err, "no answer within 50 ms"));
    captiond_output_free(&o);
    close(fd);
}

/* Asks /readyz of somebody who answers `text` to whatever he is asked. */
static captiond_output ask_one_who_says(const char *text)
{
    int port, fd = listen_mute(&port);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        char question[512];
        int client = accept(fd, NULL, NULL);
        if (recv(client, question, sizeof question, 0) > 0 && send(client, text, strlen(text), 0) > 0)
            shutdown(client, SHUT_RDWR);
        _exit(0);
    }
    captiond_output o = ask(port, "--path", "/readyz");
    close(fd);
    return o;
}

static void one_that_is_not_ready_is_ill(void **state)
{
    (void)state;
    captiond_output o = ask_one_who_says("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\n\r\n{}");
    assert_int_equal(o.status, 1);
    assert_non_null(strstr(o.err, "503 "));
    captiond_output_free(&o);
}

static void one_that_does_not_speak_http_is_ill(void **state)
{
    (void)state;
    captiond_output o = ask_one_who_says("220 mail.example.org ESMTP\r\n");
    assert_int_equal(o.status, 1);
    assert_string_equal(o.out, "");
    captiond_output_free(&o);
}

static void wrong_options_are_refused(void **state)
{
    (void)state;
    captiond_output o = captiond_run((const char *[]){"health", "--path", "/v1/caption", NULL}, NULL, NULL);
    assert_int_equal(o.status, 2);
    captiond_output_free(&o);
    o = captiond_run((const char *[]){"health", "--port", "0", NULL}, NULL, NULL);
    assert_int_equal(o.status, 2);
    captiond_output_free(&o);
    o = captiond_run((const char *[]){"health", "--host", "256.1.1.1.1", NULL}, NULL, NULL);
    assert_int_equal(o.status, 1);
    assert_non_null(strstr(o.err, "256.1.1.1.1"));
    captiond_output_free(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_serves_is_well),         cmocka_unit_test(one_that_is_not_ready_is_ill),
        cmocka_unit_test(one_that_does_not_answer_is_ill), cmocka_unit_test(one_that_does_not_speak_http_is_ill),
        cmocka_unit_test(wrong_options_are_refused),
    };
    return cmocka_run_group_tests_name("health", tests, captiond_setup, captiond_teardown);
}
