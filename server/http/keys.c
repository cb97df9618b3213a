/* keys.c: see keys.h. One lock guards all; it is held for microseconds and is a leaf.
 *
 * A rate is a bucket of as many requests as the key has in its period; it fills evenly. Keys are never freed while the
 * daemon runs, for requests hold them: one that has gone is only found no more, and lives on under its name. */
#include "server/http/keys.h"

#include <math.h>
#include <nettle/memops.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/clock.h"
#include "server/base/metrics.h"

struct named_key {
    char name[KEY_NAME_BYTES]; /* constant; the rest is guarded by the lock */
    key_definition is;
    named_key *next;
    int active;
    double left, filled; /* requests that it may begin; clock_ms of when that was so */
    int in_flight;
    uint64_t requests, over_rate, over_concurrency;
};

struct keys {
    const config *config;
    pthread_mutex_t lock;
    named_key *first;
    atomic_int need_admin, need_caption;
    uint64_t reloads[2]; /* good, failed */
};

/* ---- making ------------------------------------------------------------------------------------------------------ */

static named_key *find_name(const keys *k, const char *name)
{
    for (named_key *it = k->first; it; it = it->next)
        if (strcmp(it->name, name) == 0)
            return it;
    return NULL;
}

/* Those that are new, linked; NULL with *failed set when out of memory. */
static named_key *make_new(const keys *k, const key_definition *all, size_t n, int *failed)
{
    named_key *new = NULL;
    for (size_t i = 0; i < n && !*failed; i++) {
        named_key *it = find_name(k, all[i].name) ? NULL : calloc(1, sizeof *it);
        if (it) {
            strcpy(it->name, all[i].name);
            it->next = new;
            new = it;
        } else {
            *failed = !find_name(k, all[i].name);
        }
    }
    return new;
}

static void free_list(named_key *it)
{
    while (it) {
        named_key *next = it->next;
        free(it);
        it = next;
    }
}

static void activate(keys *k, const key_definition *is, double now)
{
    named_key *it = find_name(k, is->name);
    int same_rate = it->active && it->is.burst == is->burst && it->is.period_ms == is->period_ms;
    if (!same_rate) {
        it->left = is->burst;
        it->filled = now;
    }
    it->is = *is;
    it->active = 1;
    atomic_store(is->is_admin ? &k->need_admin : &k->need_caption, 1);
}

/* Only reloads change the list, and there is one at a time: it may be read without the lock. */
static int replace(keys *k, const key_definition *all, size_t n, caption_error *err)
{
    int failed = 0;
    double now = clock_ms();
    named_key *new = make_new(k, all, n, &failed);
    if (failed) {
        free_list(new);
        return caption_fail(err, CAPTION_ENOMEM, "out of memory for keys");
    }
    pthread_mutex_lock(&k->lock);
    while (new) {
        named_key *next = new->next;
        new->next = k->first;
        k->first = new;
        new = next;
    }
    for (size_t i = 0; i < n; i++)
        activate(k, &all[i], now);
    for (named_key *it = k->first; it; it = it->next) {
        int stays = 0;
        for (size_t i = 0; i < n && !stays; i++)
            stays = strcmp(all[i].name, it->name) == 0;
        it->active = stays;
    }
    pthread_mutex_unlock(&k->lock);
    return CAPTION_OK;
}

static int read_and_replace(keys *k, caption_error *err)
{
    key_definition *all;
    size_t n;
    int status = keys_read(k->config, &all, &n, err);
    if (status)
        return status;
    status = replace(k, all, n, err);
    free(all);
    return status;
}

int keys_new(keys **out, const config *c, caption_error *err)
{
    keys *k = calloc(1, sizeof *k);
    if (!k)
        return caption_fail(err, CAPTION_ENOMEM, "out of memory for keys");
    k->config = c;
    pthread_mutex_init(&k->lock, NULL);
    int status = read_and_replace(k, err);
    if (status)
        keys_free(k);
    else
        *out = k;
    return status;
}

void keys_free(keys *k)
{
    if (!k)
        return;
    free_list(k->first);
    pthread_mutex_destroy(&k->lock);
    free(k);
}

int keys_reload(keys *k, caption_error *err)
{
    int status = read_and_replace(k, err);
    pthread_mutex_lock(&k->lock);
    k->reloads[status != CAPTION_OK]++;
    pthread_mutex_unlock(&k->lock);
    return status;
}

