/* vocabulary.c: words by id and ids by word, over one block of text.
 *
 * Ids by word are a binary search in a sorted index rather than a hash table: building it finds duplicates on the way,
 * no crafted file can make it slow, and look-ups only happen when captions are prepared for training, once. Building
 * from captions writes the same joined text that a model file holds and parses that: there is one way in. */
#include "model/decoder/vocabulary.h"

#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "model/caption.h"
#include "model/storage/utf8.h"

_Static_assert(CAPTION_MAX_WORDS *(VOCABULARY_WORD_BYTES + 1) <= CAPTION_TEXT_BYTES, "the longest caption fits");

static const char SPECIALS[] = "<NULL>\n<START>\n<END>\n<UNK>";

struct span {
    const char *word; /* not terminated */
    size_t length;
};

struct indexed {
    struct span span; /* first: compare_spans sorts them, too */
    int id;
};

struct vocabulary {
    char *text;            /* every word, NUL-terminated, one after the other */
    const char **words;    /* [size] by id, into text */
    struct indexed *index; /* [size] in byte order of the words */
    int size;
};

static int compare_spans(const void *a, const void *b)
{
    const struct span *x = a, *y = b;
    int order = memcmp(x->word, y->word, x->length < y->length ? x->length : y->length);
    return order ? order : (x->length > y->length) - (x->length < y->length);
}

/* ---- text to words ---------------------------------------------------------------------------------------------- */

