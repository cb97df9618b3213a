/* Words and ids: tokenising, counting, the joined form of a model file and what it refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/decoder/vocabulary.h"
#include "model/storage/utf8.h"

static void check_tokens(const char *text, const char *expected, int tokens)
{
    char buffer[128];
    strcpy(buffer, text);
    assert_int_equal(vocabulary_tokenise(buffer), tokens);
    assert_string_equal(buffer, expected);
}

static void tokenising_lowers_letters_and_drops_punctuation(void **state)
{
    (void)state;
    check_tokens("A black Dog , running .", "a black dog running", 4);
    check_tokens("  \tdon't\r\n stop -- me !", "dont stop me", 3);
    check_tokens("T-shirt no.5", "tshirt no5", 2);
    check_tokens("caf\xC3\xA9 \xE2\x9C\x93", "caf\xC3\xA9 \xE2\x9C\x93", 2);
}

static void tokenising_nothing_gives_nothing(void **state)
{
    (void)state;
    check_tokens("", "", 0);
    check_tokens(" . , !\n", "", 0);
}

static void tokenising_twice_changes_nothing(void **state)
{
    (void)state;
    check_tokens("a black dog running", "a black dog running", 4);
}

static void words_come_most_frequent_first_and_ties_in_byte_order(void **state)
{
    (void)state;
    const char *captions[] = {"b a dog", "a zebra dog", "a b once"}; /* a 3, b 2, dog 2, once 1, zebra 1 */
    vocabulary *v;
    assert_int_equal(vocabulary_build(&v, captions, 3, 2, NULL), CAPTION_OK);
    char *joined = vocabulary_join(v);
    assert_string_equal(joined, "<NULL>\n<START>\n<END>\n<UNK>\na\nb\ndog");
    assert_int_equal(vocabulary_size(v), VOCABULARY_SPECIALS + 3);
    assert_string_equal(vocabulary_word(v, 6), "dog");
    assert_int_equal(vocabulary_id(v, "dogs", 3), 6);
    assert_int_equal(vocabulary_id(v, "dogs", 4), VOCABULARY_UNK);
    assert_int_equal(vocabulary_id(v, "once", 4), VOCABULARY_UNK);
    free(joined);
    vocabulary_free(v);
}

static void extending_keeps_ids_and_appends_new_words(void **state)
{
    (void)state;
    const char *first[] = {"b a dog", "a b dog"}, *second[] = {"zebra dog crane", "crane zebra crane", "once"};
    vocabulary *base, *v;
    assert_int_equal(vocabulary_build(&base, first, 2, 1, NULL), CAPTION_OK);
    assert_int_equal(vocabulary_extend(&v, base, second, 3, 2, NULL), CAPTION_OK);
    char *joined = vocabulary_join(v);
    assert_string_equal(joined, "<NULL>\n<START>\n<END>\n<UNK>\na\nb\ndog\ncrane\nzebra");
    free(joined);
    vocabulary_free(v);
    vocabulary_free(base);
}

static void captions_become_ids_up_to_the_maximum(void **state)
{
    (void)state;
    const char *captions[] = {"a dog a"};
    int ids[4] = {-1, -1, -1, -1};
    vocabulary *v;
    assert_int_equal(vocabulary_build(&v, captions, 1, 1, NULL), CAPTION_OK);
    assert_int_equal(vocabulary_encode(v, "dog a cat dog", ids, 3), 3);
    assert_int_equal(ids[0], 5);
    assert_int_equal(ids[1], 4);
    assert_int_equal(ids[2], VOCABULARY_UNK);
    assert_int_equal(ids[3], -1);
    assert_int_equal(vocabulary_encode(v, "", ids, 3), 0);
    vocabulary_free(v);
}

static void overlong_words_never_enter(void **state)
{
    (void)state;
    char longest[VOCABULARY_WORD_BYTES + 1] = {0}, longer[VOCABULARY_WORD_BYTES + 2] = {0};
    memset(longest, 'x', sizeof longest - 1);
    memset(longer, 'x', sizeof longer - 1);
    const char *captions[] = {longest, longer};
    vocabulary *v;
    assert_int_equal(vocabulary_build(&v, captions, 2, 1, NULL), CAPTION_OK);
    assert_int_equal(vocabulary_size(v), VOCABULARY_SPECIALS + 1);
    assert_int_equal(vocabulary_id(v, longest, strlen(longest)), VOCABULARY_SPECIALS);
    assert_int_equal(vocabulary_id(v, longer, strlen(longer)), VOCABULARY_UNK);
    vocabulary_free(v);
}

