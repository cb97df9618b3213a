#include "tests/support/captiond.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/scratch.h"
#include "tests/support/tiny_model.h"

enum { PATIENCE_S = 120, MAX_ARGUMENTS = 64, LOG_BYTES = 1 << 22 };

const char captiond_encoder[] = "weights/efficientnet-b0.safetensors";

struct captiond_log {
    pthread_t reader;
    pthread_mutex_t lock;
    pthread_cond_t grew;
    int fd, ended;
    size_t size;
    char text[LOG_BYTES];
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
    assert_true(strlen(out) + sizeof "/captiond" < PATH_MAX);
    strcat(out, "/captiond");
}

/* In the child: only what may be called between fork and exec. A test that fails leaves no process behind. */
static void become(const char *binary, char **arguments, int in, int out, int err)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (in >= 0)
        dup2(in, STDIN_FILENO);
    if (out >= 0)
        dup2(out, STDOUT_FILENO);
    if (err >= 0)
        dup2(err, STDERR_FILENO);
    execv(binary, arguments);
    _exit(127);
}

static pid_t spawn(const char *const *arguments, int in, int out, int err)
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
        become(binary, list, in, out, err);
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

static void *read_log(void *context)
{
    struct captiond_log *log = context;
    char piece[4096];
    ssize_t n;
    while ((n = read(log->fd, piece, sizeof piece)) > 0 || (n < 0 && errno == EINTR)) {
        pthread_mutex_lock(&log->lock);
        if (n > 0 && log->size + (size_t)n < sizeof log->text) {
            memcpy(log->text + log->size, piece, (size_t)n);
            log->size += (size_t)n;
            log->text[log->size] = '\0';
        }
        pthread_cond_broadcast(&log->grew);
        pthread_mutex_unlock(&log->lock);
    }
    pthread_mutex_lock(&log->lock);
    log->ended = 1;
    pthread_cond_broadcast(&log->grew);
    pthread_mutex_unlock(&log->lock);
    return NULL;
}

static struct captiond_log *open_log(int fd)
{
    struct captiond_log *log = calloc(1, sizeof *log);
    assert_non_null(log);
    log->fd = fd;
    pthread_mutex_init(&log->lock, NULL);
    pthread_cond_init(&log->grew, NULL);
    assert_int_equal(pthread_create(&log->reader, NULL, read_log, log), 0);
    return log;
}

/* After its reader has been joined. */
static void close_log(struct captiond_log *log)
{
    close(log->fd);
    pthread_cond_destroy(&log->grew);
    pthread_mutex_destroy(&log->lock);
    free(log);
}

static int count(const char *text, const char *wanted)
{
    int n = 0;
    for (; (text = strstr(text, wanted)) != NULL; text += strlen(wanted))
        n++;
    return n;
}

/* Returns 0 if the log ended, or patience did, without it. */
static int wait_log(struct captiond_log *log, const char *wanted, int times)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    pthread_mutex_lock(&log->lock);
    while (count(log->text, wanted) < times && !log->ended)
        if (pthread_cond_timedwait(&log->grew, &log->lock, &until))
            break;
    int found = count(log->text, wanted) >= times;
    if (!found)
        fprintf(stderr, "no \"%s\" in:\n%s\n", wanted, log->text);
    pthread_mutex_unlock(&log->lock);
    return found;
}

void captiond_wait_log(captiond *c, const char *text, int times)
{
    assert_true(wait_log(c->log, text, times));
}

int captiond_count_log(captiond *c, const char *text)
{
    pthread_mutex_lock(&c->log->lock);
    int n = count(c->log->text, text);
    pthread_mutex_unlock(&c->log->lock);
    return n;
}

captiond *captiond_start(const char *const *arguments)
{
    int pipes[2];
    captiond *c = calloc(1, sizeof *c);
    assert_non_null(c);
    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    c->pid = spawn(arguments, -1, -1, pipes[1]);
    close(pipes[1]);
    c->log = open_log(pipes[0]);
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
        "serve", "--port", "0", "--log-level", "debug", "--encoder", captiond_encoder, "--background", "normal"};
    char directory[PATH_MAX], data[PATH_MAX];
    int n = 9;
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
    pthread_mutex_lock(&c->log->lock);
    c->port = atoi(strstr(c->log->text, " port=") + strlen(" port="));
    pthread_mutex_unlock(&c->log->lock);
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

/* Waits for the end of the process and of its log. */
static int wait_end(captiond *c)
{
    int status = wait_for(c->pid);
    pthread_join(c->log->reader, NULL);
    return status;
}

static void release(captiond *c)
{
    close_log(c->log);
    free(c);
}

void captiond_kill(captiond *c)
{
    captiond_signal(c, SIGKILL);
    assert_int_equal(wait_end(c), 128 + SIGKILL);
    release(c);
}

int captiond_wait(captiond *c)
{
    int status = wait_end(c);
    release(c);
    return status;
}

void captiond_stop(captiond *c)
{
    captiond_signal(c, SIGTERM);
    int status = wait_end(c);
    if (status != 0)
        fprintf(stderr, "captiond ended with %d:\n%s\n", status, c->log->text);
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

static void change_environment(const char *const *variables, int set)
{
    for (int i = 0; variables && variables[i]; i++) {
        char name[128];
        const char *equals = strchr(variables[i], '=');
        snprintf(name, sizeof name, "%.*s", (int)(equals - variables[i]), variables[i]);
        if (set)
            setenv(name, equals + 1, 1);
        else
            unsetenv(name);
    }
}

captiond_output captiond_run(const char *const *arguments, const char *const *variables, const char *input)
{
    scratch_write("stdin", input ? input : "", input ? strlen(input) : 0);
    int in = open(scratch_path("stdin"), O_RDONLY | O_CLOEXEC);
    int out = open_scratch("stdout"), err = open_scratch("stderr");
    change_environment(variables, 1);
    pid_t pid = spawn(arguments, in, out, err);
    change_environment(variables, 0);
    captiond_output o = {.status = wait_for(pid)};
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
