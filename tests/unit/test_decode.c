/* test_decode.c: beams against all captions there are, samples against the probabilities they are drawn by, and every
 * way of decoding against the likelihood of what it wrote. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/decoder/search.h"
#include "tests/support/captioner.h"
#include "tests/support/scratch.h"

static const char english[] = "a\ntwo\nred\nsmall\nold\ndog\ncat\nbird\nhouse\nruns\nsits\nsleeps\nin\non\nthe\nwater\n"
                              "grass\nsnow\nwith\nball";
static const char *const kinds[] = {"rnn", "lstm", "attention"};
enum { KINDS = 3, IMAGES = 7 };

static caption_options decode(int how, int max_words)
{
    caption_options o = caption_defaults();
    o.decode = how;
    o.max_words = max_words;
    return o;
}

static void generate(caption_session *session, const caption_model *model, const caption_options *options,
                     caption_result *results)
{
    caption_error err;
    if (caption_generate(session, model, options, results, &err) != CAPTION_OK)
        fail_msg("%s", err.message);
}

/* ---- beams --------------------------------------------------------------------------------------------------------
 */

/* Two words and three places for them: fifteen captions, from none to three words. */
enum { FEW_WORDS = 3, ALL = 15 };

typedef struct written {
    char text[16];
    double logprob, value;
} written;

static double log_sum(const float *scores, int n)
{
    double sum = 0;
    for (int v = 0; v < n; v++)
        sum += exp((double)scores[v]);
    return log(sum);
}

/* Writes out all captions that begin with `so_far`, each from the start again, without the search's own code. */
static void enumerate(const caption_model *m, const captioner_pictures *picture, const int *so_far, int n,
                      double penalty, written *all, int *count)
{
    float scores[VOCABULARY_SPECIALS + 2];
    arena scratch = {0};
    const decoder_shape *shape = &m->shape;
    assert_int_equal(shape->vocabulary, VOCABULARY_SPECIALS + 2);
    assert_int_equal(arena_reserve(&scratch, decoder_step_scratch_f(shape, 1, 1), NULL), CAPTION_OK);
    decoder_state_f state = decoder_start_f(
        shape, m->parameters, 1, 1, &(decoder_images_f){.features = picture->features, .map = picture->maps}, &scratch);
    written *w = &all[(*count)++];
    *w = (written){.text = ""};
    for (int t = 0; t <= n; t++) {
        int word = t == 0 ? VOCABULARY_START : so_far[t - 1], next = t < n ? so_far[t] : VOCABULARY_END;
        decoder_step_f(shape, m->parameters, &word, &state, scores, &scratch);
        w->logprob += (double)scores[next] - log_sum(scores, shape->vocabulary);
        if (t < n)
            sprintf(w->text + strlen(w->text), "%s%s", t ? " " : "", vocabulary_word(m->words, so_far[t]));
    }
    w->value = w->logprob / pow((5.0 + n + 1) / 6, penalty);
    arena_free(&scratch);
    for (int v = VOCABULARY_SPECIALS; v < shape->vocabulary && n < FEW_WORDS; v++) {
        int longer[FEW_WORDS] = {0};
        for (int t = 0; t < n; t++)
            longer[t] = so_far[t];
        longer[n] = v;
        enumerate(m, picture, longer, n + 1, penalty, all, count);
    }
}

static int by_value(const void *a, const void *b)
{
    const written *x = a, *y = b;
    return (x->value < y->value) - (x->value > y->value);
}

static void a_wide_beam_finds_all_captions_in_order(void **state)
{
    (void)state;
    for (unsigned seed = 0; seed < 12; seed++) {
        caption_model *m = captioner_random(kinds[seed % KINDS], "x\ny", seed);
        captioner_pictures pictures = captioner_pictures_make(1, seed);
        caption_session *session = captioner_session(&pictures);
        caption_options o = decode(CAPTION_BEAM, FEW_WORDS);
        caption_result found[ALL + 1];
        written all[ALL];
        int count = 0;
        o.beam = o.n = ALL + 1;
        o.length_penalty = seed % 3;
        o.plain = 1;
        enumerate(m, &pictures, NULL, 0, o.length_penalty, all, &count);
        assert_int_equal(count, ALL);
        qsort(all, ALL, sizeof *all, by_value);
        generate(session, m, &o, found);
        for (int i = 0; i < ALL; i++) {
            assert_string_equal(found[i].text, all[i].text);
            assert_true(fabs((double)found[i].logprob - all[i].logprob) < 1e-4);
            assert_true(found[i].finished);
        }
        assert_true(found[ALL].words == 0 && isinf(found[ALL].logprob)); /* there is no sixteenth */
        for (o.n = 1; o.n < ALL; o.n += 3) {                             /* stopping early takes nothing away */
            generate(session, m, &o, found);
            for (int i = 0; i < o.n; i++)
                assert_string_equal(found[i].text, all[i].text);
        }
        caption_session_free(session);
        caption_model_release(m);
        captioner_pictures_free(&pictures);
    }
}

