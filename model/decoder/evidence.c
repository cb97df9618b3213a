/* evidence.c: gated evidence of concepts for their words, and its gradients (equations in evidence.h). Compiled twice
 * (real.h). */
#include "model/decoder/evidence.h"

#include <math.h>
#include <string.h>

static const real LEAST = (real)1e-4;

static real logit(real p)
{
    const real cut = p < LEAST ? LEAST : p > 1 - LEAST ? 1 - LEAST : p;
    return (real)log((double)(cut / (1 - cut)));
}

void X(evidence_forward)(int concepts, int images, const X(evidence_weights) *w, const real *p, real *e)
{
    for (int i = 0; i < images; i++, p += concepts, e += concepts)
        for (int c = 0; c < concepts; c++)
            e[c] = w->scale[c] * logit(p[c]) + w->offset[c];
}

void X(evidence_backward)(int concepts, int images, const X(evidence_weights) *w, const real *p, const real *de,
                          real *dp, const X(evidence_gradients) *dw)
{
    for (int i = 0; i < images; i++)
        for (int c = 0; c < concepts; c++) {
            const size_t at = (size_t)i * (size_t)concepts + (size_t)c;
            if (dw->scale) {
                dw->scale[c] += de[at] * logit(p[at]);
                dw->offset[c] += de[at];
            }
            if (dp && p[at] > LEAST && p[at] < 1 - LEAST)
                dp[at] += de[at] * w->scale[c] / (p[at] * (1 - p[at]));
        }
}

static real dot(int n, const real *a, const real *b)
{
    real sum = 0;
    for (int i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static void add_scaled(int n, real factor, const real *x, real *y)
{
    for (int i = 0; i < n; i++)
        y[i] += factor * x[i];
}

void X(evidence_add)(const decoder_shape *s, const X(evidence_weights) *w, const real *e, const int *words, int rows,
                     const int *image, const real *z, real *gate, real *scores)
{
    for (int r = 0; r < rows; r++, scores += s->vocabulary) {
        const real *of_image = e + (size_t)image[r] * (size_t)s->concepts;
        gate[r] = (real)(1 / (1 + exp(-(double)(dot(s->hidden, z + (size_t)r * s->hidden, w->w_gate) + *w->b_gate))));
        for (int c = 0; c < s->concepts; c++)
            scores[words[c]] += gate[r] * of_image[c];
    }
}

void X(evidence_add_backward)(const decoder_shape *s, const X(evidence_weights) *w, const real *e, const int *words,
                              int rows, const int *image, const real *z, const real *gate, const real *dscores,
                              int images, real *de, real *dz, const X(evidence_gradients) *dw)
{
    memset(de, 0, (size_t)images * (size_t)s->concepts * sizeof *de);
    for (int r = 0; r < rows; r++, dscores += s->vocabulary, z += s->hidden, dz += s->hidden) {
        const size_t at = (size_t)image[r] * (size_t)s->concepts;
        real dgate = 0;
        for (int c = 0; c < s->concepts; c++) {
            const real dscore = dscores[words[c]];
            dgate += dscore * e[at + (size_t)c];
            de[at + (size_t)c] += dscore * gate[r];
        }
        dgate *= gate[r] * (1 - gate[r]);
        add_scaled(s->hidden, dgate, w->w_gate, dz);
        if (!dw->w_gate)
            continue;
        add_scaled(s->hidden, dgate, z, dw->w_gate);
        *dw->b_gate += dgate;
    }
}