static void joined_form_round_trips(void **state)
{
    (void)state;
    const char text[] = "<NULL>\n<START>\n<END>\n<UNK>\nzebra\na\ncaf\xC3\xA9";
    vocabulary *v;
    assert_int_equal(vocabulary_parse(&v, text, NULL), CAPTION_OK);
    char *joined = vocabulary_join(v);
    assert_string_equal(joined, text);
    assert_int_equal(vocabulary_id(v, "<END>", 5), VOCABULARY_END);
    free(joined);
    vocabulary_free(v);
}

static void specials_alone_are_a_vocabulary(void **state)
{
    (void)state;
    vocabulary *v;
    assert_int_equal(vocabulary_build(&v, NULL, 0, 1, NULL), CAPTION_OK);
    assert_int_equal(vocabulary_size(v), VOCABULARY_SPECIALS);
    vocabulary_free(v);
}

static void bad_joined_forms_are_refused_with_their_reason(void **state)
{
    (void)state;
#define HEAD "<NULL>\n<START>\n<END>\n<UNK>"
    static const struct {
        const char *joined, *reason;
    } cases[] = {
        {"", "does not begin with"},
        {"<START>\n<NULL>\n<END>\n<UNK>\na", "does not begin with"},
        {HEAD "a\nb", "does not begin with"},
        {HEAD "\na\nb\na", "the word \"a\" stands there twice"},
        {HEAD "\na\n<END>", "the word \"<END>\" stands there twice"},
        {HEAD "\na\n\nb", "word 5 is empty"},
        {HEAD "\na\n", "word 5 is empty"},
        {HEAD "\na b", "word 4 is not printable UTF-8"},
        {HEAD "\na\tb", "word 4 is not printable UTF-8"},
        {HEAD "\n\x7F", "word 4 is not printable UTF-8"},
        {HEAD "\nok\n\xC3", "word 5 is not printable UTF-8"},
        {HEAD "\nxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "word 4 is longer than 31 bytes"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        caption_error err;
        vocabulary *v = (vocabulary *)&err;
        assert_int_equal(vocabulary_parse(&v, cases[i].joined, &err), CAPTION_EFORMAT);
        assert_non_null(strstr(err.message, cases[i].reason));
        assert_null(v);
    }
}

static void minimum_count_below_one_is_refused(void **state)
{
    (void)state;
    vocabulary *v;
    caption_error err;
    assert_int_equal(vocabulary_build(&v, NULL, 0, 0, &err), CAPTION_EINVAL);
    assert_non_null(strstr(err.message, "minimum word count"));
}

static void malformed_utf8_is_recognised(void **state)
{
    (void)state;
    static const char *const good[] = {
        "", "a", "\xC2\x80", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEF\xBF\xBD", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"};
    static const char *const bad[] = {"\x80",
                                      "\xC0\x80",
                                      "\xC1\xBF",
                                      "\xC2",
                                      "\xC2"
                                      "a",
                                      "\xE0\x9F\xBF",
                                      "\xED\xA0\x80",
                                      "\xE2\x82",
                                      "\xE2\x82"
                                      "a",
                                      "\xF0\x8F\xBF\xBF",
                                      "\xF4\x90\x80\x80",
                                      "\xF5\x80\x80\x80",
                                      "\xFF"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(utf8_valid(good[i], strlen(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(utf8_valid(bad[i], strlen(bad[i])));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokenising_lowers_letters_and_drops_punctuation),
        cmocka_unit_test(tokenising_nothing_gives_nothing),
        cmocka_unit_test(tokenising_twice_changes_nothing),
        cmocka_unit_test(words_come_most_frequent_first_and_ties_in_byte_order),
        cmocka_unit_test(extending_keeps_ids_and_appends_new_words),
        cmocka_unit_test(captions_become_ids_up_to_the_maximum),
        cmocka_unit_test(overlong_words_never_enter),
        cmocka_unit_test(joined_form_round_trips),
        cmocka_unit_test(specials_alone_are_a_vocabulary),
        cmocka_unit_test(bad_joined_forms_are_refused_with_their_reason),
        cmocka_unit_test(minimum_count_below_one_is_refused),
        cmocka_unit_test(malformed_utf8_is_recognised),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
