/* results.c: copies an image's captions, with their tokens in one block, out of the worker's session (results.h). */
#include "server/engine/results.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static size_t word_bytes(const caption_token *token)
{
    return strlen(token->word) + 1;
}

/* One allocation: all tokens, then all weights, then all words; where the next of each goes. */
typedef struct block {
    caption_token *token;
    float *weights;
    char *text;
} block;

static int take_block(ticket_image *image, const caption_result *const *results, int n, block *b)
{
    size_t tokens = 0, weights = 0, text = 0;
    for (int i = 0; i < n; i++)
        for (int t = 0; t < results[i]->words + results[i]->finished; t++) {
            const caption_token *token = &results[i]->tokens[t];
            tokens++;
            weights += token->attention ? CAPTION_POSITIONS : 0;
            text += word_bytes(token);
        }
    image->tokens = malloc(tokens * sizeof *b->token + weights * sizeof *b->weights + text + 1);
    if (!image->tokens)
        return 0;
    b->token = image->tokens;
    b->weights = (float *)(void *)(b->token + tokens);
    b->text = (char *)(b->weights + weights);
    return 1;
}

static void copy_tokens(caption_result *to, const caption_result *from, block *b)
{
    to->tokens = b->token;
    for (int t = 0; t < from->words + from->finished; t++) {
        const caption_token *token = &from->tokens[t];
        *b->token = *token;
        b->token->word = memcpy(b->text, token->word, word_bytes(token));
        b->text += word_bytes(token);
        if (token->attention) {
            b->token->attention = memcpy(b->weights, token->attention, CAPTION_POSITIONS * sizeof *b->weights);
            b->weights += CAPTION_POSITIONS;
        }
        b->token++;
    }
}

int results_keep(ticket_image *image, const caption_result *results, int n, int tokens, caption_error *err)
{
    const caption_result **kept = calloc((size_t)n, sizeof *kept);
    int count = 0;
    block b = {0};
    results_free(image);
    image->others = n > 1 ? calloc((size_t)n - 1, sizeof *image->others) : NULL;
    for (int i = 0; i < n && kept; i++)
        if (i == 0 || !isinf(results[i].logprob))
            kept[count++] = &results[i];
    if (!kept || (n > 1 && !image->others) || (tokens && !take_block(image, kept, count, &b))) {
        free(kept);
        return caption_fail(err, CAPTION_ENOMEM, "out of memory for captions");
    }
    for (int i = 0; i < count; i++) {
        caption_result *to = i == 0 ? &image->result : &image->others[i - 1];
        *to = *kept[i];
        to->tokens = NULL;
        if (tokens)
            copy_tokens(to, kept[i], &b);
    }
    image->n_others = count - 1;
    free(kept);
    return CAPTION_OK;
}

void results_free(ticket_image *image)
{
    free(image->others);
    free(image->tokens);
    image->others = NULL;
    image->tokens = NULL;
    image->n_others = 0;
}