static void a_beam_of_one_is_greedy(void **state)
{
    (void)state;
    captioner_pictures pictures = captioner_pictures_make(IMAGES, 5);
    caption_session *session = captioner_session(&pictures);
    int compared = 0;
    for (unsigned seed = 0; seed < 8; seed++) {
        caption_model *m = captioner_random(kinds[seed % KINDS], english, seed);
        caption_options greedy = decode(CAPTION_GREEDY, 20), beam = decode(CAPTION_BEAM, 20);
        caption_result a[IMAGES], b[IMAGES];
        beam.beam = 1;
        greedy.plain = beam.plain = seed / KINDS % 2 == 0;
        generate(session, m, &greedy, a);
        float logprob[IMAGES];
        char text[IMAGES][CAPTION_TEXT_BYTES];
        for (int i = 0; i < IMAGES; i++) {
            logprob[i] = a[i].logprob;
            strcpy(text[i], a[i].text);
        }
        generate(session, m, &beam, b);
        for (int i = 0; i < IMAGES; i++) {
            if (!a[i].finished || b[i].words == 20)
                continue; /* at max_words the beam has to end, greedy decoding is cut or begins anew */
            assert_string_equal(text[i], b[i].text);
            assert_true(fabsf(logprob[i] - b[i].logprob) < 1e-5f);
            compared++;
        }
        caption_model_release(m);
    }
    assert_true(compared > IMAGES);
    caption_session_free(session);
    captioner_pictures_free(&pictures);
}

/* ---- probabilities ------------------------------------------------------------------------------------------------
 */

static void check_attention(const caption_model *m, const caption_token *token)
{
    float sum = 0;
    assert_true(!token->attention == !caption_model_positions(m));
    for (int i = 0; i < caption_model_positions(m); i++)
        sum += token->attention[i];
    assert_true(!token->attention || fabsf(sum - 1) < 1e-5f);
}

static void check_tokens(const caption_model *m, const caption_result *r)
{
    char text[CAPTION_TEXT_BYTES] = "";
    double sum = 0;
    for (int t = 0; t < r->words + r->finished; t++) {
        assert_true(r->tokens[t].logprob <= 0 && !r->tokens[t].unknown);
        sum += (double)r->tokens[t].logprob;
        check_attention(m, &r->tokens[t]);
        if (t < r->words)
            sprintf(text + strlen(text), "%s%s", t ? " " : "", r->tokens[t].word);
        else
            assert_string_equal(r->tokens[t].word, "<END>");
    }
    assert_string_equal(text, r->text);
    assert_true(fabs(sum - (double)r->logprob) < 1e-4);
}

/* Room for a copy of what a session will write over. */
static void keep_attention(const caption_result *r, float kept[SEARCH_STEPS][CAPTION_POSITIONS])
{
    for (int t = 0; t < r->words + r->finished && r->tokens[t].attention; t++)
        memcpy(kept[t], r->tokens[t].attention, sizeof kept[t]);
}

/* Both looked at the same places for each word. */
static void expect_attention(const caption_result *r, float kept[SEARCH_STEPS][CAPTION_POSITIONS])
{
    for (int t = 0; t < r->words + r->finished && r->tokens[t].attention; t++)
        for (int i = 0; i < CAPTION_POSITIONS; i++)
            assert_true(fabsf(r->tokens[t].attention[i] - kept[t][i]) < 1e-4f);
}

