#include "model/features/feature_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <nettle/sha2.h>
#include <zlib.h>

enum { VERSION = 1, SHA256_HEX = 64 };

static const char MAGIC[16] = "captiond feature";

struct header {
    char magic[sizeof MAGIC];
    uint32_t version, floats;
    char encoder[SHA256_HEX];
    char zeros[36]; /* up to 128 bytes, so that records begin on a cache line */
    uint32_t crc;   /* of everything before it */
};

/* Stands before a record's floats. */
struct label {
    feature_key key;
    uint32_t crc;   /* of key and floats */
    char zeros[24]; /* up to 64 bytes */
};

_Static_assert(sizeof(struct header) == 128 && sizeof(struct label) == 64, "the layout of the file");

struct entry {
    feature_key key;
    long record;
};

struct feature_cache {
    char *path;
    int descriptor;
    pthread_mutex_t appending; /* flock keeps out other processes, not other threads of this one */
    size_t floats, stride;     /* of a record; its bytes, label included */
    unsigned char *map;
    size_t mapped;         /* bytes */
    struct entry *entries; /* sorted by key: the intact records */
    size_t n_entries;
    size_t scanned; /* records looked at */
};

/* ---- records ---------------------------------------------------------------------------------------------------- */

feature_key feature_cache_key(const void *image, size_t size, uint32_t view)
{
    feature_key key = {.view = view};
    struct sha256_ctx sha;
    sha256_init(&sha);
    sha256_update(&sha, size, image);
    sha256_digest(&sha, sizeof key.image, key.image);
    return key;
}

static int compare_entries(const void *a, const void *b)
{
    return memcmp(&((const struct entry *)a)->key, &((const struct entry *)b)->key, sizeof(feature_key));
}

long feature_cache_find(const feature_cache *cache, const feature_key *key)
{
    struct entry wanted = {.key = *key};
    if (cache->n_entries == 0)
        return FEATURE_CACHE_ABSENT;
    const struct entry *found =
        bsearch(&wanted, cache->entries, cache->n_entries, sizeof *cache->entries, compare_entries);
    return found ? found->record : FEATURE_CACHE_ABSENT;
}

static const unsigned char *record_at(const feature_cache *cache, size_t record)
{
    return cache->map + sizeof(struct header) + record * cache->stride;
}

const float *feature_cache_at(const feature_cache *cache, long record)
{
    return (const float *)(record_at(cache, (size_t)record) + sizeof(struct label));
}

static uint32_t record_crc(const feature_key *key, const float *data, size_t floats)
{
    uLong crc = crc32_z(0, (const Bytef *)key, sizeof *key);
    return (uint32_t)crc32_z(crc, (const Bytef *)data, floats * sizeof *data);
}

/* ---- the file --------------------------------------------------------------------------------------------------- */

static int fail_file(const feature_cache *cache, const char *what, caption_error *err)
{
    return caption_fail(err, CAPTION_EIO, "%s: cannot %s: %s", cache->path, what, strerror(errno));
}

static int lock(const feature_cache *cache, caption_error *err)
{
    while (flock(cache->descriptor, LOCK_EX) != 0)
        if (errno != EINTR)
            return fail_file(cache, "lock", err);
    return CAPTION_OK;
}

static void unlock(const feature_cache *cache)
{
    flock(cache->descriptor, LOCK_UN);
}

/* The number of whole records in the file; what stands after them was never finished. */
static int count_records(const feature_cache *cache, size_t *records, caption_error *err)
{
    struct stat facts;
    if (fstat(cache->descriptor, &facts) != 0)
        return fail_file(cache, "stat", err);
    size_t size = (size_t)facts.st_size;
    *records = size < sizeof(struct header) ? 0 : (size - sizeof(struct header)) / cache->stride;
    return CAPTION_OK;
}

/* Empties the file unless it begins with this header. Under the lock. */
static int check_header(const feature_cache *cache, const char *encoder_sha256, caption_error *err)
{
    struct header wanted = {.version = VERSION, .floats = (uint32_t)cache->floats}, found;
    memcpy(wanted.magic, MAGIC, sizeof wanted.magic);
    memcpy(wanted.encoder, encoder_sha256, sizeof wanted.encoder);
    wanted.crc = (uint32_t)crc32_z(0, (const Bytef *)&wanted, offsetof(struct header, crc));
    if (pread(cache->descriptor, &found, sizeof found, 0) == sizeof found && !memcmp(&found, &wanted, sizeof found))
        return CAPTION_OK;
    if (ftruncate(cache->descriptor, 0) != 0)
        return fail_file(cache, "empty", err);
    if (pwrite(cache->descriptor, &wanted, sizeof wanted, 0) != sizeof wanted)
        return fail_file(cache, "write", err);
    return CAPTION_OK;
}

