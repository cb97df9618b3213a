/* test_fluency.c: which words may follow, the faults of finished texts, and captions of random models that have none.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/decoder/fluency.h"
#include "model/score.h"
#include "tests/support/captioner.h"
#include "tests/support/scratch.h"

static const char specials[] = "<NULL>\n<START>\n<END>\n<UNK>\n";
static const char english[] = "a\nthe\nin\nred\nold\ndog\ncat\nruns\nsits\nwater\ngrass\nwith\nis\nand\nball\ntwo";

/* The words that may not follow `so_far`, in the order of their ids, separated by blanks. */
static void forbidden_after(const char *words, const char *so_far, int room, char out[256])
{
    enum { MOST = 32 };
    char joined[512];
    unsigned char flags[MOST];
    int ids[CAPTION_MAX_WORDS];
    float scores[MOST] = {0};
    vocabulary *v;
    snprintf(joined, sizeof joined, "%s%s", specials, words);
    assert_int_equal(vocabulary_parse(&v, joined, NULL), CAPTION_OK);
    assert_true(vocabulary_size(v) <= MOST);
    fluency_flags(v, flags);
    int n = vocabulary_encode(v, so_far, ids, CAPTION_MAX_WORDS);
    fluency_forbid(flags, vocabulary_size(v), ids, n, room, scores);
    *out = '\0';
    for (int id = 0; id < vocabulary_size(v); id++)
        if (isinf(scores[id]))
            sprintf(out + strlen(out), "%s%s", *out ? " " : "", vocabulary_word(v, id));
    vocabulary_free(v);
}

static void words_and_phrases_do_not_stand_twice(void **state)
{
    static const struct {
        const char *words, *so_far;
        int room;
        const char *forbidden;
    } cases[] = {
        {english, "", 9, "<END>"},
        {english, "a", 9, "<END> a"}, /* ends no sentence; not twice in a row */
        {english, "a dog", 9, "dog"}, /* "a" may stand again */
        {english, "a dog runs in the", 9, "<END> the dog runs"},
        {english, "a dog in the water with a", 9, "<END> a dog water"},    /* "with" may */
        {english, "the cat in the grass in", 9, "<END> the in cat grass"}, /* "in the" twice */
        {english, "in the red", 9, "<END> red"},                           /* the red what? */
        {english, "the dog is red", 9, "red dog"},
        {english, "the", 1, "<END> a the in red old with is and two"},
        {english, "a dog", 1, "a the in dog with is and two"},        /* no such word in the last place */
        {"ein\nhund\nim\nwasser", "ein hund im wasser", 9, "wasser"}, /* not English: repeating is not judged */
        {"ein\nhund\nim\nwasser", "ein hund im ein", 9, "ein hund"},  /* but no phrase twice */
        {"ein\nhund\nim\nwasser", "ein", 1, "ein"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char out[256];
        forbidden_after(cases[i].words, cases[i].so_far, cases[i].room, out);
        assert_string_equal(out, cases[i].forbidden);
    }
}

static void faults_of_texts_are_told(void **state)
{
    static const struct {
        const char *text;
        unsigned faults;
    } cases[] = {
        {"a dog runs in the grass", 0},
        {"A man in a red shirt, and a woman with a ball.", 0},
        {"others look on", CAPTION_FAULT_UNFINISHED}, /* a human wrote it, but it is rare */
        {"", CAPTION_FAULT_UNFINISHED},
        {"a man in a red and white", CAPTION_FAULT_UNFINISHED},
        {"a group of people are standing in a fenced", CAPTION_FAULT_UNFINISHED},
        {"a girl in a red dress is holding a large flying", CAPTION_FAULT_UNFINISHED},
        {"a dog is running", 0},
        {"the hill is steep", 0},
        {"the dog is black and white", 0},
        {"a dog runs with a", CAPTION_FAULT_UNFINISHED},
        {"a dog is", CAPTION_FAULT_UNFINISHED},
        {"a dog and a dog", CAPTION_FAULT_WORD | CAPTION_FAULT_PHRASE},
        {"a dog dog runs", CAPTION_FAULT_WORD},
        {"a surfer is riding a wave on a wave", CAPTION_FAULT_WORD | CAPTION_FAULT_PHRASE},
        {"a boy in the the water", CAPTION_FAULT_WORD},
        {"people in the snow in the mountains", CAPTION_FAULT_PHRASE},
        {"a <UNK> runs", CAPTION_FAULT_UNKNOWN},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (caption_faults(cases[i].text) != cases[i].faults)
            fail_msg("\"%s\": %x, expected %x", cases[i].text, caption_faults(cases[i].text), cases[i].faults);
}

/* Captions of models that know nothing of language are full of faults; the rules leave none. */
static void captions_have_no_faults_however_they_are_decoded(void **state)
{
    enum { IMAGES = 20, N = 2 };
    static const int most[] = {20, 8, 3, 1};
    static const char *const kinds[] = {"rnn", "lstm", "attention"};
    (void)state;
    char words[1024];
    size_t used = (size_t)sprintf(words, "%s", english);
    for (int w = 0; w < 40; w++) /* enough for a caption that has no word twice */
        used += (size_t)sprintf(words + used, "\nw%d", w);
    captioner_pictures pictures = captioner_pictures_make(IMAGES, 3);
    caption_session *session = captioner_session(&pictures);
    int plain_faults = 0;
    for (unsigned seed = 0; seed < 36; seed++) {
        caption_model *m = captioner_random(kinds[seed / 3 % 3], words, seed);
        caption_options o = {.decode = (int)seed % 3, .max_words = most[seed / 3 % 4], .n = seed % 3 ? N : 1};
        caption_result results[IMAGES * N];
        for (o.plain = 0; o.plain < 2; o.plain++) {
            assert_int_equal(caption_generate(session, m, &o, results, NULL), CAPTION_OK);
            for (int i = 0; i < IMAGES * o.n; i++) {
                unsigned faults = caption_faults(results[i].text);
                assert_true(results[i].words <= o.max_words);
                if (!o.plain && (faults || !results[i].finished))
                    fail_msg("seed %u: \"%s\" has faults %x", seed, results[i].text, faults);
                plain_faults += o.plain && faults;
            }
        }
        caption_model_release(m);
    }
    assert_true(plain_faults > IMAGES);
    caption_session_free(session);
    captioner_pictures_free(&pictures);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_and_phrases_do_not_stand_twice),
        cmocka_unit_test(faults_of_texts_are_told),
        cmocka_unit_test(captions_have_no_faults_however_they_are_decoded),
    };
    return cmocka_run_group_tests_name("fluency", tests, scratch_make, scratch_remove);
}
