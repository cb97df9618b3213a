/* fluency.c: the rules of fluency.h while a caption is written, and the same as faults of a finished text (score.h). */
#include "model/decoder/fluency.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/caption.h"
#include "model/score.h"

/* English words that sentences use again and again. */
static const char *const repeating[] = {
    "a",   "an",  "the",   "and", "of",   "with", "in",   "on",      "at", "to",   "is",   "are", "his",
    "her", "its", "their", "for", "from", "as",   "into", "through", "by", "near", "over", NULL,
};

/* And those that end none: each ends less than one in a hundred of the places where it stands in Flickr8k's training
 * captions ("on" one in fifty: "others look on"). */
static const char *const dangling[] = {
    "a",       "an",     "the",   "and",     "of",     "with",    "in",     "on",      "at",     "to",
    "is",      "are",    "his",   "its",     "their",  "for",     "from",   "as",      "into",   "through",
    "near",    "over",   "while", "wearing", "two",    "three",   "some",   "very",    "who",    "that",
    "which",   "has",    "have",  "under",   "across", "onto",    "toward", "towards", "beside", "between",
    "against", "during", "like",  "or",      "but",    "because", "he",     "she",     "they",   NULL,
};

static const char *const articles[] = {"a", "an", "the", NULL};

/* Words that, behind an article, tell of a thing that is to come: there, each ends less than one in a hundred of
 * Flickr8k's training captions. */
static const char *const describing[] = {
    "red",       "blue",     "green",       "white",      "black",    "brown",        "grey",   "gray",    "pink",
    "yellow",    "orange",   "purple",      "golden",     "silver",   "tan",          "beige",  "blond",   "blonde",
    "bright",    "colorful", "striped",     "plaid",      "floral",   "multicolored", "young",  "older",   "old",
    "elderly",   "little",   "small",       "tiny",       "large",    "big",          "huge",   "giant",   "long",
    "short",     "tall",     "high",        "low",        "deep",     "shallow",      "steep",  "narrow",  "wide",
    "grassy",    "snowy",    "snowcovered", "sandy",      "rocky",    "muddy",        "leafy",  "wooded",  "wooden",
    "brick",     "stone",    "metal",       "plastic",    "paved",    "fenced",       "foggy",  "frozen",  "icy",
    "dry",       "wet",      "rough",       "bearded",    "bald",     "shaggy",       "fluffy", "furry",   "smiling",
    "shirtless", "busy",     "crowded",     "empty",      "open",     "rural",        "urban",  "outdoor", "indoor",
    "public",    "lone",     "opposing",    "inflatable", "stuffed",  "broken",       "dirty",  "flying",  "jumping",
    "running",   "swimming", "fishing",     "racing",     "shopping", "parking",      "soccer", "tennis",  "cowboy",
    NULL};

static const char *const joining[] = {"and", NULL};

static int knows(const vocabulary *words, const char *word)
{
    return vocabulary_id(words, word, strlen(word)) != VOCABULARY_UNK;
}

static void mark(const vocabulary *words, const char *const *list, unsigned char flag, unsigned char *flags)
{
    for (; *list; list++)
        flags[vocabulary_id(words, *list, strlen(*list))] |=
            flag; /* a word it lacks marks <UNK>, never chosen anyway */
}

void fluency_flags(const vocabulary *words, unsigned char *flags)
{
    int english = knows(words, "a") && knows(words, "the") && knows(words, "in");
    memset(flags, english ? 0 : FLUENCY_REPEATS, (size_t)vocabulary_size(words));
    if (!english)
        return;
    mark(words, repeating, FLUENCY_REPEATS, flags);
    mark(words, dangling, FLUENCY_DANGLES, flags);
    mark(words, articles, FLUENCY_ARTICLE, flags);
    mark(words, describing, FLUENCY_DESCRIBES, flags);
    mark(words, joining, FLUENCY_JOINS, flags);
}

/* Do n words, whose flags are `flags_of(words, i)`, end within the description of a thing that is to come: "a", "a red
 * and", "a large fenced"? */