/* However a caption was written: the likelihood of its text is what it says, and so is where it looked. */
static void every_way_of_decoding_knows_the_likelihood_of_its_text(void **state)
{
    (void)state;
    enum { N = 4 };
    static float looks[IMAGES * N][SEARCH_STEPS][CAPTION_POSITIONS];
    captioner_pictures pictures = captioner_pictures_make(IMAGES, 6);
    caption_session *session = captioner_session(&pictures);
    for (unsigned seed = 0; seed < 12; seed++) {
        caption_model *m = captioner_random(kinds[seed / 3 % KINDS], english, seed);
        caption_options o = decode((int)seed % 3, seed % 2 ? 20 : 5);
        caption_result wrote[IMAGES * N], read[IMAGES * N];
        const char *texts[IMAGES * N];
        int of[IMAGES * N], n = 0;
        o.n = o.decode == CAPTION_GREEDY ? 1 : N;
        o.temperature = 0.8;
        generate(session, m, &o, wrote);
        for (int i = 0; i < IMAGES * o.n; i++) {
            check_tokens(m, &wrote[i]);
            if (!wrote[i].finished || wrote[i].words == 0)
                continue;
            of[n] = i / o.n;
            wrote[n] = wrote[i];
            texts[n] = wrote[n].text;
            keep_attention(&wrote[n], looks[n]);
            n++;
        }
        assert_true(n > IMAGES / 2);
        assert_int_equal(caption_likelihood(session, m, n, texts, of, read, NULL), CAPTION_OK);
        for (int i = 0; i < n; i++) {
            check_tokens(m, &read[i]);
            assert_string_equal(read[i].text, wrote[i].text);
            assert_true(read[i].words == wrote[i].words && read[i].finished);
            assert_true(fabsf(read[i].logprob - wrote[i].logprob) < 1e-3f);
            expect_attention(&read[i], looks[i]);
        }
        caption_model_release(m);
    }
    caption_session_free(session);
    captioner_pictures_free(&pictures);
}

static void texts_are_scored_as_they_are_tokenised(void **state)
{
    (void)state;
    captioner_pictures pictures = captioner_pictures_make(2, 1);
    caption_session *session = captioner_session(&pictures);
    caption_model *m = captioner_random("lstm", english, 1);
    caption_result r[3];
    const char *const texts[] = {"A dog, RUNS .", "a zebra runs", "a dog runs"};
    assert_int_equal(caption_likelihood(session, m, 3, texts, (const int[]){1, 0, 1}, r, NULL), CAPTION_OK);
    assert_string_equal(r[0].text, "a dog runs");
    assert_true(r[0].words == 3 && r[0].logprob == r[2].logprob && !r[0].tokens[1].unknown);
    assert_string_equal(r[1].text, "a zebra runs");
    assert_string_equal(r[1].tokens[1].word, "zebra");
    assert_true(r[1].tokens[1].unknown && !r[1].tokens[0].unknown && !r[1].tokens[2].unknown);
    assert_true(r[1].tokens[0].logprob != r[0].tokens[0].logprob); /* of another picture */
    caption_session_free(session);
    caption_model_release(m);
    captioner_pictures_free(&pictures);
}

static void texts_that_cannot_be_scored_are_refused(void **state)
{
    (void)state;
    char many[2 * (CAPTION_MAX_WORDS + 1) + 1] = "", giant[CAPTION_TEXT_BYTES + 1];
    for (int i = 0; i <= CAPTION_MAX_WORDS; i++)
        strcat(many, "a ");
    memset(giant, 'x', sizeof giant - 1);
    giant[sizeof giant - 1] = '\0';
    captioner_pictures pictures = captioner_pictures_make(1, 1);
    caption_session *session = captioner_session(&pictures);
    caption_model *m = captioner_random("rnn", english, 1);
    caption_result r[2];
    caption_error err;
    const char *const wrong[] = {"", " . ", many, giant};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const char *const texts[] = {"a dog", wrong[i]};
        assert_int_equal(caption_likelihood(session, m, 2, texts, (const int[]){0, 0}, r, &err), CAPTION_EINVAL);
        assert_non_null(strstr(err.message, "caption 2"));
    }
    const char *const good[] = {"a dog"};
    assert_int_equal(caption_likelihood(session, m, 1, good, (const int[]){1}, r, &err), CAPTION_EINVAL);
    assert_int_equal(caption_likelihood(session, m, 1, good, (const int[]){-1}, r, &err), CAPTION_EINVAL);
    assert_int_equal(caption_likelihood(session, m, 0, good, (const int[]){0}, r, &err), CAPTION_EINVAL);
    caption_session_free(session);
    caption_model_release(m);
    captioner_pictures_free(&pictures);
}

