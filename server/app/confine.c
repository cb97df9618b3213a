/* confine.c: see confine.h.
 *
 * The lists are short on purpose and say why each entry is there. A file that is not in them is EACCES, a system call
 * that is not is EPERM: a fault of the lists costs an answer, not the daemon. Sanitizers do things of their own, so
 * builds with one leave the system calls alone. */
#include "server/app/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "server/engine/weights.h"

/* ---- files ---------------------------------------------------------------------------------------------------------
 */

/* Of newer kernels than the headers know. */
enum { ACCESS_REFER = 1 << 13, ACCESS_TRUNCATE = 1 << 14, ACCESS_IOCTL_DEVICE = 1 << 15, NET_CONNECT = 1 << 1 };

enum {
    READ = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR,
    EXECUTE = LANDLOCK_ACCESS_FS_EXECUTE,
    REMOVE = LANDLOCK_ACCESS_FS_REMOVE_FILE,
    WRITE = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | REMOVE | LANDLOCK_ACCESS_FS_MAKE_DIR |
            LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SYM | ACCESS_REFER | ACCESS_TRUNCATE,
    ALL = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1,
    OF_FILES = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | EXECUTE | ACCESS_TRUNCATE,
};

/* As landlock_ruleset_attr of version 4; the kernel is told how much of it is meant. */
typedef struct ruleset_attributes {
    uint64_t files, net;
} ruleset_attributes;

typedef struct ruleset {
    int fd;
    uint64_t handled;
} ruleset;

/* A path that is not there needs no rule. */
static int allow(const ruleset *r, const char *path, uint64_t access)
{
    struct stat facts;
    struct landlock_path_beneath_attr rule = {.parent_fd = open(path, O_PATH | O_CLOEXEC)};
    if (rule.parent_fd < 0)
        return 0;
    rule.allowed_access = access & r->handled;
    if (fstat(rule.parent_fd, &facts) == 0 && !S_ISDIR(facts.st_mode))
        rule.allowed_access &= OF_FILES;
    int failed =
        rule.allowed_access ? (int)syscall(SYS_landlock_add_rule, r->fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) : 0;
    close(rule.parent_fd);
    return failed;
}

/* The directory that a file is in. */
static int allow_around(const ruleset *r, const char *path, uint64_t access)
{
    char directory[PATH_MAX];
    if (snprintf(directory, sizeof directory, "%s", path) >= (int)sizeof directory)
        return -1;
    char *slash = strrchr(directory, '/');
    if (slash)
        slash[slash == directory] = '\0';
    return allow(r, slash ? directory : ".", access);
}

static int allow_system(const ruleset *r)
{
    static const struct {
        const char *path;
        uint64_t access;
    } all[] = {
        {"/usr/lib", READ | EXECUTE}, /* for processes that it starts: the loader and libraries */
        {"/lib", READ | EXECUTE},
        {"/lib64", READ | EXECUTE},
        {"/usr/local/lib", READ | EXECUTE},
        {"/etc/ld.so.cache", READ},
        {"/etc/localtime", READ},
        {"/usr/share/zoneinfo", READ},
        {"/proc", READ},                   /* its own memory and files, for /metrics; /proc/self/exe */
        {"/sys/devices/system/cpu", READ}, /* how many there are */
        {"/sys/fs/cgroup", READ},
        {"/dev/null", READ | WRITE},
        {"/dev/urandom", READ},
    };
    int failed = 0;
    for (size_t i = 0; i < sizeof all / sizeof *all && !failed; i++)
        failed = allow(r, all[i].path, all[i].access);
    return failed;
}

/* As weights.h finds it, though not first. */
static int stands_here(const char *model)
{
    char file[NAME_MAX + 1];
    return snprintf(file, sizeof file, "%s.safetensors", model) < (int)sizeof file && access(file, F_OK) == 0;
}

