/* reinforce.c: self-critical sequence training: samples captions, weighs each by its reward minus that of the others
 * (reinforce.h). */
#include "model/training/reinforce.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/arena.h"
#include "model/kernels/activation.h"
#include "model/training/rewards.h"

struct reinforce {
    decoder_shape shape;
    const caption_dataset *dataset;
    const vocabulary *vocabulary;
    reinforce_plan plan; /* size: a whole number of images */
    int rows;            /* of an image: its samples, and its example if there is one */
    rewards *rewards;
    size_t n_images;
    size_t *order;         /* [n_images] shuffled */
    size_t *images;        /* [size] of the current batch */
    float *weights;        /* [size] */
    int *captions;         /* [max_words + 2, size] time-major */
    int *ids, *words;      /* [size, max_words] and [size] */
    int *finished;         /* [size] */
    random_stream *random; /* [size] what each row draws from */
    arena scratch;         /* of the decoder, sized for a batch */
};

/* The captions still being sampled: entry e of the arrays is row[e] of the batch. */
struct sampling {
    int n;
    decoder_state_f state;
    float *scores;   /* [n, V] */
    int *word, *row; /* [n] */
    int *kept;       /* [n] entries that go on */
};

static size_t scratch_bytes(const decoder_shape *shape, int size)
{
    return decoder_step_scratch_f(shape, size, size) +
           arena_slice((size_t)size * (size_t)shape->vocabulary, sizeof(float)) +
           3 * arena_slice((size_t)size, sizeof(int));
}

int reinforce_new(reinforce **out, const caption_dataset *dataset, const vocabulary *v, const decoder_shape *shape,
                  const reinforce_plan *plan, caption_error *err)
{
    *out = NULL;
    reinforce *r = calloc(1, sizeof *r);
    if (!r)
        return caption_fail(err, CAPTION_ENOMEM, "out of memory to learn from rewards");
    *r = (reinforce){.shape = *shape, .dataset = dataset, .vocabulary = v, .plan = *plan};
    r->rows = plan->samples + (plan->example > 0);
    r->plan.size = plan->size / r->rows * r->rows;
    size_t rows = (size_t)r->plan.size, longest = (size_t)plan->max_words;
    r->n_images = caption_dataset_size(dataset);
    r->order = calloc(r->n_images, sizeof *r->order);
    r->images = calloc(rows, sizeof *r->images);
    r->weights = calloc(rows, sizeof *r->weights);
    r->captions = calloc(rows * (longest + 2), sizeof *r->captions);
    r->ids = calloc(rows * longest, sizeof *r->ids);
    r->words = calloc(rows, sizeof *r->words);
    r->finished = calloc(rows, sizeof *r->finished);
    r->random = calloc(rows, sizeof *r->random);
    int status = arena_reserve(&r->scratch, scratch_bytes(shape, (int)rows), err);
    if (status == CAPTION_OK &&
        (!r->order || !r->images || !r->weights || !r->captions || !r->ids || !r->words || !r->finished || !r->random))
        status = caption_fail(err, CAPTION_ENOMEM, "out of memory for batches of %d captions", plan->size);
    if (status == CAPTION_OK)
        status = rewards_new(&r->rewards, dataset, v, plan->max_words, err);
    if (status == CAPTION_OK)
        *out = r;
    else
        reinforce_free(r);
    return status;
}

void reinforce_free(reinforce *r)
{
    if (!r)
        return;
    free(r->order);
    free(r->images);
    free(r->weights);
    free(r->captions);
    free(r->ids);
    free(r->words);
    free(r->finished);
    free(r->random);
    rewards_free(r->rewards);
    arena_free(&r->scratch);
    free(r);
}

/* ---- which images ----------------------------------------------------------------------------------------------- */

static size_t images_per_batch(const reinforce *r)
{
    return (size_t)(r->plan.size / r->rows);
}

size_t reinforce_count(const reinforce *r)
{
    return (r->n_images + images_per_batch(r) - 1) / images_per_batch(r);
}

void reinforce_shuffle(reinforce *r, uint64_t seed, int epoch)
{
    random_stream random = random_seeded(random_mix(seed) + (uint64_t)epoch);
    random_order(&random, r->order, r->n_images);
}

batch_view reinforce_images(reinforce *r, size_t i, batch_share share)
{
    const batch_share next = {share.index + 1, share.count};
    size_t start = i * images_per_batch(r), left = r->n_images - start, rows = (size_t)r->rows;
    size_t all = left < images_per_batch(r) ? left : images_per_batch(r);
    size_t first = batch_share_start(share, all), n = batch_share_start(next, all) - first;
    for (size_t k = 0; k < n * rows; k++)
        r->images[k] = r->order[start + first + k / rows];
    return (batch_view){
        .first = (int)(first * rows),
        .all = (int)(all * rows),
        .n = (int)(n * rows),
        .per_image = r->rows,
        .images = r->images,
    };
}

/* ---- trying out captions ---------------------------------------------------------------------------------------- */

/* A word drawn from the softmax of scores [V], which is overwritten. NULL alone is never drawn, because the loss takes
 * it for padding. What no caption should contain, START and <UNK>, is drawn as what it is: learnt as another word, or
 * not at all, it would never be held to account, and become ever more probable. */
static int draw_word(int n, float *scores, random_stream *random)
{
    double left = random_uniform(random);
    int word = VOCABULARY_START;
    scores[VOCABULARY_NULL] = -INFINITY;
    vector_softmax_f((size_t)n, scores);
    while (word < n - 1 && (left -= scores[word]) >= 0)
        word++;
    return word;
}