/* ---- samples ------------------------------------------------------------------------------------------------------
 */

enum { SIDES = 8, DRAWS = 20000 };

/* How often each of SIDES words is drawn; scores are those below, word 3 is forbidden. */
static const float die[SIDES] = {0.5f, 1.5f, -1, -INFINITY, 2, 0, -2, 1.2f};

static void draw_all(caption_options *o, int counts[SIDES])
{
    arena scratch = {0};
    random_stream random = random_seeded(9);
    assert_int_equal(arena_reserve(&scratch, sampler_scratch(SIDES), NULL), CAPTION_OK);
    sampler s = sampler_take(o, SIDES, &scratch);
    memset(counts, 0, SIDES * sizeof *counts);
    for (int i = 0; i < DRAWS; i++) {
        int word = sampler_draw(&s, SIDES, die, &random);
        assert_true(word >= 0 && word < SIDES);
        counts[word]++;
    }
    arena_free(&scratch);
}

/* Pearson's chi-square of the counts against e^(score / temperature) over the words that `kept` has a bit for; others
 * must not have been drawn. Returns the degrees of freedom too. */
static double chi_square(const int counts[SIDES], double temperature, unsigned kept, int *degrees)
{
    double total = 0, square = 0;
    *degrees = -1;
    for (int v = 0; v < SIDES; v++)
        total += kept >> v & 1 ? exp((double)die[v] / temperature) : 0;
    for (int v = 0; v < SIDES; v++) {
        double expected = kept >> v & 1 ? DRAWS * exp((double)die[v] / temperature) / total : 0;
        if (expected == 0) {
            assert_int_equal(counts[v], 0);
            continue;
        }
        square += (counts[v] - expected) * (counts[v] - expected) / expected;
        ++*degrees;
    }
    return square;
}

static void draws_follow_the_probabilities(void **state)
{
    (void)state;
    enum {
        ALL_WORDS = 0xff & ~8,
        TOP_4 = 1 << 4 | 1 << 1 | 1 << 7 | 1 << 0,
        TOP_2 = 1 << 4 | 1 << 1,
        TOP_3 = TOP_2 | 1 << 7
    };
    /* Shares at temperature 1: 4 .403, 1 .244, 7 .181, 0 .090, 5 .055, 2 .020, 6 .007; at 0.5 4 has .61, 1 .22. */
    static const struct {
        double temperature, top_p;
        int top_k;
        unsigned kept;
    } cases[] = {
        {1, 1, 0, ALL_WORDS},    {0.5, 1, 0, ALL_WORDS}, {3, 1, 0, ALL_WORDS}, {1, 1, 4, TOP_4},
        {1, 1, 1000, ALL_WORDS}, {1, 0.6, 0, TOP_2},     {1, 0.8, 0, TOP_3},   {0.5, 0.8, 0, TOP_2},
        {1, 1e-6, 0, 1 << 4},    {1, 1, 1, 1 << 4},      {1, 0.65, 4, TOP_2}, /* .647 of all is .705 of those four */
    };
    /* Of chi-square with so many degrees of freedom, exceeded once in a thousand times. */
    static const double limits[SIDES] = {1e-9, 10.83, 13.82, 16.27, 18.47, 20.52, 22.46};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        caption_options o = {.temperature = cases[i].temperature, .top_p = cases[i].top_p, .top_k = cases[i].top_k};
        int counts[SIDES], degrees;
        draw_all(&o, counts);
        double square = chi_square(counts, o.temperature, cases[i].kept, &degrees);
        if (square > limits[degrees])
            fail_msg("case %zu: chi-square %g with %d degrees of freedom", i, square, degrees);
    }
    /* And the test can tell: counts at one temperature do not fit another. */
    int counts[SIDES], degrees;
    draw_all(&(caption_options){.temperature = 1.1, .top_p = 1}, counts);
    assert_true(chi_square(counts, 1, ALL_WORDS, &degrees) > limits[SIDES - 2]);
}

static void nothing_left_to_draw_is_said(void **state)
{
    (void)state;
    const float none[SIDES] = {-INFINITY, -INFINITY, -INFINITY, -INFINITY, -INFINITY, -INFINITY, -INFINITY, -INFINITY};
    arena scratch = {0};
    random_stream random = random_seeded(1);
    assert_int_equal(arena_reserve(&scratch, sampler_scratch(SIDES), NULL), CAPTION_OK);
    sampler s = sampler_take(&(caption_options){.temperature = 1, .top_p = 1}, SIDES, &scratch);
    assert_int_equal(sampler_draw(&s, SIDES, none, &random), -1);
    arena_free(&scratch);
}