/* ---- asking ------------------------------------------------------------------------------------------------------ */

int keys_need_admin(const keys *k)
{
    return k && atomic_load(&k->need_admin);
}

int keys_need_caption(const keys *k)
{
    return k && atomic_load(&k->need_caption);
}

named_key *keys_find(keys *k, const char *given, int *is_admin)
{
    uint8_t digest[KEY_DIGEST_BYTES];
    named_key *found = NULL;
    key_digest(given, digest);
    pthread_mutex_lock(&k->lock);
    for (named_key *it = k->first; it; it = it->next)
        if (memeql_sec(digest, it->is.digest, sizeof digest) & it->active)
            found = it;
    *is_admin = found && found->is.is_admin;
    pthread_mutex_unlock(&k->lock);
    return found;
}

const char *key_name(const named_key *it)
{
    return it->name;
}

/* ---- limits; under the lock ----------------------------------------------------------------------------------------
 */

static int is_over_concurrency(named_key *it, problem *p)
{
    if (!it->is.concurrency || it->in_flight < it->is.concurrency)
        return 0;
    it->over_concurrency++;
    return problem_set(p, PROBLEM_TOO_MANY_REQUESTS, "key %s has %d requests at work, its limit", it->name,
                       it->in_flight);
}

static int is_over_rate(named_key *it, problem *p)
{
    const double now = clock_ms(), each_ms = it->is.burst > 0 ? it->is.period_ms / it->is.burst : 0;
    if (each_ms == 0)
        return 0;
    it->left = fmin(it->is.burst, it->left + (now - it->filled) / each_ms);
    it->filled = now;
    if (it->left >= 1) {
        it->left--;
        return 0;
    }
    it->over_rate++;
    problem_set(p, PROBLEM_TOO_MANY_REQUESTS, "key %s may begin %.0f requests in %.0f s", it->name, it->is.burst,
                it->is.period_ms / 1e3);
    p->retry_after = (int)ceil(fmax(1, (1 - it->left) * each_ms / 1e3));
    return 1;
}

int key_begin(keys *k, named_key *it, problem *p)
{
    pthread_mutex_lock(&k->lock);
    it->requests++;
    int over = is_over_concurrency(it, p) || is_over_rate(it, p);
    it->in_flight += !over;
    pthread_mutex_unlock(&k->lock);
    return over;
}

void key_end(keys *k, named_key *it)
{
    pthread_mutex_lock(&k->lock);
    it->in_flight--;
    pthread_mutex_unlock(&k->lock);
}

/* ---- counts ------------------------------------------------------------------------------------------------------ */

void keys_metrics(FILE *out, void *context)
{
    static const char requests[] = "captiond_key_requests_total", refused[] = "captiond_key_requests_refused_total",
                      at_work[] = "captiond_key_requests_in_flight", reloads[] = "captiond_key_file_reloads_total";
    keys *k = context;
    pthread_mutex_lock(&k->lock);
    metrics_write_head(out, requests, "counter", "Requests with a key, by its name.");
    for (const named_key *it = k->first; it; it = it->next)
        fprintf(out, "%s{key=\"%s\"} %llu\n", requests, it->name, (unsigned long long)it->requests);
    metrics_write_head(out, refused, "counter", "Those of them beyond a limit of the key, by the limit.");
    for (const named_key *it = k->first; it; it = it->next)
        fprintf(out, "%s{key=\"%s\",limit=\"rate\"} %llu\n%s{key=\"%s\",limit=\"concurrency\"} %llu\n", refused,
                it->name, (unsigned long long)it->over_rate, refused, it->name,
                (unsigned long long)it->over_concurrency);
    metrics_write_head(out, at_work, "gauge", "Requests with a key, begun and not completed.");
    for (const named_key *it = k->first; it; it = it->next)
        fprintf(out, "%s{key=\"%s\"} %d\n", at_work, it->name, it->in_flight);
    metrics_write_head(out, reloads, "counter", "SIGHUPs by which the key file was read again.");
    for (int i = 0; i < 2; i++)
        fprintf(out, "%s{result=\"%s\"} %llu\n", reloads, i ? "failed" : "ok", (unsigned long long)k->reloads[i]);
    pthread_mutex_unlock(&k->lock);
}
