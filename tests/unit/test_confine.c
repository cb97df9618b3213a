/* What a daemon can no longer do once it is confined: each in a process of its own, which ends with the errno. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/app/confine.h"
#include "tests/support/scratch.h"

enum { NOT_CONFINED = 255 };

static char data[256], outside[256];

static int open_status(const char *path, int flags)
{
    int fd = open(path, flags, 0600);
    return fd < 0 ? errno : 0;
}

static int write_data(void)
{
    char path[300];
    snprintf(path, sizeof path, "%s/file", data);
    return open_status(path, O_RDWR | O_CREAT);
}

static int write_outside(void)
{
    return open_status(outside, O_RDWR | O_CREAT);
}

static int truncate_outside(void)
{
    return truncate(outside, 0) ? errno : 0;
}

static int read_passwords(void)
{
    return open_status("/etc/passwd", O_RDONLY);
}

static int list_home(void)
{
    return open_status("/root", O_RDONLY | O_DIRECTORY);
}

static int run_shell(void)
{
    execl("/bin/sh", "sh", "-c", "exit 0", (char *)NULL);
    return errno;
}

static int call_out(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    return fd < 0 ? errno : 0;
}

static int trace(void)
{
    return ptrace(PTRACE_TRACEME, 0, NULL, NULL) ? errno : 0;
}

static int map_code(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED
               ? errno
               : 0;
}

static int map_data(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? errno : 0;
}

static int core_limit(void)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_CORE, &limit) || limit.rlim_max != 0;
}

/* Confined, the child tries and exits with what came of it. */
static int attempt(int (*what)(void))
{
    const config c = {.host = "127.0.0.1"};
    int status;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        caption_error err;
        confine_core_dumps();
        if (confine_files(&c, data, &err) || confine_calls(&err)) {
            fprintf(stderr, "# %s\n", err.message);
            _exit(NOT_CONFINED);
        }
        _exit(what());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void what_is_needed_works_and_nothing_else(void **state)
{
    static const struct {
        int (*what)(void);
        int expected;
    } all[] = {
        {write_data, 0},           {map_data, 0},
        {core_limit, 0},           {write_outside, EACCES},
        {truncate_outside, EPERM}, {read_passwords, EACCES},
        {list_home, EACCES},       {run_shell, EACCES},
        {call_out, EPERM},         {trace, EPERM},
        {map_code, EPERM},
    };
    (void)state;
    snprintf(data, sizeof data, "%s", scratch_path("data"));
    snprintf(outside, sizeof outside, "%s", scratch_write("outside", "x", 1));
    assert_int_equal(mkdir(data, 0700), 0);
    if (attempt(write_data) == NOT_CONFINED)
        skip(); /* a kernel without it, or a sanitizer */
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        int came = attempt(all[i].what);
        if (came != all[i].expected)
            fail_msg("number %zu: %s instead of %s", i, strerror(came), strerror(all[i].expected));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_needed_works_and_nothing_else)};
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