/* First words of many captions against the model's own probabilities: the whole way, seeds and rows included. */
static void first_words_are_as_probable_as_the_model_says(void **state)
{
    (void)state;
    enum { RUNS = 400, N = 16, V = VOCABULARY_SPECIALS + 3 };
    captioner_pictures pictures = captioner_pictures_make(1, 2);
    float scores[V];
    caption_session *session = captioner_session(&pictures);
    caption_model *m = captioner_random("lstm", "x\ny\nz", 3);
    arena scratch = {0};
    assert_int_equal(arena_reserve(&scratch, decoder_step_scratch_f(&m->shape, 1, 1), NULL), CAPTION_OK);
    decoder_state_f s =
        decoder_start_f(&m->shape, m->parameters, 1, 1,
                        &(decoder_images_f){.features = pictures.features, .map = pictures.maps}, &scratch);
    decoder_step_f(&m->shape, m->parameters, (const int[]){VOCABULARY_START}, &s, scores, &scratch);
    arena_free(&scratch);
    int counts[V] = {0};
    for (int run = 0; run < RUNS; run++) {
        caption_options o = decode(CAPTION_SAMPLE, 1);
        caption_result r[N];
        o.n = N;
        o.seed = (uint64_t)run;
        o.plain = 1;
        generate(session, m, &o, r);
        for (int k = 0; k < N; k++) /* the first token is a word, or the end; a cut caption has but its word */
            counts[vocabulary_id(m->words, r[k].tokens[0].word, strlen(r[k].tokens[0].word))]++;
    }
    double total = 0, square = 0;
    for (int v = VOCABULARY_END; v < V; v++)
        total += v != VOCABULARY_UNK ? exp((double)scores[v]) : 0;
    for (int v = VOCABULARY_END; v < V; v++) {
        double expected = RUNS * N * exp((double)scores[v]) / total;
        if (v != VOCABULARY_UNK)
            square += (counts[v] - expected) * (counts[v] - expected) / expected;
    }
    assert_int_equal(counts[VOCABULARY_NULL] + counts[VOCABULARY_START] + counts[VOCABULARY_UNK], 0);
    assert_true(square < 16.27); /* three degrees of freedom, one in a thousand */
    caption_session_free(session);
    caption_model_release(m);
    captioner_pictures_free(&pictures);
}

/* ---- batches ------------------------------------------------------------------------------------------------------
 */

static void a_caption_does_not_depend_on_its_batch(void **state)
{
    (void)state;
    enum { N = 3 };
    captioner_pictures pictures = captioner_pictures_make(IMAGES, 8);
    for (unsigned seed = 0; seed < 12; seed++) {
        caption_model *m = captioner_random(kinds[seed / 3 % KINDS], english, seed);
        caption_session *session = captioner_session(&pictures);
        caption_options o = decode((int)seed % 3, seed % 2 ? 20 : 6);
        caption_result batch[IMAGES * N], single[N];
        o.n = o.decode == CAPTION_GREEDY ? 1 : N;
        o.seed = seed;
        generate(session, m, &o, batch);
        for (int i = 0; i < IMAGES; i++) {
            captioner_show(session, &pictures, i, 1);
            generate(session, m, &o, single);
            for (int k = 0; k < o.n; k++) {
                assert_string_equal(batch[i * o.n + k].text, single[k].text);
                assert_true(fabsf(batch[i * o.n + k].logprob - single[k].logprob) < 1e-3f);
            }
        }
        caption_session_free(session);
        caption_model_release(m);
    }
    captioner_pictures_free(&pictures);
}

static void seeds_and_samples_differ(void **state)
{
    (void)state;
    enum { N = 8 };
    captioner_pictures pictures = captioner_pictures_make(1, 8);
    caption_model *m = captioner_random("lstm", english, 2);
    caption_session *session = captioner_session(&pictures);
    caption_options o = decode(CAPTION_SAMPLE, 20);
    caption_result one[N], again[N], other[N];
    int same = 0, same_as_first = 0;
    o.n = N;
    generate(session, m, &o, one);
    generate(session, m, &o, again);
    o.seed = 1;
    generate(session, m, &o, other);
    for (int k = 0; k < N; k++) {
        assert_string_equal(one[k].text, again[k].text);
        same += strcmp(one[k].text, other[k].text) == 0;
        same_as_first += strcmp(one[k].text, one[0].text) == 0;
    }
    assert_true(same < N / 2 && same_as_first < N / 2);
    caption_session_free(session);
    caption_model_release(m);
    captioner_pictures_free(&pictures);
}

