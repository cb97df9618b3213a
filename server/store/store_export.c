/* store_export.c: a dataset as files, for a training job.
 *
 * Which items are for dev is decided by a rank, the SHA-256 of seed and image: the lowest ranks are. So the choice
 * depends on the seed and on what the items are, not on the order in which they came, and hardly changes when some are
 * added. */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/store/store_open.h"

typedef struct entry {
    uint8_t rank[SHA256_DIGEST_SIZE];
    char sha256[STORE_SHA256_BYTES];
    int dev;
} entry;

/* An export on its way. */
typedef struct exporting {
    store *store;
    const store_export_order *order;
    int directory, images; /* descriptors */
    long long dataset;
    entry *entries; /* [n] the items in order of id */
    long long n, dev;
    FILE *tsv[2]; /* train, dev */
} exporting;

static int refuse_memory(problem *p)
{
    return problem_set(p, PROBLEM_MEMORY_FULL, "out of memory for an export");
}

/* ---- which items are for dev ----------------------------------------------------------------------------------- */

static void rank_entry(entry *e, uint64_t seed)
{
    struct sha256_ctx sha;
    uint64_t bytes = htole64(seed);
    sha256_init(&sha);
    sha256_update(&sha, sizeof bytes, (const uint8_t *)&bytes);
    sha256_update(&sha, strlen(e->sha256), (const uint8_t *)e->sha256);
    sha256_digest(&sha, sizeof e->rank, e->rank);
}

static int compare_ranks(const void *a, const void *b)
{
    const entry *const *x = a, *const *y = b;
    return memcmp((*x)->rank, (*y)->rank, sizeof(*x)->rank);
}

static int choose_dev(exporting *x, problem *p)
{
    double fraction = x->order->dev_fraction;
    if (x->n < (fraction > 0 ? 2 : 1))
        return problem_set(p, PROBLEM_DATASET_TOO_SMALL,
                           fraction > 0 ? "two items are the least that can be divided" : "it has no items");
    if (fraction <= 0)
        return 0;
    entry **order = calloc((size_t)x->n, sizeof *order);
    if (!order)
        return refuse_memory(p);
    for (long long i = 0; i < x->n; i++)
        order[i] = &x->entries[i];
    qsort(order, (size_t)x->n, sizeof *order, compare_ranks);
    x->dev = llround(fraction * (double)x->n);
    x->dev = x->dev < 1 ? 1 : x->dev > x->n - 1 ? x->n - 1 : x->dev;
    for (long long i = 0; i < x->dev; i++)
        order[i]->dev = 1;
    free(order);
    return 0;
}

/* The next entry, zeroed; NULL when out of memory. *room: allocated. */
static entry *add_entry(exporting *x, size_t *room)
{
    if ((size_t)x->n == *room) {
        size_t wanted = *room ? 2 * *room : 256;
        entry *larger = realloc(x->entries, wanted * sizeof *larger);
        if (!larger)
            return NULL;
        x->entries = larger;
        *room = wanted;
    }
    x->entries[x->n] = (entry){.dev = 0};
    return &x->entries[x->n++];
}

static int check_going_on(const exporting *x, problem *p)
{
    return x->order->stop(x->order->context) ? problem_set(p, PROBLEM_DRAINING, "stopped while exporting") : 0;
}

static int read_entries(exporting *x, problem *p)
{
    store *s = x->store;
    size_t room = 0;
    int state;
    sqlite3_stmt *q = database_prepare(s->db, "SELECT images.sha256 FROM items JOIN images ON images.id = items.image "
                                              "WHERE items.dataset = ?1 ORDER BY items.id");
    sqlite3_bind_int64(q, 1, x->dataset);
    while ((state = database_step(s->db, q, p)) == DATABASE_ROW) {
        entry *e = add_entry(x, &room);
        if (!e)
            break;
        strncat(e->sha256, (const char *)sqlite3_column_text(q, 0), sizeof e->sha256 - 1);
        rank_entry(e, x->order->seed);
    }
    sqlite3_reset(q);
    return state == DATABASE_ROW ? refuse_memory(p) : state == DATABASE_FAULT;
}

