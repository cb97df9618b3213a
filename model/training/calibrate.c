/* calibrate.c: gathers the words of captions, and fits what makes them true. */
#include "model/training/calibrate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { W = CONFIDENCE_WEIGHTS, FEWEST_WORDS = 200, STEPS = 30 };

static const double RIDGE = 1e-2;

struct calibration_word {
    double x[W];
    int is_true;
};

/* Is `word` one of the words of a tokenised caption? */
static int contains(const char *caption, const char *word)
{
    const size_t length = strlen(word);
    for (const char *at = caption; (at = strstr(at, word)); at += length)
        if ((at == caption || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0'))
            return 1;
    return 0;
}

static int is_true(const caption_dataset_image *image, const char *word)
{
    for (size_t k = 0; k < image->n_captions; k++)
        if (contains(image->captions[k], word))
            return 1;
    return 0;
}

int calibration_add(calibration *c, const caption_result *result, const caption_dataset_image *image,
                    caption_error *err)
{
    if (c->n + (size_t)result->words > c->room) {
        const size_t room = 2 * c->room + CAPTION_MAX_WORDS;
        struct calibration_word *words = realloc(c->words, room * sizeof *words);
        if (!words)
            return caption_fail(err, CAPTION_ENOMEM, "out of memory for the words of captions");
        c->words = words;
        c->room = room;
    }
    for (int t = 0; t < result->words; t++) {
        struct calibration_word *word = &c->words[c->n];
        if (!confidence_is_content(result->tokens[t].word))
            continue;
        confidence_evidence(result, t, word->x);
        word->is_true = is_true(image, result->tokens[t].word);
        c->n++;
    }
    return CAPTION_OK;
}

/* Solves a w = b by Gaussian elimination with pivoting; a and b are overwritten. Returns 0 if a is singular. */
static int solve(double a[W][W], double b[W], double w[W])
{
    for (int i = 0; i < W; i++) {
        int pivot = i;
        for (int r = i + 1; r < W; r++)
            if (fabs(a[r][i]) > fabs(a[pivot][i]))
                pivot = r;
        if (fabs(a[pivot][i]) < 1e-12)
            return 0;
        for (int k = 0; k < W; k++) {
            double swap = a[i][k];
            a[i][k] = a[pivot][k];
            a[pivot][k] = swap;
        }
        double swap = b[i];
        b[i] = b[pivot];
        b[pivot] = swap;
        for (int r = i + 1; r < W; r++) {
            const double factor = a[r][i] / a[i][i];
            for (int k = i; k < W; k++)
                a[r][k] -= factor * a[i][k];
            b[r] -= factor * b[i];
        }
    }
    for (int i = W - 1; i >= 0; i--) {
        w[i] = b[i];
        for (int k = i + 1; k < W; k++)
            w[i] -= a[i][k] * w[k];
        w[i] /= a[i][i];
    }
    return 1;
}

/* One step of Newton's method on the log-likelihood less RIDGE/2 |w|^2. */
static int improve(const calibration *c, double w[W])
{
    double hessian[W][W] = {{0}}, gradient[W], step[W];
    for (int i = 0; i < W; i++) {
        hessian[i][i] = RIDGE;
        gradient[i] = -RIDGE * w[i];
    }
    for (size_t n = 0; n < c->n; n++) {
        const double *x = c->words[n].x;
        double sum = 0;
        for (int i = 0; i < W; i++)
            sum += w[i] * x[i];
        const double p = 1 / (1 + exp(-sum));
        for (int i = 0; i < W; i++) {
            gradient[i] += (c->words[n].is_true - p) * x[i];
            for (int k = 0; k < W; k++)
                hessian[i][k] += p * (1 - p) * x[i] * x[k];
        }
    }
    if (!solve(hessian, gradient, step))
        return 0;
    for (int i = 0; i < W; i++)
        w[i] += step[i];
    return 1;
}

confidence calibration_fit(const calibration *c)
{
    confidence fitted = {0};
    if (c->n < FEWEST_WORDS)
        return fitted;
    for (int i = 0; i < STEPS; i++)
        if (!improve(c, fitted.w))
            return (confidence){0};
    fitted.fitted = 1;
    for (int i = 0; i < W; i++)
        fitted.fitted &= isfinite(fitted.w[i]) != 0;
    return fitted;
}

void calibration_free(calibration *c)
{
    free(c->words);
    *c = (calibration){0};
}
