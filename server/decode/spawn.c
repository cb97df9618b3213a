/* spawn.c: see spawn.h. posix_spawn, because the daemon has threads: nothing of it runs in the new process.
 *
 * The helper gets a socket, the shared memory, and of the environment only what the loader and sanitizers read: keys
 * are there, too. */
#include "server/decode/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { START_MS = 60000, VARIABLES = 32, FIRST_FILE = 10 /* above those that a helper begins with */ };

static int is_passed_on(const char *variable)
{
    static const char *const prefixes[] = {"LD_", "ASAN_OPTIONS=", "UBSAN_OPTIONS=", "LSAN_OPTIONS=", "TSAN_OPTIONS="};
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (strncmp(variable, prefixes[i], strlen(prefixes[i])) == 0)
            return 1;
    return 0;
}

static void make_environment(char *out[VARIABLES])
{
    static char one_thread[] = "OPENBLAS_NUM_THREADS=1"; /* the BLAS would start some before main */
    int n = 0;
    out[n++] = one_thread;
    for (char **each = environ; *each && n < VARIABLES - 1; each++)
        if (is_passed_on(*each))
            out[n++] = *each;
    out[n] = NULL;
}

/* Both ends, where no dup2 of the new process's files can hit them. */
static int make_sockets(int ends[2])
{
    int made[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, made))
        return -1;
    for (int i = 0; i < 2; i++) {
        ends[i] = fcntl(made[i], F_DUPFD_CLOEXEC, FIRST_FILE);
        close(made[i]);
    }
    if (ends[0] >= 0 && ends[1] >= 0)
        return 0;
    for (int i = 0; i < 2; i++)
        if (ends[i] >= 0)
            close(ends[i]);
    return -1;
}

static int list_files(posix_spawn_file_actions_t *files, int socket, int memory)
{
    int code = posix_spawn_file_actions_init(files);
    for (int fd = STDIN_FILENO; fd <= STDOUT_FILENO && !code; fd++)
        code = posix_spawn_file_actions_addopen(files, fd, "/dev/null", O_RDWR, 0);
    if (!code)
        code = posix_spawn_file_actions_adddup2(files, socket, HELPER_SOCKET);
    if (!code)
        code = posix_spawn_file_actions_adddup2(files, memory, HELPER_MEMORY);
    if (!code)
        code = posix_spawn_file_actions_addclosefrom_np(files, HELPER_MEMORY + 1);
    return code;
}

static int spawn(pid_t *pid, int socket, int memory)
{
    static char name[] = "captiond", command[] = HELPER_COMMAND;
    char *const arguments[] = {name, command, NULL};
    char *environment[VARIABLES];
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    make_environment(environment);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    int code = list_files(&files, socket, memory);
    if (!code)
        code = posix_spawn(pid, "/proc/self/exe", &files, &attributes, arguments, environment);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    return code;
}

/* The helper's first byte: it is locked up, or has written why it cannot be. */
static int await_ready(helper_process *p, const helper_memory *memory, caption_error *err)
{
    struct pollfd look = {.fd = p->socket, .events = POLLIN};
    char byte;
    caption_error reason;
    const int came = poll(&look, 1, START_MS) > 0 && recv(p->socket, &byte, 1, 0) == 1;
    memcpy(&reason, &memory->answer.reason, sizeof reason);
    reason.message[sizeof reason.message - 1] = '\0';
    if (came && memory->answer.status == CAPTION_OK)
        return CAPTION_OK;
    const int status = helper_end(p);
    if (came)
        return caption_fail(err, CAPTION_EIO, "%s", reason.message);
    return caption_fail(err, CAPTION_EIO, "%s", WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "it does not run");
}

/* What a little later may be there again: memory, processes, files. */
static enum caption_status failure_of(int code)
{
    return code == ENOMEM || code == EAGAIN || code == EMFILE || code == ENFILE ? CAPTION_ENOMEM : CAPTION_EIO;
}

int helper_start(helper_process *out, int memory_fd, const helper_memory *memory, caption_error *err)
{
    int ends[2];
    const int memory_copy = fcntl(memory_fd, F_DUPFD_CLOEXEC, FIRST_FILE);
    if (memory_copy < 0 || make_sockets(ends)) {
        const int code = errno;
        if (memory_copy >= 0)
            close(memory_copy);
        return caption_fail(err, failure_of(code), "%s", strerror(code));
    }
    int code = spawn(&out->pid, ends[1], memory_copy);
    close(ends[1]);
    close(memory_copy);
    out->socket = ends[0];
    if (code) {
        close(ends[0]);
        return caption_fail(err, failure_of(code), "/proc/self/exe: %s", strerror(code));
    }
    clock_getcpuclockid(out->pid, &out->clock);
    return await_ready(out, memory, err);
}

double helper_cpu_ms(const helper_process *process)
{
    struct timespec used = {0};
    clock_gettime(process->clock, &used);
    return (double)used.tv_sec * 1e3 + (double)used.tv_nsec / 1e6;
}

int helper_end(helper_process *process)
{
    int status = 0;
    kill(process->pid, SIGKILL);
    while (waitpid(process->pid, &status, 0) < 0 && errno == EINTR)
        continue;
    close(process->socket);
    return status;
}