/* ASCII only and without the locale: the same bytes give the same tokens everywhere. */
static int is_space(unsigned char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The byte that stays in a word for `c`, or 0 if it is dropped. */
static char kept_byte(unsigned char c)
{
    if (c >= 'A' && c <= 'Z')
        return (char)(c - 'A' + 'a');
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c >= 0x80 ? (char)c : 0;
}

int vocabulary_tokenise(char *text)
{
    int tokens = 0;
    char *out = text;
    for (const char *in = text; *in;) {
        char *start = out;
        if (tokens)
            *out++ = ' ';
        const char *word = out;
        for (; *in && !is_space((unsigned char)*in); in++) {
            char c = kept_byte((unsigned char)*in);
            if (c)
                *out++ = c;
        }
        if (out > word)
            tokens++;
        else
            out = start;
        while (is_space((unsigned char)*in))
            in++;
    }
    *out = '\0';
    return tokens;
}

/* Takes the next word off a tokenised caption; 0 at its end. */
static int next_word(const char **caption, struct span *span)
{
    *caption += strspn(*caption, " ");
    span->word = *caption;
    span->length = strcspn(*caption, " ");
    *caption += span->length;
    return span->length > 0;
}

/* ---- building from captions ------------------------------------------------------------------------------------- */

struct counted {
    struct span span;
    size_t count;
};

static int compare_counted(const void *a, const void *b)
{
    const struct counted *x = a, *y = b;
    if (x->count != y->count)
        return x->count < y->count ? 1 : -1;
    return compare_spans(&x->span, &y->span);
}

static size_t count_tokens(const char *const *captions, size_t n)
{
    size_t tokens = 0;
    struct span span;
    for (size_t i = 0; i < n; i++)
        for (const char *caption = captions[i]; next_word(&caption, &span);)
            tokens++;
    return tokens;
}

/* Sorts the tokens so that equal ones are neighbours, and turns each run that is long enough into a counted word. */
static size_t count_words(struct span *tokens, size_t n, size_t minimum_count, struct counted *words)
{
    size_t kept = 0;
    qsort(tokens, n, sizeof *tokens, compare_spans);
    for (size_t start = 0, end; start < n; start = end) {
        for (end = start + 1; end < n && compare_spans(&tokens[start], &tokens[end]) == 0; end++)
            ;
        if (end - start >= minimum_count && tokens[start].length <= VOCABULARY_WORD_BYTES)
            words[kept++] = (struct counted){tokens[start], end - start};
    }
    qsort(words, kept, sizeof *words, compare_counted);
    return kept;
}

/* Drops the words that `base` has; returns how many are left. */
static size_t drop_known(const vocabulary *base, struct counted *words, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (vocabulary_id(base, words[i].span.word, words[i].span.length) == VOCABULARY_UNK)
            words[kept++] = words[i];
    return kept;
}

/* `before` and the words, separated by newlines; malloc'd. */
static char *join_counted(const char *before, const struct counted *words, size_t n)
{
    size_t bytes = strlen(before) + 1;
    for (size_t i = 0; i < n; i++)
        bytes += 1 + words[i].span.length;
    char *joined = malloc(bytes), *out = joined;
    if (!joined)
        return NULL;
    out = stpcpy(out, before);
    for (size_t i = 0; i < n; i++) {
        *out++ = '\n';
        out = mempcpy(out, words[i].span.word, words[i].span.length);
    }
    *out = '\0';
    return joined;
}

/* `before`: the joined form of the words that come first, those of base; base is NULL where these are the specials. */
static int build(vocabulary **out, const char *before, const vocabulary *base, const char *const *captions, size_t n,
                 int minimum_count, caption_error *err)
{
    *out = NULL;
    if (minimum_count < 1)
        return caption_fail(err, CAPTION_EINVAL, "the minimum word count must be at least 1, not %d", minimum_count);
    int status = CAPTION_ENOMEM;
    size_t total = count_tokens(captions, n), filled = 0, counted;
    struct span *tokens = calloc(total + 1, sizeof *tokens);
    struct counted *words = calloc(total + 1, sizeof *words);
    char *joined = NULL;
    if (!tokens || !words)
        goto done;
    for (size_t i = 0; i < n; i++)
        for (const char *caption = captions[i]; next_word(&caption, &tokens[filled]);)
            filled++;
    counted = count_words(tokens, total, (size_t)minimum_count, words);
    if (base)
        counted = drop_known(base, words, counted);
    joined = join_counted(before, words, counted);
    if (joined)
        status = vocabulary_parse(out, joined, err);
done:
    if (status == CAPTION_ENOMEM)
        caption_fail(err, status, "out of memory for the vocabulary of %zu words", total);
    free(tokens);
    free(words);
    free(joined);
    return status;
}

int vocabulary_build(vocabulary **out, const char *const *captions, size_t n, int minimum_count, caption_error *err)
{
    return build(out, SPECIALS, NULL, captions, n, minimum_count, err);
}

int vocabulary_extend(vocabulary **out, const vocabulary *base, const char *const *captions, size_t n,
                      int minimum_count, caption_error *err)
{
    char *before = vocabulary_join(base);
    if (!before)
        return caption_fail(err, CAPTION_ENOMEM, "out of memory for the vocabulary to extend");
    int status = build(out, before, base, captions, n, minimum_count, err);
    free(before);
    return status;
}

int vocabulary_cut(vocabulary **out, const vocabulary *v, int size, caption_error *err)
{
    char *joined = vocabulary_join(v), *end = joined;
    *out = NULL;
    if (!joined)
        return caption_fail(err, CAPTION_ENOMEM, "out of memory for the vocabulary");
    for (int i = 0; i < size && end; i++)
        end = strchr(end + (i > 0), '\n');
    if (end)
        *end = '\0';
    int status = vocabulary_parse(out, joined, err);
    free(joined);
    return status;
}

/* ---- the joined form -------------------------------------------------------------------------------------------- */

static int is_printable(const char *word, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)word[i] <= ' ' || word[i] == 0x7F)
            return 0;
    return utf8_valid(word, length);
}