/* Every image is looked at once, then gets a row for each of its samples. */
static void begin(reinforce *r, const float *parameters, const decoder_images_f *of, int images, struct sampling *s)
{
    int samples = r->plan.samples, n = s->n = images * samples;
    arena_reset(&r->scratch);
    s->state = decoder_start_f(&r->shape, parameters, images, n, of, &r->scratch);
    s->scores = arena_take(&r->scratch, (size_t)n * (size_t)r->shape.vocabulary, sizeof *s->scores);
    s->word = arena_take(&r->scratch, (size_t)n, sizeof *s->word);
    s->row = arena_take(&r->scratch, (size_t)n, sizeof *s->row);
    s->kept = arena_take(&r->scratch, (size_t)n, sizeof *s->kept);
    for (int e = 0; e < n; e++) {
        s->word[e] = VOCABULARY_START;
        s->row[e] = e / samples * r->rows + e % samples;
        s->kept[e] = e / samples;
    }
    decoder_select_f(&r->shape, &s->state, n, s->kept);
}

/* Writes the next word of entry e; returns 0 if its caption ends here. */
static int extend(reinforce *r, struct sampling *s, int e)
{
    int row = s->row[e], n = r->shape.vocabulary;
    int word = draw_word(n, s->scores + (size_t)e * (size_t)n, &r->random[row]);
    r->finished[row] = word == VOCABULARY_END;
    if (r->finished[row])
        return 0;
    r->ids[row * r->plan.max_words + r->words[row]++] = word;
    s->word[e] = word;
    return r->words[row] < r->plan.max_words;
}

static void sample_captions(reinforce *r, const float *parameters, const decoder_images_f *of, int images)
{
    struct sampling s;
    begin(r, parameters, of, images, &s);
    while (s.n > 0) {
        int kept = 0;
        decoder_step_f(&r->shape, parameters, s.word, &s.state, s.scores, &r->scratch);
        for (int e = 0; e < s.n; e++)
            if (extend(r, &s, e)) {
                s.word[kept] = s.word[e];
                s.row[kept] = s.row[e];
                s.kept[kept++] = e;
            }
        if (kept < s.n)
            decoder_select_f(&r->shape, &s.state, kept, s.kept);
        s.n = kept;
    }
}

/* One of the captions that people wrote, for each image. */
static void copy_examples(reinforce *r, const batch_view *view)
{
    for (int row = r->plan.samples; r->plan.example > 0 && row < view->n; row += r->rows) {
        const caption_dataset_image *image = caption_dataset_at(r->dataset, view->images[row]);
        const char *caption = image->captions[random_below(&r->random[row], image->n_captions)];
        r->words[row] = vocabulary_encode(r->vocabulary, caption, r->ids + row * r->plan.max_words, r->plan.max_words);
        r->finished[row] = 1;
    }
}

/* ---- the batch -------------------------------------------------------------------------------------------------- */

/* Lays the captions out as decoder.h wants them. One that was cut has no END to learn. */
static void lay_out(reinforce *r, batch_view *view)
{
    int n = view->n;
    view->t = 0;
    view->words = 0;
    memset(r->captions, 0, (size_t)(r->plan.max_words + 2) * (size_t)n * sizeof *r->captions);
    for (int row = 0; row < n; row++) {
        int words = r->words[row], predicted = words + r->finished[row];
        r->captions[row] = VOCABULARY_START;
        for (int k = 0; k < words; k++)
            r->captions[(k + 1) * n + row] = r->ids[row * r->plan.max_words + k];
        if (r->finished[row])
            r->captions[(words + 1) * n + row] = VOCABULARY_END;
        view->words += (size_t)predicted;
        view->t = predicted > view->t ? predicted : view->t;
    }
    view->captions = r->captions;
}

/* The rewards of an image's samples, which begin at row `first`, less the mean of the other samples; returns their sum.
 */
static double weigh_samples(reinforce *r, size_t image, int first)
{
    int samples = r->plan.samples;
    double sum = 0;
    for (int row = first; row < first + samples; row++) {
        const int *ids = r->ids + row * r->plan.max_words;
        double reward = rewards_of(r->rewards, image, ids, r->words[row], r->finished[row]);
        r->weights[row] = (float)reward;
        sum += reward;
    }
    for (int row = first; row < first + samples; row++)
        r->weights[row] -= (float)((sum - r->weights[row]) / (samples - 1));
    return sum;
}

/* Returns the mean reward. */
static double weigh(reinforce *r, batch_view *view)
{
    double sum = 0;
    for (int first = 0; first < view->n; first += r->rows) {
        sum += weigh_samples(r, view->images[first], first);
        if (r->rows > r->plan.samples)
            r->weights[first + r->plan.samples] = r->plan.example;
    }
    view->weights = r->weights;
    return sum / (view->n / r->rows * r->plan.samples);
}

double reinforce_sample(reinforce *r, const float *parameters, const decoder_images_f *of, uint64_t seed,
                        batch_view *view)
{
    for (int row = 0; row < view->n; row++) {
        r->words[row] = r->finished[row] = 0;
        r->random[row] = random_seeded(seed + (uint64_t)(view->first + row));
    }
    sample_captions(r, parameters, of, view->n / r->rows);
    copy_examples(r, view);
    lay_out(r, view);
    return weigh(r, view);
}
