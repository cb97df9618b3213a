/* gradcheck.c: runs the gradient check; see gradcheck.h. What is checked stands in gradcheck_layers.c,
 * gradcheck_captioners.c and gradcheck_encoder.c, how a derivative is taken in numeric_gradient.h. Compiled in double.
 */
#include "model/gradcheck.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "model/decoder/vocabulary.h"
#include "model/gradcheck/gradcheck_subject.h"
#include "model/gradcheck/numeric_gradient.h"
#include "model/random.h"
#include "model/seconds.h"

enum { MAX_DRAWS = 1000, BEFORE = 1 /* what every gradient holds before a backward pass */ };

/* A subject while it is checked. */
typedef struct trial {
    const gradcheck_subject *subject;
    gradcheck_bench bench;
    size_t inputs;           /* numbers in all inputs together */
    double *numeric, *spare; /* the numeric gradient of one input; room for the outputs */
    arena numbers;           /* the arrays of bench and those above */
} trial;

static size_t size_of(const gradcheck_input *input)
{
    size_t size = 1;
    for (int i = 0; i < CAPTION_GRADCHECK_DIMENSIONS && input->shape[i]; i++)
        size *= (size_t)input->shape[i];
    return size;
}

/* Lays out the subject's arrays. */
static int prepare(trial *t, const gradcheck_subject *s, caption_error *err)
{
    gradcheck_bench *b = &t->bench;
    t->subject = s;
    t->inputs = 0;
    for (int i = 0; s->input[i].name; i++)
        t->inputs += size_of(&s->input[i]);
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
    for (int i = 0; s->input[i].name; i++) {
        b->in[i] = in;
        b->gradient[i] = gradient;
        in += size_of(&s->input[i]);
        gradient += size_of(&s->input[i]);
    }
    return CAPTION_OK;
}

static void draw(random_stream *random, size_t n, double *x)
{
    for (size_t i = 0; i < n; i++)
        x[i] = 2 * random_uniform(random) - 1;
}

static void draw_numbers(trial *t, random_stream *random)
{
    gradcheck_bench *b = &t->bench;
    draw(random, t->inputs, b->in[0]);
    draw(random, t->subject->outputs, b->dout);
    if (t->subject->outputs == 1)
        b->dout[0] = 1;
    for (int i = 0; i < GRADCHECK_IDS; i++)
        b->ids[i] = i % 5 == 4 ? VOCABULARY_NULL : 1 + (int)random_below(random, GRADCHECK_V - 1);
}

/* Gradients begin with BEFORE, so that one that is overwritten instead of added to shows, or the reverse; scratch
 * memory begins as NaN, so that what is read before it is written shows. */
static void run_backward(trial *t)
{
    gradcheck_bench *b = &t->bench;
    for (size_t i = 0; i < t->inputs; i++)
        b->gradient[0][i] = BEFORE;
    arena_reset(&b->scratch);
    memset(b->scratch.base, 0xff, b->scratch.size);
    t->subject->backward(b);
    for (int i = 0; t->subject->input[i].name; i++)
        if (t->subject->input[i].manner == ADDS)
            for (size_t j = 0; j < size_of(&t->subject->input[i]); j++)
                b->gradient[i][j] -= BEFORE;
}

/* Of those that are not exactly zero. */
static double smallest_gradient(const trial *t)
{
    double smallest = INFINITY;
    for (size_t i = 0; i < t->inputs; i++)
        if (t->bench.gradient[0][i] != 0)
            smallest = fmin(smallest, fabs(t->bench.gradient[0][i]));
    return smallest;
}

/* Where a gradient happens to vanish almost, a relative error measures the rounding of the forward pass, so such
 * numbers are drawn again: 1e-4 leaves room for an error of 1e-8 above rounding of about 1e-13. A backward pass that is
 * always that small is compared all the same. */
static void draw_and_run(trial *t, uint64_t seed)
{
    random_stream random = random_seeded(seed);
    for (int draws = 0; draws < MAX_DRAWS; draws++) {
        draw_numbers(t, &random);
        run_backward(t);
        if (smallest_gradient(t) >= 1e-4)
            return;
    }
}

static void evaluate(void *context)
{
    trial *t = context;
    arena_reset(&t->bench.scratch);
    t->subject->forward(&t->bench);
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
    const gradcheck_input *input = &s->input[i];
    size_t size = size_of(input);
    const numeric_function f = {evaluate, t, s->outputs, t->bench.out, t->bench.dout};
    numeric_gradient(&f, size, t->bench.in[i], s->step, t->numeric, t->spare);
    char name[64];
    snprintf(name, sizeof name, "%s.%s", s->layer, input->name);
    caption_gradcheck check = {
        .name = name,
        .max_relative_error = numeric_relative_error(size, t->bench.gradient[i], t->numeric),
        .threshold = input->threshold,
    };
    memcpy(check.shape, input->shape, sizeof check.shape);
    check.passed = check.max_relative_error <= check.threshold;
    check.seconds = seconds_now() - start;
    return to->report(to->context, &check);
}

static int check_subject(trial *t, const gradcheck_subject *s, uint64_t seed, const listener *to, caption_error *err)
{
    int status = prepare(t, s, err);
    if (status != CAPTION_OK)
        return status;
    draw_and_run(t, seed);
    for (int i = 0; s->input[i].name; i++)
        if (check_input(t, i, to))
            return caption_fail(err, CAPTION_ECANCELLED, "gradient check stopped by its caller");
    return CAPTION_OK;
}

/* The i-th subject of all tables, or NULL past the last. */
static const gradcheck_subject *subject_at(size_t i)
{
    static const gradcheck_subject *(*const tables[])(size_t i) = {gradcheck_layer, gradcheck_captioner,
                                                                   gradcheck_encoder};
    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++) {
        const gradcheck_subject *s = tables[t](i);
        if (s)
            return s;
        for (size_t of_table = 0; tables[t](of_table); of_table++)
            i--;
    }
    return NULL;
}

/* "affine, embedding, ..." */
static void list_layers(char *text, size_t size)
{
    const gradcheck_subject *s;
    size_t used = 0;
    *text = '\0';
    for (size_t i = 0; (s = subject_at(i)) && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%s", i ? ", " : "", s->layer);
}

int caption_gradcheck_known(const char *layer, caption_error *err)
{
    char known[640];
    const gradcheck_subject *s;
    for (size_t i = 0; (s = subject_at(i)); i++)
        if (!strcmp(layer, s->layer))
            return CAPTION_OK;
    list_layers(known, sizeof known);
    return caption_fail(err, CAPTION_EINVAL, "no gradient check is called \"%.64s\"; there are %s", layer, known);
}

int caption_gradcheck_run(uint64_t seed, const char *layer,
                          int (*report)(void *context, const caption_gradcheck *check), void *context,
                          caption_error *err)
{
    const listener to = {report, context};
    const gradcheck_subject *s;
    trial t = {0};
    int status = layer ? caption_gradcheck_known(layer, err) : CAPTION_OK;
    if (status == CAPTION_OK)
        status = arena_reserve(&t.bench.scratch, GRADCHECK_SCRATCH, err);
    for (size_t i = 0; (s = subject_at(i)) && status == CAPTION_OK; i++)
        if (!layer || !strcmp(layer, s->layer))
            status = check_subject(&t, s, random_mix(seed + i), &to, err);
    arena_free(&t.bench.scratch);
    arena_free(&t.numbers);
    return status;
}
