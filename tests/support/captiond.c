/* captiond.c: see captiond.h. */
#include "tests/support/captiond.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/scratch.h"
#include "tests/support/tiny_model.h"

enum { PATIENCE_S = 300, LOOK_MS = 5, MAX_ARGUMENTS = 96 };

#define AN_HOUR "3600" /* a busy machine is given time */

const char *captiond_program = "captiond";
const char captiond_encoder[] = "weights/efficientnet-b0.safetensors";

/* A file in memory that the process writes its stderr to: what it has written is there to be read, at once. */
struct captiond_log {
    int fd;
    size_t size;
    char *text; /* what was read of it so far, NUL-terminated */
};

int captiond_setup(void **state)
{
    caption_error err;
    char path[PATH_MAX];
    if (scratch_make(state))
        return -1;
    setenv("CAPTIOND_DATA", scratch_path("data"), 1);
    snprintf(path, sizeof path, "%s", scratch_path("tiny.safetensors"));
    int status = tiny_model_write(path, "lstm", 1, &err);
    snprintf(path, sizeof path, "%s", scratch_path("other.safetensors"));
    if (!status)
        status = tiny_model_write(path, "rnn", 2, &err);
    if (status)
        fprintf(stderr, "tiny model: %s\n", err.message);
    return status;
}

int captiond_teardown(void **state)
{
    return scratch_remove(state);
}

/* ---- processes ------------------------------------------------------------------------------------------------- */

/* BUILD/tests/integration/test_x -> BUILD/captiond */
static void find_binary(char out[PATH_MAX])
{
    ssize_t length = readlink("/proc/self/exe", out, PATH_MAX - 1);
    assert_true(length > 0);
    out[length] = '\0';
    for (int up = 0; up < 3; up++) {
        char *slash = strrchr(out, '/');
        assert_non_null(slash);
        *slash = '\0';
    }
    assert_true(strlen(out) + strlen(captiond_program) + sizeof "/" < PATH_MAX);
    strcat(out, "/");
    strcat(out, captiond_program);
}

/* In the child: only what may be called between fork and exec. A test that fails leaves no process behind. */
static void become(const char *binary, char **arguments, char **environment, int in, int out, int err)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (in >= 0)
        dup2(in, STDIN_FILENO);
    if (out >= 0)
        dup2(out, STDOUT_FILENO);
    if (err >= 0)
        dup2(err, STDERR_FILENO);
    execve(binary, arguments, environment);
    _exit(127);
}

static pid_t spawn(const char *const *arguments, char **environment, int in, int out, int err)
{
    char binary[PATH_MAX];
    char *list[MAX_ARGUMENTS] = {(char *)"captiond"};
    int n = 1;
    find_binary(binary);
    for (; arguments[n - 1]; n++) {
        assert_true(n < MAX_ARGUMENTS - 1);
        list[n] = (char *)arguments[n - 1];
    }
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        become(binary, list, environment, in, out, err);
    return pid;
}

static int wait_for(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) < 0)
        assert_int_equal(errno, EINTR);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* ---- the log --------------------------------------------------------------------------------------------------- */

static struct captiond_log *open_log(void)
{
    struct captiond_log *log = calloc(1, sizeof *log);
    assert_non_null(log);
    log->fd = memfd_create("log", MFD_CLOEXEC);
    assert_true(log->fd >= 0);
    assert_int_equal(fcntl(log->fd, F_SETFL, O_APPEND), 0); /* else threads that write at once overwrite each other */
    return log;
}

static void close_log(struct captiond_log *log)
{
    close(log->fd);
    free(log->text);
    free(log);
}

static const char *read_log(struct captiond_log *log)
{
    struct stat file;
    assert_int_equal(fstat(log->fd, &file), 0);
    size_t size = (size_t)file.st_size;
    log->text = realloc(log->text, size + 1);
    assert_non_null(log->text);
    assert_int_equal(pread(log->fd, log->text + log->size, size - log->size, (off_t)log->size), size - log->size);
    log->size = size;
    log->text[size] = '\0';
    return log->text;
}

static int count(const char *text, const char *wanted)
{
    int n = 0;
    for (; (text = strstr(text, wanted)) != NULL; text += strlen(wanted))
        n++;
    return n;
}

static int has_ended(pid_t pid)
{
    siginfo_t info = {.si_pid = 0};
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT), 0);
    return info.si_pid == pid;
}

static void give_up(const captiond *c, const char *text, int times)
{
    fprintf(stderr, "%d times \"%s\", not %d, in:\n%s\n", count(c->log->text, text), text, times, c->log->text);
    fail();
}

void captiond_wait_log(captiond *c, const char *text, int times)
{
    const struct timespec pause = {0, LOOK_MS * 1000000L};
    for (int looks = 0; count(read_log(c->log), text) < times; looks++) {
        int over = has_ended(c->pid) || looks == PATIENCE_S * (1000 / LOOK_MS);
        if (over && count(read_log(c->log), text) < times)
            give_up(c, text, times);
        nanosleep(&pause, NULL);
    }
}

