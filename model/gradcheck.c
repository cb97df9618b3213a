/* gradcheck.c: runs the gradient check; see gradcheck.h. What is checked stands in gradcheck_layers.c and
 * gradcheck_captioners.c, how a derivative is taken in numeric_gradient.h. Compiled in double. */
#include "model/gradcheck.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "model/gradcheck_subject.h"
#include "model/numeric_gradient.h"
#include "model/random.h"
#include "model/vocabulary.h"

enum { MAX_DRAWS = 1000 };

/* A subject while it is checked. */
typedef struct trial {
    const gradcheck_subject *subject;
    gradcheck_bench bench;
    size_t inputs;           /* numbers in all inputs together */
    double *numeric, *spare; /* the numeric gradient of one input; room for the outputs */
    arena numbers;           /* the arrays of bench and those above */
} trial;

/* Lays out the subject's arrays. */
static int prepare(trial *t, const gradcheck_subject *s, caption_error *err)
{
    gradcheck_bench *b = &t->bench;
    t->subject = s;
    t->inputs = 0;
    for (int i = 0; s->input[i].name; i++)
        t->inputs += s->input[i].size;
    size_t bytes = 3 * (arena_slice(t->inputs, sizeof(double)) + arena_slice(s->outputs, sizeof(double)));
    int status = arena_reserve(&t->numbers, bytes, err);
    if (status != CAPTION_OK)
        return status;
    double *in = arena_take(&t->numbers, t->inputs, sizeof *in);
    double *gradient = arena_take(&t->numbers, t->inputs, sizeof *gradient);
    t->numeric = arena_take(&t->numbers, t->inputs, sizeof *t->numeric);
    b->out = arena_take(&t->numbers, s->outputs, sizeof *b->out);
    b->dout = arena_take(&t->numbers, s->outputs, sizeof *b->dout);
    t->spare = arena_take(&t->numbers, s->outputs, sizeof *t->spare);
    for (int i = 0; s->input[i].name; in += s->input[i].size, gradient += s->input[i].size, i++) {
        b->in[i] = in;
        b->gradient[i] = gradient;
    }
    return CAPTION_OK;
}

static void draw(random_stream *random, size_t n, double *x)
{
    for (size_t i = 0; i < n; i++)
        x[i] = 2 * random_uniform(random) - 1;
}

/* Draws the subject's numbers and runs it backward. Returns the smallest gradient that is not exactly zero. */
static double draw_and_run(trial *t, random_stream *random)
{
    gradcheck_bench *b = &t->bench;
    double smallest = INFINITY;
    draw(random, t->inputs, b->in[0]);
    draw(random, t->subject->outputs, b->dout);
    if (t->subject->outputs == 1)
        b->dout[0] = 1;
    for (int i = 0; i < GRADCHECK_IDS; i++)
        b->ids[i] = i % 5 == 4 ? VOCABULARY_NULL : 1 + (int)random_below(random, GRADCHECK_V - 1);
    memset(b->gradient[0], 0, t->inputs * sizeof(double));
    arena_reset(&b->scratch);
    t->subject->backward(b);
    for (size_t i = 0; i < t->inputs; i++)
        if (b->gradient[0][i] != 0)
            smallest = fmin(smallest, fabs(b->gradient[0][i]));
    return smallest;
}

static void evaluate(void *context)
{
    trial *t = context;
    arena_reset(&t->bench.scratch);
    t->subject->forward(&t->bench);
}

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

typedef struct listener {
    int (*report)(void *context, const caption_gradcheck *check);
    void *context;
} listener;

/* Compares the gradient of the i-th input; returns what the listener does. */
static int check_input(trial *t, int i, const listener *to)
{
    double start = seconds_now();
    const gradcheck_subject *s = t->subject;
    const numeric_function f = {evaluate, t, s->outputs, t->bench.out, t->bench.dout};
    numeric_gradient(&f, s->input[i].size, t->bench.in[i], s->step, t->numeric, t->spare);
    char name[64];
    snprintf(name, sizeof name, "%s.%s", s->layer, s->input[i].name);
    caption_gradcheck check = {
        .name = name,
        .max_relative_error = numeric_relative_error(s->input[i].size, t->bench.gradient[i], t->numeric),
        .threshold = s->input[i].threshold,
    };
    check.passed = check.max_relative_error <= check.threshold;
    check.seconds = seconds_now() - start;
    return to->report(to->context, &check);
}

/* Where a gradient happens to vanish almost, a relative error measures the rounding of the forward pass, so such
 * numbers are drawn again: 1e-4 leaves room for an error of 1e-8 above rounding of about 1e-13. A backward pass that is
 * always that small is compared all the same. */
static int check_subject(trial *t, const gradcheck_subject *s, uint64_t seed, const listener *to, caption_error *err)
{
    int status = prepare(t, s, err);
    if (status != CAPTION_OK)
        return status;
    random_stream random = random_seeded(seed);
    for (int draws = 0; draws < MAX_DRAWS && draw_and_run(t, &random) < 1e-4; draws++)
        ;
    for (int i = 0; s->input[i].name; i++)
        if (check_input(t, i, to))
            return caption_fail(err, CAPTION_ECANCELLED, "gradient check stopped by its caller");
    return CAPTION_OK;
}

/* The i-th subject of all tables, or NULL past the last. */
static const gradcheck_subject *subject_at(size_t i)
{
    size_t layers = 0;
    while (gradcheck_layer(layers))
        layers++;
    return i < layers ? gradcheck_layer(i) : gradcheck_captioner(i - layers);
}

int caption_gradcheck_run(uint64_t seed, const char *layer,
                          int (*report)(void *context, const caption_gradcheck *check), void *context,
                          caption_error *err)
{
    const listener to = {report, context};
    const gradcheck_subject *s;
    trial t = {0};
    int found = 0, status = arena_reserve(&t.bench.scratch, GRADCHECK_SCRATCH, err);
    for (size_t i = 0; (s = subject_at(i)) && status == CAPTION_OK; i++) {
        if (layer && strcmp(layer, s->layer))
            continue;
        found = 1;
        status = check_subject(&t, s, random_mix(seed + i), &to, err);
    }
    if (status == CAPTION_OK && !found)
        status = caption_fail(err, CAPTION_EINVAL, "no gradient check is called \"%s\"", layer);
    arena_free(&t.bench.scratch);
    arena_free(&t.numbers);
    return status;
}
