/* init.c: what must be settled once, before any work: the BLAS's threads and the SIMD kernels. */
#include <cblas.h>

#include "model/caption.h"
#include "model/kernels/cpu.h"

void caption_init(void)
{
    openblas_set_num_threads(1);
    cpu_choose_kernels();
}

const char *caption_blas_name(void)
{
    return openblas_get_corename();
}