int captiond_wait_log_or_end(captiond *c, const char *text)
{
    const struct timespec pause = {0, LOOK_MS * 1000000L};
    for (int looks = 0; count(read_log(c->log), text) == 0 && !has_ended(c->pid); looks++) {
        if (looks == PATIENCE_S * (1000 / LOOK_MS))
            give_up(c, text, 1);
        nanosleep(&pause, NULL);
    }
    return count(read_log(c->log), text) > 0;
}

const char *captiond_log_text(captiond *c)
{
    return read_log(c->log);
}

int captiond_count_log(captiond *c, const char *text)
{
    return count(read_log(c->log), text);
}

captiond *captiond_start(const char *const *arguments)
{
    captiond *c = calloc(1, sizeof *c);
    assert_non_null(c);
    c->log = open_log();
    c->pid = spawn(arguments, environ, -1, -1, c->log->fd);
    return c;
}

void captiond_expect_log(captiond *c, const char *text, int times)
{
    captiond_wait_log(c, text, times);
    assert_int_equal(captiond_count_log(c, text), times);
}

/* ---- serving --------------------------------------------------------------------------------------------------- */

captiond *captiond_serve_loading(const char *const *options)
{
    const char *arguments[MAX_ARGUMENTS] = {
        "serve",          "--port",       "0",      "--log-level",        "debug",       "--encoder",
        captiond_encoder, "--background", "normal", "--deadline-ms",      AN_HOUR "000", "--idle-timeout-s",
        AN_HOUR,          "--drain-ms",   "300000", "--header-timeout-s", AN_HOUR,       "--request-timeout-s",
        AN_HOUR,          "--min-rate",   "0"};
    char directory[PATH_MAX], data[PATH_MAX];
    int n = 21;
    snprintf(directory, sizeof directory, "%s", scratch_path("."));
    snprintf(data, sizeof data, "%s", scratch_path("data"));
    arguments[n++] = "--weights";
    arguments[n++] = directory;
    arguments[n++] = "--data";
    arguments[n++] = data;
    for (int i = 0; options && options[i]; i++) {
        assert_true(n < MAX_ARGUMENTS - 1);
        arguments[n++] = options[i];
    }
    captiond *c = captiond_start(arguments);
    captiond_wait_log(c, "event=listening", 1);
    c->port = atoi(strstr(strstr(c->log->text, "event=listening"), " port=") + strlen(" port="));
    snprintf(c->url, sizeof c->url, "http://127.0.0.1:%d", c->port);
    return c;
}

captiond *captiond_serve(const char *const *options)
{
    captiond *c = captiond_serve_loading(options);
    captiond_wait_log(c, "event=ready", 1);
    return c;
}

void captiond_signal(captiond *c, int number)
{
    assert_int_equal(kill(c->pid, number), 0);
}

static void release(captiond *c)
{
    close_log(c->log);
    free(c);
}

void captiond_kill(captiond *c)
{
    captiond_signal(c, SIGKILL);
    assert_int_equal(wait_for(c->pid), 128 + SIGKILL);
    release(c);
}

int captiond_wait(captiond *c)
{
    int status = wait_for(c->pid);
    release(c);
    return status;
}

void captiond_stop(captiond *c)
{
    captiond_signal(c, SIGTERM);
    int status = wait_for(c->pid);
    if (status != 0)
        fprintf(stderr, "captiond ended with %d:\n%s\n", status, read_log(c->log));
    release(c);
    assert_int_equal(status, 0);
}

/* ---- running to the end ---------------------------------------------------------------------------------------- */

static int open_scratch(const char *name)
{
    int fd = open(scratch_path(name), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    return fd;
}

static char *read_scratch(const char *name)
{
    size_t size;
    return (char *)scratch_read(scratch_path(name), &size);
}

/* Ours with these first, where they are found; malloc'd. Ours itself must stay: other threads may be reading it. */
static char **environment_with(const char *const *variables)
{
    size_t more = 0, own = 0;
    while (variables && variables[more])
        more++;
    while (environ[own])
        own++;
    char **all = calloc(more + own + 1, sizeof *all);
    assert_non_null(all);
    for (size_t i = 0; i < more; i++)
        all[i] = (char *)variables[i];
    memcpy(all + more, environ, own * sizeof *all);
    return all;
}

captiond_output captiond_run(const char *const *arguments, const char *const *variables, const char *input)
{
    scratch_write("stdin", input ? input : "", input ? strlen(input) : 0);
    int in = open(scratch_path("stdin"), O_RDONLY | O_CLOEXEC);
    int out = open_scratch("stdout"), err = open_scratch("stderr");
    char **environment = environment_with(variables);
    captiond_output o = {.status = wait_for(spawn(arguments, environment, in, out, err))};
    free(environment);
    close(in);
    close(out);
    close(err);
    o.out = read_scratch("stdout");
    o.err = read_scratch("stderr");
    return o;
}

void captiond_output_free(captiond_output *o)
{
    free(o->out);
    free(o->err);
}