/* Directories of files that may be given by path in a list. */
static int allow_models(const ruleset *r, const char *models)
{
    char list[8192], *rest = NULL;
    int failed = 0;
    snprintf(list, sizeof list, "%s", models ? models : "");
    for (char *name = strtok_r(list, ",", &rest); name && !failed; name = strtok_r(NULL, ",", &rest))
        if (strchr(name, '/') || strstr(name, ".safetensors") || stands_here(name))
            failed = allow_around(r, name, READ);
    return failed;
}

/* It is read again on SIGHUP, when another file may stand there: editors and Kubernetes replace it. */
static int allow_key_file(const ruleset *r, const char *path)
{
    char real[PATH_MAX];
    int failed = allow_around(r, path, LANDLOCK_ACCESS_FS_READ_FILE);
    return failed || !realpath(path, real) ? failed : allow_around(r, real, LANDLOCK_ACCESS_FS_READ_FILE);
}

static int allow_own(const ruleset *r, const config *c, const char *data)
{
    char path[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    path[length > 0 ? length : 0] = '\0';
    int failed = length > 0 ? allow_around(r, path, READ | EXECUTE) : 0;
    if (!failed && weights_directory(&c->weights, path, NULL) == CAPTION_OK)
        failed = allow(r, path, READ);
    if (!failed && c->weights.encoder)
        failed = allow_around(r, c->weights.encoder, READ);
    if (!failed)
        failed = allow_models(r, c->models);
    if (!failed)
        failed = allow_models(r, c->model);
    if (!failed && c->training_root)
        failed = allow(r, c->training_root, READ);
    if (!failed && c->listen && strchr(c->listen, '/')) /* its socket goes when it ends */
        failed = allow_around(r, strchr(c->listen, '/'), REMOVE | LANDLOCK_ACCESS_FS_MAKE_SOCK);
    if (!failed && c->admin_listen && strchr(c->admin_listen, '/'))
        failed = allow_around(r, strchr(c->admin_listen, '/'), REMOVE | LANDLOCK_ACCESS_FS_MAKE_SOCK);
    if (!failed && c->key_file)
        failed = allow_key_file(r, c->key_file);
    if (!failed && data)
        failed = allow(r, data, READ | WRITE);
    return failed;
}

static int give_up_files(const config *c, const char *data)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (version < 1)
        return -1;
    ruleset r = {.handled = ALL};
    r.handled |= version >= 2 ? ACCESS_REFER : 0;
    r.handled |= version >= 3 ? ACCESS_TRUNCATE : 0;
    r.handled |= version >= 5 ? ACCESS_IOCTL_DEVICE : 0;
    const ruleset_attributes attributes = {.files = r.handled, .net = NET_CONNECT};
    const size_t size = version >= 4 ? sizeof attributes : sizeof attributes.files;
    r.fd = (int)syscall(SYS_landlock_create_ruleset, &attributes, size, 0);
    if (r.fd < 0)
        return -1;
    int failed = allow_system(&r) || allow_own(&r, c, data) || syscall(SYS_landlock_restrict_self, r.fd, 0) != 0;
    int error = errno;
    close(r.fd);
    errno = error;
    return failed ? -1 : 0;
}

void confine_core_dumps(void)
{
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
}

int confine_files(const config *c, const char *data, caption_error *left_out)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || give_up_files(c, data))
        return caption_fail(left_out, CAPTION_EUNSUPPORTED, "Landlock: %s", strerror(errno));
    return CAPTION_OK;
}

/* ---- system calls
 * ---------------------------------------------------------------------------------------------------- */