static int lacks_its_thing(unsigned (*flags_of)(const void *words, int i), const void *words, int n)
{
    int i = n - 1;
    while (i >= 0 && flags_of(words, i) & (FLUENCY_DESCRIBES | FLUENCY_JOINS))
        i--;
    return i >= 0 && flags_of(words, i) & FLUENCY_ARTICLE;
}

struct ids {
    const unsigned char *flags;
    const int *written;
};

static unsigned flags_of_id(const void *words, int i)
{
    const struct ids *ids = words;
    return ids->flags[ids->written[i]];
}

int fluency_may_end(const unsigned char *flags, const int *written, int n)
{
    return n > 0 && !(flags[written[n - 1]] & FLUENCY_DANGLES) &&
           !lacks_its_thing(flags_of_id, &(struct ids){flags, written}, n);
}

void fluency_forbid(const unsigned char *flags, int size, const int *written, int n, int room, float *scores)
{
    int last = n > 0 ? written[n - 1] : VOCABULARY_START;
    for (int t = 0; t < n; t++) {
        int ends_phrase = t > 0 && written[t - 1] == last; /* last and this word stand there already */
        if (written[t] == last || ends_phrase || !(flags[written[t]] & FLUENCY_REPEATS))
            scores[written[t]] = -INFINITY;
    }
    if (!fluency_may_end(flags, written, n))
        scores[VOCABULARY_END] = -INFINITY;
    if (room != 1)
        return;
    int thing_is_missing = lacks_its_thing(flags_of_id, &(struct ids){flags, written}, n);
    for (int v = VOCABULARY_SPECIALS; v < size; v++)
        if (flags[v] & FLUENCY_DANGLES || (thing_is_missing && flags[v] & FLUENCY_DESCRIBES))
            scores[v] = -INFINITY;
}

/* ---- faults of a text ------------------------------------------------------------------------------------------- */

static int is_among(const char *const *list, const char *word)
{
    while (*list && strcmp(*list, word) != 0)
        list++;
    return *list != NULL;
}

/* Cuts tokenised text into words; returns how many, at most CAPTION_MAX_WORDS. */
static int cut(char *text, const char *words[CAPTION_MAX_WORDS])
{
    int n = 0;
    char *rest;
    for (char *word = strtok_r(text, " ", &rest); word && n < CAPTION_MAX_WORDS; word = strtok_r(NULL, " ", &rest))
        words[n++] = word;
    return n;
}

/* What is wrong with the i-th word for what stands before it. */
static unsigned faults_at(const char *const *words, int i)
{
    unsigned faults = strcmp(words[i], "unk") == 0 ? CAPTION_FAULT_UNKNOWN : 0;
    for (int t = 0; t < i; t++) {
        if (strcmp(words[t], words[i]) != 0)
            continue;
        if (t == i - 1 || !is_among(repeating, words[i]))
            faults |= CAPTION_FAULT_WORD;
        if (t > 0 && strcmp(words[t - 1], words[i - 1]) == 0)
            faults |= CAPTION_FAULT_PHRASE;
    }
    return faults;
}

static unsigned flags_of_word(const void *words, int i)
{
    const char *word = ((const char *const *)words)[i];
    return (is_among(articles, word) ? FLUENCY_ARTICLE : 0) | (is_among(describing, word) ? FLUENCY_DESCRIBES : 0) |
           (is_among(joining, word) ? FLUENCY_JOINS : 0);
}

static int is_unfinished(const char *const *words, int n)
{
    return n == 0 || is_among(dangling, words[n - 1]) || lacks_its_thing(flags_of_word, words, n);
}

unsigned caption_faults(const char *text)
{
    char copy[CAPTION_TEXT_BYTES];
    const char *words[CAPTION_MAX_WORDS];
    size_t length = strnlen(text, sizeof copy - 1);
    memcpy(copy, text, length);
    copy[length] = '\0';
    vocabulary_tokenise(copy);
    int n = cut(copy, words);
    unsigned faults = is_unfinished(words, n) ? CAPTION_FAULT_UNFINISHED : 0;
    for (int i = 0; i < n; i++)
        faults |= faults_at(words, i);
    return faults;
}
