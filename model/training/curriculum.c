/* curriculum.c: takes the next batch of a run, of captions or of samples with their rewards, as the options say
 * (curriculum.h). */
#include "model/training/curriculum.h"

#include <stdlib.h>

#include "model/training/ranks.h"

int curriculum_open(curriculum *c, train_data *data, const decoder_shape *shape, caption_error *err)
{
    const caption_train_options *o = data->options;
    *c = (curriculum){.options = o, .data = data, .share = {ranks_index(o->ranks), ranks_count(o->ranks)}};
    c->weights = calloc((size_t)o->batch, sizeof *c->weights);
    if (!c->weights)
        return caption_fail(err, CAPTION_ENOMEM, "out of memory for batches of %d captions", o->batch);
    if (o->samples)
        return reinforce_new(&c->reinforce, o->train, data->words, shape,
                             &(reinforce_plan){o->batch, o->samples, (float)o->example, o->max_words}, err);
    const batch_texts texts = {data->texts.line, data->texts.n, o->text_share};
    return batches_new(&c->batches, o->train, &texts, data->words, o->max_words, o->batch, err);
}

void curriculum_close(curriculum *c)
{
    batches_free(c->batches);
    reinforce_free(c->reinforce);
    free(c->weights);
}

size_t curriculum_count(const curriculum *c)
{
    return c->reinforce ? reinforce_count(c->reinforce) : batches_count(c->batches);
}

int curriculum_longest(const curriculum *c)
{
    return c->reinforce ? c->options->max_words + 1 : batches_longest(c->batches);
}

void curriculum_shuffle(curriculum *c, int epoch)
{
    if (c->reinforce)
        reinforce_shuffle(c->reinforce, c->options->seed, epoch);
    else
        batches_shuffle(c->batches, c->options->seed, epoch);
}

/* The decoder divides by the captions of the share, n; what is wanted is the mean over all of the batch. */
static void weigh(curriculum *c, const batch_view *view)
{
    for (int k = 0; k < view->n; k++)
        c->weights[k] = (view->weights ? view->weights[k] : 1) * (float)view->n / (float)view->all;
}

decoder_batch_f curriculum_batch(curriculum *c, size_t i, const float *parameters, random_stream *r, size_t *words,
                                 double *reward)
{
    uint64_t features_seed = random_bits(r), samples_seed = random_bits(r);
    batch_view view = c->reinforce ? reinforce_images(c->reinforce, i, c->share) : batches_get(c->batches, i, c->share);
    const decoder_images_f images = train_data_images(c->data, &view, features_seed);
    *reward = 0;
    if (c->reinforce && view.n > 0)
        *reward = reinforce_sample(c->reinforce, parameters, &images, samples_seed, &view);
    weigh(c, &view);
    *words = view.words;
    int examples = !c->reinforce;
    return (decoder_batch_f){
        .n = view.n,
        .t = view.t,
        .first = view.first,
        .per_image = view.per_image,
        .images = images,
        .captions = view.captions,
        .weights = c->weights,
        .dropout = examples ? (float)c->options->dropout : 0,
        .label_smoothing = examples ? (float)c->options->label_smoothing : 0,
    };
}