static const int allowed[] = {
    /* files that are open, or that Landlock lets it open */
    SCMP_SYS(read),
    SCMP_SYS(write),
    SCMP_SYS(readv),
    SCMP_SYS(writev),
    SCMP_SYS(pread64),
    SCMP_SYS(pwrite64),
    SCMP_SYS(preadv),
    SCMP_SYS(pwritev),
    SCMP_SYS(preadv2),
    SCMP_SYS(pwritev2),
    SCMP_SYS(open),
    SCMP_SYS(openat),
    SCMP_SYS(close),
    SCMP_SYS(close_range),
    SCMP_SYS(stat),
    SCMP_SYS(lstat),
    SCMP_SYS(fstat),
    SCMP_SYS(newfstatat),
    SCMP_SYS(statx),
    SCMP_SYS(statfs),
    SCMP_SYS(fstatfs),
    SCMP_SYS(lseek),
    SCMP_SYS(ftruncate),
    SCMP_SYS(fallocate),
    SCMP_SYS(fadvise64),
    SCMP_SYS(fsync),
    SCMP_SYS(fdatasync),
    SCMP_SYS(syncfs),
    SCMP_SYS(sync_file_range),
    SCMP_SYS(rename),
    SCMP_SYS(renameat),
    SCMP_SYS(renameat2),
    SCMP_SYS(link),
    SCMP_SYS(linkat),
    SCMP_SYS(symlink),
    SCMP_SYS(symlinkat),
    SCMP_SYS(unlink),
    SCMP_SYS(unlinkat),
    SCMP_SYS(mkdir),
    SCMP_SYS(mkdirat),
    SCMP_SYS(rmdir),
    SCMP_SYS(readlink),
    SCMP_SYS(readlinkat),
    SCMP_SYS(access),
    SCMP_SYS(faccessat),
    SCMP_SYS(faccessat2),
    SCMP_SYS(getdents64),
    SCMP_SYS(fcntl),
    SCMP_SYS(flock),
    SCMP_SYS(umask),
    SCMP_SYS(fchmod),
    SCMP_SYS(chmod),
    SCMP_SYS(fchown),
    SCMP_SYS(utimensat),
    SCMP_SYS(dup),
    SCMP_SYS(dup2),
    SCMP_SYS(dup3),
    SCMP_SYS(pipe2),
    SCMP_SYS(getcwd),
    SCMP_SYS(chdir),
    SCMP_SYS(fchdir),
    SCMP_SYS(sendfile),
    SCMP_SYS(copy_file_range),
    SCMP_SYS(memfd_create),
    SCMP_SYS(eventfd2),
    SCMP_SYS(getuid),
    SCMP_SYS(geteuid),
    SCMP_SYS(getgid),
    SCMP_SYS(getegid),
    /* memory, threads, signals, the processes of its own program */
    SCMP_SYS(brk),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    SCMP_SYS(membarrier),
    SCMP_SYS(futex),
    SCMP_SYS(set_robust_list),
    SCMP_SYS(get_robust_list),
    SCMP_SYS(rseq),
    SCMP_SYS(set_tid_address),
    SCMP_SYS(arch_prctl),
    SCMP_SYS(clone),
    SCMP_SYS(clone3),
    SCMP_SYS(vfork),
    SCMP_SYS(execve),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(wait4),
    SCMP_SYS(waitid),
    SCMP_SYS(pidfd_open),
    SCMP_SYS(pidfd_send_signal),
    SCMP_SYS(getpid),
    SCMP_SYS(getppid),
    SCMP_SYS(gettid),
    SCMP_SYS(kill),
    SCMP_SYS(tgkill),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(rt_sigpending),
    SCMP_SYS(rt_sigsuspend),
    SCMP_SYS(rt_sigtimedwait),
    SCMP_SYS(rt_sigqueueinfo),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(prlimit64),
    SCMP_SYS(getrlimit),
    SCMP_SYS(setrlimit),
    SCMP_SYS(getrusage),
    SCMP_SYS(prctl),
    SCMP_SYS(seccomp),
    SCMP_SYS(sched_yield),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(sched_setaffinity),
    SCMP_SYS(sched_setscheduler),
    SCMP_SYS(sched_getscheduler),
    SCMP_SYS(sched_getparam),
    SCMP_SYS(sched_setparam),
    SCMP_SYS(sched_setattr),
    SCMP_SYS(sched_getattr),
    SCMP_SYS(sched_get_priority_max),
    SCMP_SYS(sched_get_priority_min),
    SCMP_SYS(setpriority),
    SCMP_SYS(getpriority),
    SCMP_SYS(ioprio_set),
    SCMP_SYS(ioprio_get),
    SCMP_SYS(getrandom),
    SCMP_SYS(uname),
    SCMP_SYS(sysinfo),
    SCMP_SYS(getcpu),
    /* time */
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_getres),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(nanosleep),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(time),
    SCMP_SYS(timerfd_create),
    SCMP_SYS(timerfd_settime),
    SCMP_SYS(timerfd_gettime),
    /* connections that came to it; no new ones but to the service manager's socket */
    SCMP_SYS(accept),
    SCMP_SYS(accept4),
    SCMP_SYS(sendto),
    SCMP_SYS(recvfrom),
    SCMP_SYS(sendmsg),
    SCMP_SYS(recvmsg),
    SCMP_SYS(sendmmsg),
    SCMP_SYS(recvmmsg),
    SCMP_SYS(shutdown),
    SCMP_SYS(getsockopt),
    SCMP_SYS(setsockopt),
    SCMP_SYS(getsockname),
    SCMP_SYS(getpeername),
    SCMP_SYS(epoll_create1),
    SCMP_SYS(epoll_ctl),
    SCMP_SYS(epoll_wait),
    SCMP_SYS(epoll_pwait),
    SCMP_SYS(epoll_pwait2),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(select),
    SCMP_SYS(pselect6),
    SCMP_SYS(socketpair),
};

