/* likelihood.c: how probable given texts are: the decoder reads each text and says at every word how probable it was.
 */
#include <stdlib.h>
#include <string.h>

#include "model/decoder/search.h"

/* A text on its way through the decoder, by its number. */
typedef struct reading {
    char text[CAPTION_TEXT_BYTES];       /* tokenised */
    char words[CAPTION_TEXT_BYTES];      /* the same, a NUL behind each word */
    int id[SEARCH_STEPS];                /* of each word, then the end */
    const char *word[CAPTION_MAX_WORDS]; /* into words */
    int n;
} reading;

static int read_text(reading *r, const vocabulary *words, const char *text, int i, caption_error *err)
{
    size_t length = strnlen(text, sizeof r->text);
    if (length == sizeof r->text)
        return caption_fail(err, CAPTION_EINVAL, "caption %d is longer than %zu bytes", i + 1, sizeof r->text - 1);
    memcpy(r->text, text, length + 1);
    r->n = vocabulary_tokenise(r->text);
    if (r->n < 1 || r->n > CAPTION_MAX_WORDS)
        return caption_fail(err, CAPTION_EINVAL, "caption %d has %d words; expected 1 to %d", i + 1, r->n,
                            CAPTION_MAX_WORDS);
    memcpy(r->words, r->text, sizeof r->words);
    char *rest, *word = strtok_r(r->words, " ", &rest);
    for (int t = 0; t < r->n; t++, word = strtok_r(NULL, " ", &rest)) {
        r->word[t] = word;
        r->id[t] = vocabulary_id(words, word, strlen(word));
    }
    r->id[r->n] = VOCABULARY_END;
    return CAPTION_OK;
}

/* Feeds all texts in step; closed [n] becomes their hypotheses. */
static void read_all(search *s, const reading *readings, hypothesis *closed)
{
    while (s->n > 0) {
        int kept = 0;
        search_step(s);
        for (int r = 0; r < s->n; r++) {
            int slot = s->open[r].slot, word = readings[slot].id[s->open[r].n];
            search_extend(s, r, word, word == VOCABULARY_END ? &closed[slot] : &s->other[kept]);
            if (word != VOCABULARY_END)
                s->from[kept++] = r;
        }
        search_go_on(s, kept);
    }
}

static void put(const search *s, const reading *r, const hypothesis *h, caption_token *tokens, caption_result *result)
{
    search_result(s, h, tokens, result);
    strcpy(result->text, r->text);
    for (int t = 0; t < r->n; t++) {
        tokens[t].word = r->word[t];
        tokens[t].unknown = r->id[t] == VOCABULARY_UNK;
    }
}

static int check(const caption_session *session, int n, const int *of, caption_error *err)
{
    if (n < 1)
        return caption_fail(err, CAPTION_EINVAL, "no captions to score");
    for (int i = 0; i < n; i++)
        if (of[i] < 0 || of[i] >= session->n)
            return caption_fail(err, CAPTION_EINVAL, "caption %d is for image %d of %d", i + 1, of[i] + 1, session->n);
    return CAPTION_OK;
}

int caption_likelihood(caption_session *session, const caption_model *model, int n, const char *const *texts,
                       const int *of, caption_result *results, caption_error *err)
{
    caption_options options = search_defaults(&(caption_options){.max_words = CAPTION_MAX_WORDS});
    int rows = n > session->n ? n : session->n;
    int status = search_check(session, model, err);
    if (status == CAPTION_OK)
        status = check(session, n, of, err);
    if (status != CAPTION_OK)
        return status;
    size_t many = (size_t)n;
    size_t bytes = search_scratch(&model->shape, &options, session->n, rows) + arena_slice(many, sizeof(reading)) +
                   arena_slice(many, sizeof(hypothesis)) + arena_slice(many * SEARCH_STEPS, sizeof(caption_token));
    if ((status = arena_reserve(&session->words, bytes, err)) != CAPTION_OK)
        return status;
    reading *readings = arena_take(&session->words, many, sizeof *readings);
    hypothesis *closed = arena_take(&session->words, many, sizeof *closed);
    caption_token *tokens = arena_take(&session->words, many * SEARCH_STEPS, sizeof *tokens);
    for (int i = 0; i < n && status == CAPTION_OK; i++)
        status = read_text(&readings[i], model->words, texts[i], i, err);
    if (status != CAPTION_OK)
        return status;
    search s = search_start(session, model, &options, rows, n, of, &session->words);
    read_all(&s, readings, closed);
    for (int i = 0; i < n; i++)
        put(&s, &readings[i], &closed[i], tokens + (size_t)i * SEARCH_STEPS, &results[i]);
    return CAPTION_OK;
}