/* ---- files ----------------------------------------------------------------------------------------------------- */

static int link_images(const exporting *x, problem *p)
{
    for (long long i = 0; i < x->n; i++) {
        const char *name = x->entries[i].sha256;
        if (check_going_on(x, p))
            return 1;
        if (linkat(x->store->images_fd, name, x->images, name, 0) != 0 && errno != EEXIST)
            return store_file_fault(p, name, errno);
    }
    return fsync(x->images) == 0 ? 0 : store_file_fault(p, "images", errno);
}

static FILE *create(int directory, const char *name)
{
    int fd = openat(directory, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    FILE *stream = fd < 0 ? NULL : fdopen(fd, "w");
    if (fd >= 0 && !stream)
        close(fd);
    return stream;
}

static int flush(FILE *stream, const char *name, problem *p)
{
    return fflush(stream) == 0 && fsync(fileno(stream)) == 0 ? 0 : store_file_fault(p, name, errno);
}

/* One line a caption, the items in order; the query runs through x->entries in step. */
static int write_captions(const exporting *x, problem *p)
{
    store *s = x->store;
    long long at = 0;
    int state, written = 1, stopped = 0;
    sqlite3_stmt *q =
        database_prepare(s->db, "SELECT images.sha256, captions.text FROM items "
                                "JOIN images ON images.id = items.image JOIN captions ON captions.item = items.id "
                                "WHERE items.dataset = ?1 ORDER BY items.id, captions.id");
    sqlite3_bind_int64(q, 1, x->dataset);
    while (written && !(stopped = check_going_on(x, p)) && (state = database_step(s->db, q, p)) == DATABASE_ROW) {
        const char *sha256 = (const char *)sqlite3_column_text(q, 0);
        while (at < x->n - 1 && strcmp(x->entries[at].sha256, sha256) != 0)
            at++;
        written = fprintf(x->tsv[x->entries[at].dev], "%s\t%s\n", sha256, sqlite3_column_text(q, 1)) > 0;
    }
    int error = errno;
    sqlite3_reset(q);
    return stopped || (written ? state == DATABASE_FAULT : store_file_fault(p, "captions", error));
}

static int write_files(exporting *x, problem *p)
{
    x->tsv[0] = create(x->directory, "train.tsv");
    if (!x->tsv[0])
        return store_file_fault(p, "train.tsv", errno);
    if (x->dev > 0 && !(x->tsv[1] = create(x->directory, "dev.tsv")))
        return store_file_fault(p, "dev.tsv", errno);
    if (x->dev == 0)
        unlinkat(x->directory, "dev.tsv", 0);
    if (write_captions(x, p) || flush(x->tsv[0], "train.tsv", p) || (x->tsv[1] && flush(x->tsv[1], "dev.tsv", p)))
        return 1;
    return fsync(x->directory) == 0 ? 0 : store_file_fault(p, "export", errno);
}

static int open_directories(exporting *x, problem *p)
{
    const char *directory = x->order->directory;
    x->directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (x->directory < 0 || (mkdirat(x->directory, "images", 0700) != 0 && errno != EEXIST) ||
        (x->images = openat(x->directory, "images", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
        return store_file_fault(p, directory, errno);
    return 0;
}

static void release(exporting *x)
{
    for (int i = 0; i < 2; i++)
        if (x->tsv[i])
            fclose(x->tsv[i]);
    if (x->images >= 0)
        close(x->images);
    if (x->directory >= 0)
        close(x->directory);
    free(x->entries);
}

/* The write lock keeps the image files where they are until they are linked. */
int store_export(store *s, const store_export_order *order, store_export_sizes *sizes, problem *p)
{
    exporting x = {.store = s, .order = order, .directory = -1, .images = -1};
    int failed = open_directories(&x, p) || database_begin(s->db, p);
    if (!failed) {
        failed = store_find_dataset(s, order->dataset, &x.dataset, p) || read_entries(&x, p) || choose_dev(&x, p) ||
                 link_images(&x, p) || write_files(&x, p);
        failed = database_end(s->db, failed, p);
    }
    *sizes = (store_export_sizes){x.n - x.dev, x.dev};
    release(&x);
    return failed;
}
