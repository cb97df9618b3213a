/* init.c: what must be settled once, before any work: the BLAS's threads and memory, and the SIMD kernels.
 *
 * OpenBLAS takes a buffer for each thread that multiplies, when it first does, keeps it for the next one, and if there
 * is no memory for it tries again for ever. So the buffers are taken beforehand, each only after a mapping of its size
 * was made and given back. */
#include <cblas.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "model/caption.h"
#include "model/image/image_colour.h"
#include "model/image/image_hevc.h"
#include "model/image/image_tiff.h"
#include "model/kernels/cpu.h"

enum { BUFFER_BYTES = 160 << 20 }; /* OpenBLAS's have 128 MiB on x86-64; address space, of which little is used */

/* Exported by OpenBLAS, though in no header: a buffer of its pool, which it would take within a product. */
void *blas_memory_alloc(int position);
void blas_memory_free(void *buffer);

void caption_init(void)
{
    openblas_set_num_threads(1);
    cpu_choose_kernels();
    image_colour_prepare();
#ifdef CAPTION_WITH_HEIF
    image_hevc_register();
#endif
#ifdef CAPTION_WITH_TIFF
    image_tiff_prepare();
#endif
}

static int has_room(void)
{
    void *probe = mmap(NULL, BUFFER_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return probe != MAP_FAILED && munmap(probe, BUFFER_BYTES) == 0;
}

int caption_reserve(int threads, caption_error *err)
{
    enum { POSITION = 0 };
    int n = 0;
    void **buffers = calloc((size_t)threads, sizeof *buffers);
    while (buffers && n < threads && has_room())
        buffers[n++] = blas_memory_alloc(POSITION);
    for (int i = 0; i < n; i++)
        blas_memory_free(buffers[i]);
    free(buffers);
    return n == threads
               ? CAPTION_OK
               : caption_fail(err, CAPTION_ENOMEM, "out of memory for the matrix products of %d threads", threads);
}

const char *caption_blas_name(void)
{
    return openblas_get_corename();
}

static int blas_has_avx2(void)
{
    static const char *const cores[] = {"Haswell", "Zen", "Excavator", "SkylakeX", "Cooperlake", "SapphireRapids"};
    for (size_t i = 0; i < sizeof cores / sizeof *cores; i++)
        if (strcmp(caption_blas_name(), cores[i]) == 0)
            return 1;
    return 0;
}

const char *caption_blas_advice(void)
{
    const char *simd = caption_simd_name();
    if (blas_has_avx2())
        return NULL;
    return strcmp(simd, "avx512") == 0 ? "SkylakeX" : strcmp(simd, "avx2") == 0 ? "Haswell" : NULL;
}