/* Cuts v->text at its newlines into words and index, which have room for them; refuses bad words. */
static int cut_words(vocabulary *v, caption_error *err)
{
    char *word = v->text;
    for (int id = 0; id < v->size; id++) {
        size_t length = strcspn(word, "\n");
        if (length == 0)
            return caption_fail(err, CAPTION_EFORMAT, "vocabulary: word %d is empty", id);
        if (length > VOCABULARY_WORD_BYTES)
            return caption_fail(err, CAPTION_EFORMAT, "vocabulary: word %d is longer than %d bytes", id,
                                VOCABULARY_WORD_BYTES);
        if (!is_printable(word, length))
            return caption_fail(err, CAPTION_EFORMAT, "vocabulary: word %d is not printable UTF-8", id);
        word[length] = '\0';
        v->words[id] = word;
        v->index[id] = (struct indexed){{word, length}, id};
        word += length + 1;
    }
    return CAPTION_OK;
}

static int sort_index(vocabulary *v, caption_error *err)
{
    qsort(v->index, (size_t)v->size, sizeof *v->index, compare_spans);
    for (int i = 1; i < v->size; i++)
        if (compare_spans(&v->index[i - 1], &v->index[i]) == 0)
            return caption_fail(err, CAPTION_EFORMAT, "vocabulary: the word \"%s\" stands there twice",
                                v->index[i].span.word);
    return CAPTION_OK;
}

int vocabulary_parse(vocabulary **out, const char *joined, caption_error *err)
{
    *out = NULL;
    size_t specials = sizeof SPECIALS - 1, lines = 1;
    if (strncmp(joined, SPECIALS, specials) != 0 || (joined[specials] != '\n' && joined[specials] != '\0'))
        return caption_fail(err, CAPTION_EFORMAT, "vocabulary: does not begin with <NULL> <START> <END> <UNK>");
    for (const char *newline = joined; (newline = strchr(newline, '\n')); newline++)
        lines++;
    if (lines > INT_MAX)
        return caption_fail(err, CAPTION_ELIMIT, "vocabulary: %zu words are too many", lines);

    int status = CAPTION_ENOMEM;
    vocabulary *v = calloc(1, sizeof *v);
    if (!v || !(v->text = strdup(joined)) || !(v->words = calloc(lines, sizeof *v->words)) ||
        !(v->index = calloc(lines, sizeof *v->index))) {
        caption_fail(err, status, "out of memory for a vocabulary of %zu words", lines);
        goto fail;
    }
    v->size = (int)lines;
    if ((status = cut_words(v, err)) != CAPTION_OK || (status = sort_index(v, err)) != CAPTION_OK)
        goto fail;
    *out = v;
    return CAPTION_OK;
fail:
    vocabulary_free(v);
    return status;
}

char *vocabulary_join(const vocabulary *v)
{
    size_t bytes = 0;
    for (int id = 0; id < v->size; id++)
        bytes += strlen(v->words[id]) + 1;
    char *joined = malloc(bytes);
    if (!joined)
        return NULL;
    memcpy(joined, v->text, bytes); /* the words lie there one after the other, only their newlines became NULs */
    for (size_t i = 0; i + 1 < bytes; i++)
        if (joined[i] == '\0')
            joined[i] = '\n';
    return joined;
}

void vocabulary_free(vocabulary *v)
{
    if (!v)
        return;
    free(v->text);
    free(v->words);
    free(v->index);
    free(v);
}

/* ---- looking up ------------------------------------------------------------------------------------------------- */

int vocabulary_size(const vocabulary *v)
{
    return v->size;
}

const char *vocabulary_word(const vocabulary *v, int id)
{
    return v->words[id];
}

int vocabulary_id(const vocabulary *v, const char *word, size_t length)
{
    struct span wanted = {word, length};
    const struct indexed *found = bsearch(&wanted, v->index, (size_t)v->size, sizeof *v->index, compare_spans);
    return found ? found->id : VOCABULARY_UNK;
}

int vocabulary_encode(const vocabulary *v, const char *caption, int *ids, int max)
{
    int n = 0;
    for (struct span span; n < max && next_word(&caption, &span); n++)
        ids[n] = vocabulary_id(v, span.word, span.length);
    return n;
}
