/* optimizer.h: Adam over one flat parameter vector (Kingma & Ba 2015), with what goes with it in every step.
 *
 *     g      = gradient * min(1, clip / |gradient|)                 global-norm clipping (Pascanu et al. 2013)
 *     m      = beta1 m + (1 - beta1) g          v = beta2 v + (1 - beta2) g^2
 *     p      = p - rate (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon) - rate decay p      decoupled decay
 *     a      = d a + (1 - d) p,  d = min(average, (1 + t) / (10 + t))  moving average of the weights, quick at first
 *
 * One pass reads and writes each vector once: the step is bound by memory, not arithmetic. The members are open because
 * a checkpoint keeps them. An optimizer belongs to one thread. */
#ifndef CAPTION_OPTIMIZER_H
#define CAPTION_OPTIMIZER_H

#include <stddef.h>

#include "model/error.h"

typedef struct optimizer_options {
    double beta1, beta2, epsilon;
    double weight_decay; /* 0 = none */
    double clip;         /* largest gradient norm; 0 = no clipping */
    double average;      /* decay of the moving average of the weights; 0 = no average is kept */
} optimizer_options;

/* 0.9, 0.999, 1e-8; no decay, no clipping, no average. */
optimizer_options optimizer_defaults(void);

typedef struct optimizer {
    optimizer_options options;
    size_t n;              /* parameters */
    long steps;            /* t: steps done */
    float *first, *second; /* [n] m and v */
    float *average;        /* [n] a, or NULL */
    const float *rates;    /* [n] what each parameter's rate is multiplied by; borrowed; NULL: all 1 */
} optimizer;

/* Moments at zero, the average at `parameters` [n]. The caller frees. */
int optimizer_init(optimizer *o, const optimizer_options *options, size_t n, const float *parameters,
                   caption_error *err);
void optimizer_free(optimizer *o);

/* One step on parameters [n] along gradients [n]; returns the norm of the gradients before clipping. */
double optimizer_step(optimizer *o, double learning_rate, float *parameters, const float *gradients);

#endif
