/* optimizer.c: Adam with clipping of the gradient's norm, decoupled weight decay and a moving average of the weights
 * (optimizer.h). */
#include "model/training/optimizer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LANES = 16 }; /* independent sums, so that the compiler may vectorise without reordering one sum */

optimizer_options optimizer_defaults(void)
{
    return (optimizer_options){.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8};
}

int optimizer_init(optimizer *o, const optimizer_options *options, size_t n, const float *parameters,
                   caption_error *err)
{
    *o = (optimizer){.options = *options, .n = n};
    o->first = calloc(n, sizeof *o->first);
    o->second = calloc(n, sizeof *o->second);
    if (options->average > 0)
        o->average = calloc(n, sizeof *o->average);
    if (!o->first || !o->second || (options->average > 0 && !o->average)) {
        optimizer_free(o);
        return caption_fail(err, CAPTION_ENOMEM, "out of memory for the optimizer of %zu parameters", n);
    }
    if (o->average)
        memcpy(o->average, parameters, n * sizeof *parameters);
    return CAPTION_OK;
}

void optimizer_free(optimizer *o)
{
    free(o->first);
    free(o->second);
    free(o->average);
    *o = (optimizer){0};
}

static double norm(size_t n, const float *x)
{
    double lanes[LANES] = {0}, sum = 0;
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t lane = 0; lane < LANES; lane++)
            lanes[lane] += (double)x[i + lane] * (double)x[i + lane];
    for (; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    for (size_t lane = 0; lane < LANES; lane++)
        sum += lanes[lane];
    return sqrt(sum);
}

/* The factors of one step, the same for every parameter. */
struct factors {
    float clip;            /* of the gradient */
    float beta1, beta2;    /* decay of the moments */
    float share1, share2;  /* 1 - beta, rounded once: in float 1 - 0.999f is off by 1e-5 */
    float rate;            /* learning rate / (1 - beta1^t) */
    float correction;      /* 1 / (1 - beta2^t) */
    float epsilon, shrink; /* shrink: 1 - learning rate * weight decay */
};

static struct factors step_factors(const optimizer *o, double learning_rate, double gradient_norm)
{
    const optimizer_options *x = &o->options;
    double t = (double)o->steps;
    return (struct factors){
        .clip = x->clip > 0 && gradient_norm > x->clip ? (float)(x->clip / gradient_norm) : 1.0f,
        .beta1 = (float)x->beta1,
        .beta2 = (float)x->beta2,
        .share1 = (float)(1 - x->beta1),
        .share2 = (float)(1 - x->beta2),
        .rate = (float)(learning_rate / (1 - pow(x->beta1, t))),
        .correction = (float)(1 / (1 - pow(x->beta2, t))),
        .epsilon = (float)x->epsilon,
        .shrink = (float)(1 - learning_rate * x->weight_decay),
    };
}

/* rates [n]: or NULL. */
static void adam(size_t n, struct factors f, const float *restrict rates, float *restrict parameters,
                 const float *restrict gradients, float *restrict first, float *restrict second)
{
    for (size_t i = 0; i < n; i++) {
        float g = gradients[i] * f.clip;
        float m = f.beta1 * first[i] + f.share1 * g;
        float v = f.beta2 * second[i] + f.share2 * g * g;
        first[i] = m;
        second[i] = v;
        parameters[i] =
            f.shrink * parameters[i] - f.rate * (rates ? rates[i] : 1) * m / (sqrtf(v * f.correction) + f.epsilon);
    }
}

static void follow(size_t n, float decay, float *restrict average, const float *restrict parameters)
{
    for (size_t i = 0; i < n; i++)
        average[i] += (1 - decay) * (parameters[i] - average[i]);
}

double optimizer_step(optimizer *o, double learning_rate, float *parameters, const float *gradients)
{
    enum { BLOCK = 4096 }; /* the average follows while the block is still in the cache: one pass over memory */
    double gradient_norm = norm(o->n, gradients), t = (double)++o->steps;
    float decay = (float)fmin(o->options.average, (1 + t) / (10 + t));
    struct factors f = step_factors(o, learning_rate, gradient_norm);
    for (size_t i = 0; i < o->n; i += BLOCK) {
        size_t n = o->n - i < BLOCK ? o->n - i : BLOCK;
        adam(n, f, o->rates ? o->rates + i : NULL, parameters + i, gradients + i, o->first + i, o->second + i);
        if (o->average)
            follow(n, decay, o->average + i, parameters + i);
    }
    return gradient_norm;
}