static int allow_plain(scmp_filter_ctx filter)
{
    int failed = 0;
    for (size_t i = 0; i < sizeof allowed / sizeof *allowed && !failed; i++)
        failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
    return failed;
}

/* Sockets of this machine alone; of ioctl, what asks how much there is to read and whether it is a terminal. */
static int allow_some(scmp_filter_ctx filter)
{
    static const unsigned long requests[] = {FIONREAD, FIONBIO, TIOCOUTQ, TCGETS, TIOCGWINSZ};
    int failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_EQ, AF_UNIX, 0));
    if (!failed)
        failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(connect), 0);
    for (size_t i = 0; i < sizeof requests / sizeof *requests && !failed; i++)
        failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1, SCMP_A1(SCMP_CMP_EQ, requests[i], 0));
    return failed;
}

/* Memory is written or run, never both. */
static int allow_memory(scmp_filter_ctx filter)
{
    static const int calls[] = {SCMP_SYS(mmap), SCMP_SYS(mprotect)};
    static const int without[] = {PROT_WRITE, PROT_EXEC};
    int failed = 0;
    for (int i = 0; i < 2; i++)
        for (int k = 0; k < 2 && !failed; k++)
            failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 1,
                                      SCMP_A2(SCMP_CMP_MASKED_EQ, (scmp_datum_t)without[k], 0));
    return failed;
}

static int filter_calls(void)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    int failed = filter ? seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1) : -ENOMEM;
    if (!failed)
        failed = allow_plain(filter);
    if (!failed)
        failed = allow_some(filter);
    if (!failed)
        failed = allow_memory(filter);
    if (!failed)
        failed = seccomp_load(filter);
    if (filter)
        seccomp_release(filter);
    return failed;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { HAS_SANITIZER = 1 };
#else
enum { HAS_SANITIZER = 0 };
#endif

int confine_calls(caption_error *left_out)
{
    if (HAS_SANITIZER)
        return caption_fail(left_out, CAPTION_EUNSUPPORTED, "seccomp: this build has a sanitizer");
    int failed = filter_calls();
    return failed ? caption_fail(left_out, CAPTION_EUNSUPPORTED, "seccomp: %s", strerror(-failed)) : CAPTION_OK;
}