/* A session that has done such work once has all memory that it takes. */
static void the_word_loop_takes_no_memory(void **state)
{
    (void)state;
    captioner_pictures pictures = captioner_pictures_make(IMAGES, 8);
    caption_model *m = captioner_random("lstm", english, 2);
    caption_session *session = captioner_session(&pictures);
    for (int how = CAPTION_GREEDY; how <= CAPTION_SAMPLE; how++) {
        caption_options o = decode(how, 5);
        caption_result results[IMAGES];
        generate(session, m, &o, results);
        const void *base = session->words.base;
        size_t size = session->words.size;
        generate(session, m, &o, results);
        assert_true(session->words.base == base && session->words.size == size);
        assert_true(session->words.used <= size);
    }
    caption_session_free(session);
    caption_model_release(m);
    captioner_pictures_free(&pictures);
}

/* ---- options ------------------------------------------------------------------------------------------------------
 */

static void options_out_of_range_are_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        caption_options options;
    } cases[] = {
        {"max-words", {.max_words = -1}},
        {"max-words", {.max_words = CAPTION_MAX_WORDS + 1}},
        {"decode", {.decode = 3}},
        {"decode", {.decode = -1}},
        {"beam", {.decode = CAPTION_BEAM, .beam = CAPTION_MAX_BEAM + 1}},
        {"beam", {.decode = CAPTION_BEAM, .beam = -1}},
        {"length-penalty", {.decode = CAPTION_BEAM, .length_penalty = -0.1}},
        {"length-penalty", {.decode = CAPTION_BEAM, .length_penalty = (double)NAN}},
        {"temperature", {.decode = CAPTION_SAMPLE, .temperature = 0.01}},
        {"temperature", {.decode = CAPTION_SAMPLE, .temperature = 6}},
        {"top-k", {.decode = CAPTION_SAMPLE, .top_k = -1}},
        {"top-k", {.decode = CAPTION_SAMPLE, .top_k = 1001}},
        {"top-p", {.decode = CAPTION_SAMPLE, .top_p = 1.01}},
        {"top-p", {.decode = CAPTION_SAMPLE, .top_p = -1}},
        {"n:", {.n = 2}},
        {"n:", {.decode = CAPTION_BEAM, .beam = 3, .n = 4}},
        {"n:", {.decode = CAPTION_SAMPLE, .n = CAPTION_MAX_BEAM + 1}},
        {"plain", {.plain = 2}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        caption_error err;
        assert_int_equal(caption_options_check(&cases[i].options, &err), CAPTION_EINVAL);
        assert_memory_equal(err.message, cases[i].name, strlen(cases[i].name));
    }
    caption_options zero = {0}, defaults = caption_defaults();
    assert_int_equal(caption_options_check(&zero, NULL), CAPTION_OK);
    assert_int_equal(caption_options_check(&defaults, NULL), CAPTION_OK);
    assert_int_equal(caption_options_check(NULL, NULL), CAPTION_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wide_beam_finds_all_captions_in_order),
        cmocka_unit_test(a_beam_of_one_is_greedy),
        cmocka_unit_test(every_way_of_decoding_knows_the_likelihood_of_its_text),
        cmocka_unit_test(texts_are_scored_as_they_are_tokenised),
        cmocka_unit_test(texts_that_cannot_be_scored_are_refused),
        cmocka_unit_test(draws_follow_the_probabilities),
        cmocka_unit_test(nothing_left_to_draw_is_said),
        cmocka_unit_test(first_words_are_as_probable_as_the_model_says),
        cmocka_unit_test(a_caption_does_not_depend_on_its_batch),
        cmocka_unit_test(seeds_and_samples_differ),
        cmocka_unit_test(the_word_loop_takes_no_memory),
        cmocka_unit_test(options_out_of_range_are_refused_by_name),
    };
    return cmocka_run_group_tests_name("decode", tests, scratch_make, scratch_remove);
}
