/* watch.h: a thread's large products can be given up, so that a training step that takes many seconds ends soon after
 * its caller wants to stop.
 *
 *     watch w = {stop, context};
 *     watch_begin(&w);
 *     loss = decoder_loss_f(...);
 *     watch_end();
 *     if (w.stopped) ... nothing that was computed may be used
 *
 * Inside the scope, `stop` is asked before each float product of gemm.h, and between the parts of one that takes longer
 * than a fraction of a second. From the first yes on, products count as 0, so that what is left of the step is cheap
 * and has no surprising numbers. What is cut into parts depends on its size alone, so the same step gives the same
 * bits.
 *
 * The scope is a thread-local pointer for the reason that mixed.h gives. */
#ifndef CAPTION_KERNELS_WATCH_H
#define CAPTION_KERNELS_WATCH_H

#include <cblas.h>

typedef struct watch {
    int (*stop)(void *context); /* NULL: never */
    void *context;
    int stopped; /* it has said yes */
} watch;

/* From here to watch_end, which is to come on the same thread before another begin. */
void watch_begin(watch *w);
void watch_end(void);

/* For gemm.h: are this thread's products given up? Asks. */
int watch_stopped(void);

/* The most multiplications between two questions, in whole multiples of so many rows, at least one: each part copies B
 * anew, and BLAS takes rows in groups of 4 to 24, of which a part should leave none over. */
enum { WATCH_ROWS = 192 };
static const double watch_most_multiplications = 2e9;

/* C = op(A) op(B) + beta C, row-major, as cblas_sgemm; beta is 0 or 1. */
void watch_sgemm(CBLAS_TRANSPOSE op_a, CBLAS_TRANSPOSE op_b, int m, int n, int k, const float *a, int lda,
                 const float *b, int ldb, float beta, float *c, int ldc);

#endif
