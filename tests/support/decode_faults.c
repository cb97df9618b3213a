/* decode_faults.c: see decode_faults.h. */
#include "tests/support/decode_faults.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static int crash(helper_memory *memory)
{
    static int *volatile nowhere;
    (void)memory;
    return *nowhere;
}

static int give_up(helper_memory *memory)
{
    (void)memory;
    abort();
}

static int leave(helper_memory *memory)
{
    (void)memory;
    _exit(0);
}

static int loop(helper_memory *memory)
{
    volatile int forever = 1;
    (void)memory;
    while (forever)
        continue;
    return 0;
}

/* Takes a while, then decodes. */
static int dawdle(helper_memory *memory)
{
    struct timespec used;
    long ms, began = -1;
    (void)memory;
    do {
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
        ms = used.tv_sec * 1000 + used.tv_nsec / 1000000;
        began = began < 0 ? ms : began;
    } while (ms - began < 150);
    return 0;
}

static int open_file(helper_memory *memory)
{
    (void)memory;
    return open("/etc/passwd", O_RDONLY) >= 0;
}

static int make_file(helper_memory *memory)
{
    (void)memory;
    return open("/tmp/captiond-was-here", O_WRONLY | O_CREAT, 0600) >= 0;
}

static int connect_out(helper_memory *memory)
{
    const struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(80), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    (void)memory;
    return connect(socket(AF_INET, SOCK_STREAM, 0), (const struct sockaddr *)&to, sizeof to);
}

static int run_program(helper_memory *memory)
{
    char *const arguments[] = {(char *)"true", NULL};
    (void)memory;
    return execv("/bin/true", arguments);
}

/* Of nobody's harm where nothing forbids it. */
static int send_signal(helper_memory *memory)
{
    (void)memory;
    return kill(getppid(), 0);
}

static int be_traced(helper_memory *memory)
{
    (void)memory;
    return (int)ptrace(PTRACE_TRACEME, 0, 0, 0);
}

static int map_code(helper_memory *memory)
{
    (void)memory;
    return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED;
}

static int raise_limit(helper_memory *memory)
{
    const struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
    (void)memory;
    return setrlimit(RLIMIT_AS, &all);
}

/* A process of its own is not to be had; the image decodes all the same. */
static int multiply(helper_memory *memory)
{
    (void)memory;
    if (fork() >= 0)
        loop(memory);
    return 0;
}

/* Answers with a size that is not there. */
static int lie(helper_memory *memory)
{
    memory->image.width = -1;
    memory->answer.width = memory->answer.height = 1 << 30;
    return 1;
}

/* As much as the cage gives. */
static int devour(helper_memory *memory)
{
    enum { BITE = 1 << 20 };
    for (void *p; (p = malloc(BITE)) != NULL;)
        memset(p, 1, BITE);
    memory->answer.status = CAPTION_ENOMEM;
    return 1;
}

static const struct {
    const char *name;
    int (*commit)(helper_memory *memory);
} faults[] = {
    {"crash", crash},       {"abort", give_up},    {"exit", leave},       {"loop", loop},
    {"dawdle", dawdle},     {"open", open_file},   {"create", make_file}, {"connect", connect_out},
    {"exec", run_program},  {"kill", send_signal}, {"ptrace", be_traced}, {"code", map_code},
    {"limit", raise_limit}, {"fork", multiply},    {"lie", lie},          {"devour", devour},
};

int decode_faults(helper_memory *memory, const unsigned char *file, size_t size)
{
    const size_t mark = strlen(DECODE_FAULT_MARK);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        const size_t length = strlen(faults[i].name);
        if (size > mark + length && memcmp(file + size - length, faults[i].name, length) == 0 &&
            memcmp(file + size - length - mark, DECODE_FAULT_MARK, mark) == 0)
            return faults[i].commit(memory);
    }
    return 0;
}
