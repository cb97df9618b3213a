/* guesses.c: see guesses.h. A table of as many addresses as there are places; the one that has been quiet longest makes
 * room for a new one. */
#include "server/http/guesses.h"

#include <arpa/inet.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/clock.h"
#include "server/base/metrics.h"

enum { PLACES = 1024, ADDRESS_BYTES = 17, FIRST_MS = 25, HELD_MS = 2000, PATIENT = 8, FORGIVE_MS = 60000 };

typedef struct suspect {
    unsigned char address[ADDRESS_BYTES];
    int wrong;          /* keys, less those forgiven */
    double last, until; /* clock_ms: of the last one; when it has waited long enough */
} suspect;

struct guesses {
    double longest_ms;
    pthread_mutex_t lock;
    suspect places[PLACES];
    metrics_counter wrong, told_to_wait;
};

int guesses_new(guesses **out, int longest_s, caption_error *err)
{
    guesses *g = calloc(1, sizeof *g);
    if (!g)
        return caption_fail(err, CAPTION_ENOMEM, "out of memory for those who send wrong keys");
    g->longest_ms = longest_s * 1e3;
    pthread_mutex_init(&g->lock, NULL);
    *out = g;
    return CAPTION_OK;
}

void guesses_free(guesses *g)
{
    if (!g)
        return;
    pthread_mutex_destroy(&g->lock);
    free(g);
}

/* 4, the address; or 6 and the network of 64 bits; else, sockets in the file system, all are one. */
static void read_address(const char *text, unsigned char out[ADDRESS_BYTES])
{
    unsigned char v6[16];
    memset(out, 0, ADDRESS_BYTES);
    if (inet_pton(AF_INET, text, out + 1) == 1)
        out[0] = 4;
    if (out[0] || inet_pton(AF_INET6, text, v6) != 1)
        return;
    const int is_v4 = IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)(const void *)v6);
    out[0] = is_v4 ? 4 : 6;
    memcpy(out + 1, is_v4 ? v6 + 12 : v6, is_v4 ? 4 : 8);
}

static suspect *find(guesses *g, const unsigned char address[ADDRESS_BYTES])
{
    suspect *oldest = g->places;
    for (suspect *s = g->places; s < g->places + PLACES; s++) {
        if (s->last > 0 && memcmp(s->address, address, ADDRESS_BYTES) == 0)
            return s;
        if (s->last < oldest->last)
            oldest = s;
    }
    memset(oldest, 0, sizeof *oldest);
    memcpy(oldest->address, address, ADDRESS_BYTES);
    return oldest;
}

int guesses_add(guesses *g, const char *address, int can_hold, int *hold_ms, int *wrong)
{
    unsigned char bytes[ADDRESS_BYTES];
    const double now = clock_ms();
    metrics_add(&g->wrong, 1);
    read_address(address, bytes);
    pthread_mutex_lock(&g->lock);
    suspect *s = find(g, bytes);
    s->wrong = 1 + (int)fmax(0, s->wrong - floor((now - s->last) / FORGIVE_MS));
    s->last = now;
    const int is_early = now < s->until;
    const double wait = fmin(g->longest_ms, FIRST_MS * exp2(s->wrong < 40 ? s->wrong - 1 : 39));
    s->until = now + wait;
    *wrong = s->wrong;
    const int impatient = is_early && (s->wrong > PATIENT || !can_hold);
    pthread_mutex_unlock(&g->lock);
    *hold_ms = impatient ? 0 : (int)fmin(wait, HELD_MS);
    metrics_add(&g->told_to_wait, (uint64_t)impatient);
    return impatient ? (int)ceil(wait / 1e3) : 0;
}

void guesses_metrics(FILE *out, void *context)
{
    guesses *g = context;
    metrics_write_counter(out, "captiond_wrong_keys_total", "Requests refused that had a wrong key.", &g->wrong);
    metrics_write_counter(out, "captiond_wrong_keys_told_to_wait_total", "Those of them told to wait: 429.",
                          &g->told_to_wait);
}
