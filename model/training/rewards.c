/* rewards.c: CIDEr-D of sampled captions against the references of their image (rewards.h). */
#include "model/training/rewards.h"

#include <stdlib.h>
#include <string.h>

#include "model/training/cider.h"

static const char END[] = " ."; /* no tokenised caption contains it */

struct rewards {
    const vocabulary *words;
    char *text;            /* all references, each with its end */
    const char **captions; /* [captions of the dataset] into text */
    cider_references *references;
    cider *cider;
    ngram_bag scratch;
    char *candidate; /* the caption being scored */
};

/* Fills text, captions and references, which have room. */
static void copy_references(rewards *r, const caption_dataset *dataset)
{
    const char **captions = r->captions;
    char *out = r->text;
    for (size_t i = 0; i < caption_dataset_size(dataset); i++) {
        const caption_dataset_image *image = caption_dataset_at(dataset, i);
        r->references[i] = (cider_references){captions, image->n_captions};
        for (size_t k = 0; k < image->n_captions; k++) {
            *captions++ = out;
            out = stpcpy(stpcpy(out, image->captions[k]), END) + 1;
        }
    }
}

static size_t text_bytes(const caption_dataset *dataset)
{
    size_t bytes = 0;
    for (size_t i = 0; i < caption_dataset_size(dataset); i++) {
        const caption_dataset_image *image = caption_dataset_at(dataset, i);
        for (size_t k = 0; k < image->n_captions; k++)
            bytes += strlen(image->captions[k]) + sizeof END;
    }
    return bytes;
}

int rewards_new(rewards **out, const caption_dataset *dataset, const vocabulary *v, int max_words, caption_error *err)
{
    size_t images = caption_dataset_size(dataset), words = (size_t)max_words;
    *out = NULL;
    rewards *r = calloc(1, sizeof *r);
    if (!r)
        return caption_fail(err, CAPTION_ENOMEM, "out of memory for rewards");
    r->words = v;
    r->text = malloc(text_bytes(dataset));
    r->captions = calloc(caption_dataset_captions(dataset), sizeof *r->captions);
    r->references = calloc(images, sizeof *r->references);
    r->candidate = malloc(words * (VOCABULARY_WORD_BYTES + 1) + sizeof END);
    int status = ngram_bag_init(&r->scratch, words + 1, err);
    if (status == CAPTION_OK && (!r->text || !r->captions || !r->references || !r->candidate))
        status = caption_fail(err, CAPTION_ENOMEM, "out of memory for the references of %zu images", images);
    if (status == CAPTION_OK) {
        copy_references(r, dataset);
        status = cider_new(&r->cider, r->references, images, err);
    }
    if (status == CAPTION_OK)
        *out = r;
    else
        rewards_free(r);
    return status;
}

void rewards_free(rewards *r)
{
    if (!r)
        return;
    free(r->text);
    free(r->captions);
    free(r->references);
    free(r->candidate);
    cider_free(r->cider);
    ngram_bag_free(&r->scratch);
    free(r);
}

double rewards_of(rewards *r, size_t i, const int *ids, int n, int finished)
{
    char *out = r->candidate;
    *out = '\0';
    for (int k = 0; k < n; k++) {
        if (k)
            *out++ = ' ';
        out = stpcpy(out, vocabulary_word(r->words, ids[k]));
    }
    if (finished)
        strcpy(out, n ? END : END + 1);
    return cider_score(r->cider, i, r->candidate, &r->scratch);
}