static int map_records(feature_cache *cache, size_t records, caption_error *err)
{
    size_t size = sizeof(struct header) + records * cache->stride;
    void *map = mmap(NULL, size, PROT_READ, MAP_SHARED, cache->descriptor, 0);
    if (map == MAP_FAILED)
        return fail_file(cache, "map", err);
    if (cache->map)
        munmap(cache->map, cache->mapped);
    cache->map = map;
    cache->mapped = size;
    return CAPTION_OK;
}

/* Enters the intact ones among the records up to `records` that were not looked at before. */
static int index_records(feature_cache *cache, size_t records, caption_error *err)
{
    struct entry *entries = realloc(cache->entries, (records + 1) * sizeof *entries);
    if (!entries)
        return caption_fail(err, CAPTION_ENOMEM, "%s: out of memory for %zu records", cache->path, records);
    cache->entries = entries;
    for (; cache->scanned < records; cache->scanned++) {
        struct label label;
        memcpy(&label, record_at(cache, cache->scanned), sizeof label);
        const float *data = feature_cache_at(cache, (long)cache->scanned);
        if (label.crc == record_crc(&label.key, data, cache->floats))
            entries[cache->n_entries++] = (struct entry){label.key, (long)cache->scanned};
    }
    qsort(entries, cache->n_entries, sizeof *entries, compare_entries);
    return CAPTION_OK;
}

int feature_cache_sync(feature_cache *cache, caption_error *err)
{
    size_t records = 0;
    int status;
    if ((status = count_records(cache, &records, err)) != CAPTION_OK)
        return status;
    if (records < cache->scanned)
        return caption_fail(err, CAPTION_EIO, "%s: was cut short while in use", cache->path);
    if ((status = map_records(cache, records, err)) != CAPTION_OK)
        return status;
    return index_records(cache, records, err);
}

/* Writes label and floats as the record after the last whole one. Under both locks. */
static int write_record(const feature_cache *cache, const struct label *label, const float *data, caption_error *err)
{
    size_t records = 0;
    int status = count_records(cache, &records, err);
    if (status != CAPTION_OK)
        return status;
    off_t offset = (off_t)(sizeof(struct header) + records * cache->stride);
    struct iovec parts[2] = {{(void *)label, sizeof *label}, {(void *)data, cache->floats * sizeof *data}};
    ssize_t written = pwritev(cache->descriptor, parts, 2, offset);
    if (written < 0)
        return fail_file(cache, "write", err);
    if ((size_t)written != cache->stride)
        return caption_fail(err, CAPTION_EIO, "%s: cannot write: the disk is full", cache->path);
    return CAPTION_OK;
}

int feature_cache_append(feature_cache *cache, const feature_key *key, const float *data, caption_error *err)
{
    struct label label = {.key = *key, .crc = record_crc(key, data, cache->floats)};
    pthread_mutex_lock(&cache->appending);
    int status = lock(cache, err);
    if (status == CAPTION_OK) {
        status = write_record(cache, &label, data, err);
        unlock(cache);
    }
    pthread_mutex_unlock(&cache->appending);
    return status;
}

/* ---- opening and closing ---------------------------------------------------------------------------------------- */

static int open_file(feature_cache *cache, const char *directory, const char *encoder_sha256, caption_error *err)
{
    if (mkdir(directory, 0777) != 0 && errno != EEXIST)
        return caption_fail(err, CAPTION_EIO, "%s: cannot make the directory: %s", directory, strerror(errno));
    if (asprintf(&cache->path, "%s/%.16s-%zu.features", directory, encoder_sha256, cache->floats) < 0) {
        cache->path = NULL;
        return caption_fail(err, CAPTION_ENOMEM, "%s: out of memory", directory);
    }
    cache->descriptor = open(cache->path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (cache->descriptor < 0)
        return fail_file(cache, "open", err);
    int status = lock(cache, err);
    if (status == CAPTION_OK) {
        status = check_header(cache, encoder_sha256, err);
        unlock(cache);
    }
    return status;
}

int feature_cache_open(feature_cache **out, const char *directory, const char *encoder_sha256, size_t floats,
                       caption_error *err)
{
    *out = NULL;
    feature_cache *cache = calloc(1, sizeof *cache);
    if (!cache)
        return caption_fail(err, CAPTION_ENOMEM, "%s: out of memory", directory);
    cache->descriptor = -1;
    cache->floats = floats;
    cache->stride = sizeof(struct label) + floats * sizeof(float);
    pthread_mutex_init(&cache->appending, NULL);
    int status = open_file(cache, directory, encoder_sha256, err);
    if (status == CAPTION_OK)
        status = feature_cache_sync(cache, err);
    if (status == CAPTION_OK)
        *out = cache;
    else
        feature_cache_close(cache);
    return status;
}

void feature_cache_close(feature_cache *cache)
{
    if (!cache)
        return;
    if (cache->map)
        munmap(cache->map, cache->mapped);
    if (cache->descriptor >= 0)
        close(cache->descriptor);
    pthread_mutex_destroy(&cache->appending);
    free(cache->entries);
    free(cache->path);
    free(cache);
}
