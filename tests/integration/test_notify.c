/* What a service manager hears (sd_notify): ready only when captions are served, a sign of life when it asks for one,
 * and the end. The test is the manager: a datagram socket in the daemon's environment. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/client.h"
#include "tests/support/scratch.h"

enum { PATIENCE_S = 120, SIGNS_OF_LIFE = 3 };

/* Binds a socket of that name, '@' for an abstract one, and tells the daemons to come. */
static int manager_open(const char *name)
{
    const struct timeval patience = {PATIENCE_S, 0};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(name);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0 && length < sizeof address.sun_path);
    memcpy(address.sun_path, name, length);
    if (*name == '@')
        address.sun_path[0] = '\0';
    assert_int_equal(
        bind(fd, (struct sockaddr *)&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)), 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setenv("NOTIFY_SOCKET", name, 1);
    return fd;
}

static void manager_close(int fd)
{
    close(fd);
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
}

static void expect(int manager, const char *lines)
{
    char got[256];
    ssize_t n = recv(manager, got, sizeof got - 1, 0);
    assert_true(n > 0);
    got[n] = '\0';
    assert_string_equal(got, lines);
}

static void expect_stopping(captiond *c, int manager)
{
    captiond_signal(c, SIGTERM);
    expect(manager, "STOPPING=1");
    assert_int_equal(captiond_wait(c), 0);
    manager_close(manager);
}

static void ready_and_stopping_reach(const char *name)
{
    int manager = manager_open(name);
    captiond *c = captiond_serve(NULL);
    expect(manager, "READY=1");
    reply r = client_ask(c, &(request){.path = "/readyz"});
    assert_int_equal(r.status, 200);
    reply_free(&r);
    expect_stopping(c, manager);
}

static void the_manager_hears_of_start_and_end(void **state)
{
    (void)state;
    ready_and_stopping_reach(scratch_path("manager"));
}

static void a_socket_may_be_abstract(void **state)
{
    char name[64];
    (void)state;
    snprintf(name, sizeof name, "@captiond-test-%d", (int)getpid());
    ready_and_stopping_reach(name);
}

static void while_it_loads_it_is_not_ready(void **state)
{
    char pipe[256], got[64];
    (void)state;
    snprintf(pipe, sizeof pipe, "%s", scratch_path("slow.safetensors"));
    assert_int_equal(mkfifo(pipe, 0600), 0);
    int manager = manager_open(scratch_path("waiting"));
    captiond *c = captiond_serve_loading((const char *[]){"--models", pipe, NULL});
    FILE *writer = fopen(pipe, "w"); /* waits until the daemon opens it, so that it is still loading then */
    assert_non_null(writer);
    assert_true(recv(manager, got, sizeof got, MSG_DONTWAIT) < 0);
    fclose(writer);
    assert_int_equal(captiond_wait(c), 1); /* an empty file is no model: it was never ready */
    unlink(pipe);
    assert_true(recv(manager, got, sizeof got, MSG_DONTWAIT) < 0);
    manager_close(manager);
}

static void a_watchdog_hears_signs_of_life(void **state)
{
    (void)state;
    int manager = manager_open(scratch_path("watchdog"));
    setenv("WATCHDOG_USEC", "100000", 1);
    captiond *c = captiond_serve(NULL);
    expect(manager, "READY=1");
    for (int i = 0; i < SIGNS_OF_LIFE; i++)
        expect(manager, "WATCHDOG=1");
    captiond_stop(c);
    manager_close(manager);
}

/* The variables may have been meant for a parent. */
static void the_watchdog_of_another_process_is_left_alone(void **state)
{
    (void)state;
    int manager = manager_open(scratch_path("other"));
    setenv("WATCHDOG_USEC", "2000", 1);
    setenv("WATCHDOG_PID", "1", 1);
    captiond *c = captiond_serve(NULL);
    expect(manager, "READY=1");
    for (int i = 0; i < 20; i++) {
        reply r = client_ask(c, &(request){.path = "/healthz"});
        assert_int_equal(r.status, 200);
        reply_free(&r);
    }
    expect_stopping(c, manager);
}

static void a_manager_that_is_not_there_does_no_harm(void **state)
{
    static const char *const names[] = {"/nowhere/manager", "relative", "@"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        setenv("NOTIFY_SOCKET", names[i], 1);
        captiond *c = captiond_serve(NULL);
        captiond_wait_log(c, "event=not-notified", 1);
        captiond_stop(c);
    }
    unsetenv("NOTIFY_SOCKET");
    captiond *c = captiond_serve(NULL);
    assert_int_equal(captiond_count_log(c, "event=not-notified"), 0);
    captiond_stop(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_manager_hears_of_start_and_end),
        cmocka_unit_test(a_socket_may_be_abstract),
        cmocka_unit_test(while_it_loads_it_is_not_ready),
        cmocka_unit_test(a_watchdog_hears_signs_of_life),
        cmocka_unit_test(the_watchdog_of_another_process_is_left_alone),
        cmocka_unit_test(a_manager_that_is_not_there_does_no_harm),
    };
    return cmocka_run_group_tests_name("notify", tests, captiond_setup, captiond_teardown);
}
