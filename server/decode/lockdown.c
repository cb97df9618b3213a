/* lockdown.c: limits first, then the filter of system calls, after which no limit can be changed any more.
 *
 * What the filter lets pass is what decoders need: memory that is nobody else's and not executable, the socket, the
 * clock, the end. Threads are refused (EAGAIN) rather than deadly, because libraries that would like some do without
 * them; so are writes elsewhere, so that a failed assertion is a crash and not an attempt to break out. */
#include "server/decode/lockdown.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

/* ---- limits ------------------------------------------------------------------------------------------------------ */

/* What it may have already is less, perhaps: nobody may raise that. */
static int limit(int resource, const char *name, rlim_t most, caption_error *err)
{
    struct rlimit both = {.rlim_max = RLIM_INFINITY};
    getrlimit(resource, &both);
    both.rlim_max = both.rlim_max < most ? both.rlim_max : most;
    both.rlim_cur = both.rlim_max;
    return setrlimit(resource, &both) ? caption_fail(err, CAPTION_EIO, "%s: %s", name, strerror(errno)) : CAPTION_OK;
}

/* Bytes of address space in use. */
static size_t address_space(void)
{
    unsigned long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    if (!statm || fscanf(statm, "%lu", &pages) != 1)
        pages = 0;
    if (statm)
        fclose(statm);
    return (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
}

static int limit_all(size_t memory, caption_error *err)
{
    int status = CAPTION_OK;
    const size_t used = address_space();
    if (!used)
        status = caption_fail(err, CAPTION_EIO, "/proc/self/statm cannot be read");
    if (!status)
        status = limit(RLIMIT_AS, "RLIMIT_AS", used + memory, err);
    if (!status)
        status = limit(RLIMIT_CORE, "RLIMIT_CORE", 0, err);
    if (!status)
        status = limit(RLIMIT_FSIZE, "RLIMIT_FSIZE", 0, err);
    if (!status)
        status = limit(RLIMIT_NOFILE, "RLIMIT_NOFILE", 0, err);
    return status;
}

/* ---- the filter -------------------------------------------------------------------------------------------------- */

/* What needs no look at its arguments. */
static const int allowed[] = {
    SCMP_SYS(brk),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(getpid),
    SCMP_SYS(gettid),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_getres),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(time),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(futex),
    SCMP_SYS(sched_yield),
    SCMP_SYS(restart_syscall),
};

/* What fails as if there were no room, so that libraries do without. */
static const int refused[] = {SCMP_SYS(clone), SCMP_SYS(clone3), SCMP_SYS(sched_getaffinity)};

static int allow_plain(scmp_filter_ctx filter)
{
    int failed = 0;
    for (size_t i = 0; i < sizeof allowed / sizeof *allowed && !failed; i++)
        failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
    for (size_t i = 0; i < sizeof refused / sizeof *refused && !failed; i++)
        failed = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EAGAIN), refused[i], 0);
    return failed;
}

/* The socket; elsewhere nothing can be read, and what is written is lost. */
static int allow_socket(scmp_filter_ctx filter, int socket)
{
    const struct scmp_arg_cmp same = SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)socket, 0);
    const struct scmp_arg_cmp other = SCMP_A0(SCMP_CMP_NE, (scmp_datum_t)socket, 0);
    int failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(read), 1, same);
    if (!failed)
        failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(write), 1, same);
    if (!failed)
        failed = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EBADF), SCMP_SYS(write), 1, other);
    if (!failed)
        failed = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EBADF), SCMP_SYS(writev), 0);
    return failed;
}

/* Memory of no file, that is never code. */
static int allow_memory(scmp_filter_ctx filter)
{
    const struct scmp_arg_cmp no_code = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
    const struct scmp_arg_cmp no_file = SCMP_A3(SCMP_CMP_MASKED_EQ, MAP_ANONYMOUS, MAP_ANONYMOUS);
    int failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 2, no_code, no_file);
    if (!failed)
        failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, no_code);
    return failed;
}

/* abort(): a signal to itself. */
static int allow_abort(scmp_filter_ctx filter)
{
    return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 2,
                            SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0), SCMP_A2(SCMP_CMP_EQ, SIGABRT, 0));
}

static int filter_calls(int socket, caption_error *err)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
    int failed = filter ? allow_plain(filter) : -ENOMEM;
    if (!failed)
        failed = allow_socket(filter, socket);
    if (!failed)
        failed = allow_memory(filter);
    if (!failed)
        failed = allow_abort(filter);
    if (!failed)
        failed = seccomp_load(filter);
    seccomp_release(filter);
    return failed ? caption_fail(err, CAPTION_EIO, "the filter of system calls (seccomp): %s", strerror(-failed))
                  : CAPTION_OK;
}

/* ---- all of it --------------------------------------------------------------------------------------------------- */

/* Ctrl-C and service managers signal the whole group; a helper lives as long as the daemon finishes requests. */
static void ignore_signals(void)
{
    static const int ours[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGXFSZ, SIGUSR1, SIGUSR2};
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        signal(ours[i], SIG_IGN);
}

/* What a decoder might print is nobody's business: the log's lines are the daemon's. */
static int silence(caption_error *err)
{
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    int failed = nothing < 0 || dup2(nothing, STDERR_FILENO) < 0;
    if (nothing > STDERR_FILENO)
        close(nothing);
    return failed ? caption_fail(err, CAPTION_EIO, "/dev/null: %s", strerror(errno)) : CAPTION_OK;
}

int lockdown(int socket, size_t memory, caption_error *err)
{
    ignore_signals();
    prctl(PR_SET_DUMPABLE, 0); /* no other process of the same user looks into it */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL))
        return caption_fail(err, CAPTION_EIO, "PR_SET_PDEATHSIG: %s", strerror(errno));
    if (lockdown_left_out())
        return CAPTION_OK;
    int status = silence(err);
    if (!status)
        status = limit_all(memory, err);
    return status ? status : filter_calls(socket, err);
}
