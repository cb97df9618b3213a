/* fail_malloc.c: an allocator that fails when it is told to; for LD_PRELOAD.
 *
 * The file $CAPTIOND_TEST_MALLOC holds a `fail_malloc` (fail_malloc.h), which the test maps, too: it says which of the
 * allocations to come fails, and counts. Without the variable, and before it is looked at, everything is as ever. */
#include "tests/preload/fail_malloc.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static fail_malloc *control;

__attribute__((constructor)) static void find_control(void)
{
    const char *path = getenv("CAPTIOND_TEST_MALLOC");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    void *map = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (map != MAP_FAILED)
        control = map;
}

/* Two libraries take what malloc gives without a look, and there is no way round it: OpenBLAS's kernels for small
 * products crash, and libseccomp makes a filter that lacks what it had no memory for. */
static int is_careless(const void *caller)
{
    Dl_info facts;
    return dladdr(caller, &facts) && facts.dli_fname &&
           (strstr(facts.dli_fname, "libopenblas") || strstr(facts.dli_fname, "libseccomp"));
}

/* 1 if this one is to fail. */
static int fails(const void *caller)
{
    if (!control || !atomic_load(&control->armed) || is_careless(caller))
        return 0;
    long n = atomic_fetch_add(&control->seen, 1) + 1, every = atomic_load(&control->every);
    int now = n == atomic_load(&control->nth) || (every > 0 && n % every == 0);
    if (now) {
        atomic_fetch_add(&control->failed, 1);
        errno = ENOMEM;
    }
    return now;
}

void *malloc(size_t size)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_calloc(n, size);
}

void *realloc(void *old, size_t size)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_realloc(old, size);
}

void *memalign(size_t alignment, size_t size)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return memalign(alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
    void *memory = memalign(alignment, size);
    if (memory)
        *out = memory;
    return memory ? 0 : ENOMEM;
}
