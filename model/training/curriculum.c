#include "model/training/curriculum.h"

int curriculum_open(curriculum *c, train_data *data, const decoder_shape *shape, caption_error *err)
{
    const caption_train_options *o = data->options;
    *c = (curriculum){.options = o, .data = data};
    if (o->samples)
        return reinforce_new(&c->reinforce, o->train, data->words, shape, o->max_words, o->batch, o->samples, err);
    return batches_new(&c->batches, o->train, data->words, o->max_words, o->batch, err);
}

void curriculum_close(curriculum *c)
{
    batches_free(c->batches);
    reinforce_free(c->reinforce);
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

decoder_batch_f curriculum_batch(curriculum *c, size_t i, const float *parameters, random_stream *r, size_t *words,
                                 double *reward)
{
    batch_view view = c->reinforce ? reinforce_images(c->reinforce, i) : batches_get(c->batches, i);
    train_data_features(c->data, &view, r);
    *reward = c->reinforce ? reinforce_sample(c->reinforce, parameters, c->data->features, r, &view) : 0;
    *words = view.words;
    int examples = !c->reinforce;
    return (decoder_batch_f){
        .n = view.n,
        .t = view.t,
        .features = c->data->features,
        .captions = view.captions,
        .weights = view.weights,
        .dropout = examples ? (float)c->options->dropout : 0,
        .label_smoothing = examples ? (float)c->options->label_smoothing : 0,
    };
}
