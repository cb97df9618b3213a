/* packing.c: sorts a batch's captions by length and lays their words out step by step, without padding (packing.h).
 * */
#include "model/decoder/packing.h"

#include "model/decoder/vocabulary.h"

size_t packing_scratch(int n, int t)
{
    size_t captions = (size_t)n, rows = captions * (size_t)t;
    return 2 * arena_slice(captions, sizeof(int)) + arena_slice((size_t)t, sizeof(int)) +
           3 * arena_slice(rows, sizeof(int));
}

/* Steps of caption k, at least one. */
static int length_of(int n, int t, const int *captions, int k)
{
    while (t > 1 && captions[t * n + k] == VOCABULARY_NULL)
        t--;
    return t;
}

/* order: captions by length, longest first, otherwise as they stand; a counting sort over lengths. */
static void sort(packing *p, int t, const int *length)
{
    int next = 0;
    for (int wanted = t; wanted > 0; wanted--)
        for (int k = 0; k < p->n; k++)
            if (length[k] == wanted)
                p->order[next++] = k;
}

packing packing_make(int n, int t, const int *captions, arena *scratch)
{
    size_t count = (size_t)n, most = count * (size_t)t;
    int *length = arena_take(scratch, count, sizeof *length), *rows = arena_take(scratch, (size_t)t, sizeof *rows);
    packing p = {.n = n,
                 .order = arena_take(scratch, count, sizeof(int)),
                 .inputs = arena_take(scratch, most, sizeof(int)),
                 .targets = arena_take(scratch, most, sizeof(int)),
                 .caption = arena_take(scratch, most, sizeof(int))};
    for (int k = 0; k < n; k++)
        length[k] = length_of(n, t, captions, k);
    sort(&p, t, length);
    for (int s = 0; s < t; s++) {
        rows[s] = 0;
        for (int j = 0; j < n && length[p.order[j]] > s; j++, rows[s]++, p.rows++) {
            p.inputs[p.rows] = captions[s * n + p.order[j]];
            p.targets[p.rows] = captions[(s + 1) * n + p.order[j]];
            p.caption[p.rows] = p.order[j];
        }
    }
    while (t > 0 && rows[t - 1] == 0)
        t--;
    p.steps = (sequence_steps){t, rows};
    return p;
}
