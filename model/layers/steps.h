/* steps.h: sequences of different lengths, packed: at step s the first rows[s] of them go on, so they stand longest
 * first and rows never grow.
 *
 * An array "[R, .]" holds rows[0] rows of step 0, then rows[1] of step 1, and so on: R in all, none of them padding.
 * Where all are of one length T it is the plain time-major [T, N, .]. States are [N + R, .]: those before step 0, then
 * those behind each step. */
#ifndef CAPTION_LAYERS_STEPS_H
#define CAPTION_LAYERS_STEPS_H

typedef struct sequence_steps {
    int t;           /* steps */
    const int *rows; /* [t] */
} sequence_steps;

/* R */
static inline int steps_rows(const sequence_steps *s)
{
    int sum = 0;
    for (int i = 0; i < s->t; i++)
        sum += s->rows[i];
    return sum;
}

#endif
