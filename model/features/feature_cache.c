/* feature_cache.c: see feature_cache.h. */
#include "model/features/feature_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <nettle/sha2.h>
#include <zlib.h>

#include "model/storage/atomic_file.h"

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
    struct entry *entries;     /* sorted by key: the intact records */
    size_t n_entries;
    uint32_t *crcs; /* [scanned] of each record as it was found */
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

static struct header header_of(const feature_cache *cache, const char *encoder_sha256)
{
    struct header h = {.version = VERSION, .floats = (uint32_t)cache->floats};
    memcpy(h.magic, MAGIC, sizeof h.magic);
    memcpy(h.encoder, encoder_sha256, sizeof h.encoder);
    h.crc = (uint32_t)crc32_z(0, (const Bytef *)&h, offsetof(struct header, crc));
    return h;
}

static int has_header(const feature_cache *cache, const struct header *wanted)
{
    struct header found;
    return pread(cache->descriptor, &found, sizeof found, 0) == sizeof found && !memcmp(&found, wanted, sizeof found);
}

/* Puts a file with this header and no records in the place of the one there, which stays as it is for those who have
 * it open. */
static int replace_file(const feature_cache *cache, const struct header *header, caption_error *err)
{
    atomic_file file;
    int status = atomic_file_open(&file, cache->path, err);
    if (status != CAPTION_OK)
        return status;
    atomic_file_write(&file, header, sizeof *header);
    return atomic_file_commit(&file, err);
}

static off_t offset_of(const feature_cache *cache, size_t record)
{
    return (off_t)(sizeof(struct header) + record * cache->stride);
}

/* Fails, too, if the file ends before. */
static int read_at(const feature_cache *cache, void *out, size_t size, off_t offset, caption_error *err)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = pread(cache->descriptor, (char *)out + done, size - done, offset + (off_t)done);
        if (n == 0)
            return caption_fail(err, CAPTION_EIO, "%s: was cut short while in use", cache->path);
        if (n < 0 && errno != EINTR)
            return fail_file(cache, "read", err);
        done += n > 0 ? (size_t)n : 0;
    }
    return CAPTION_OK;
}

/* The label tells whether another record has taken the place of the one that was found. */
int feature_cache_read(const feature_cache *cache, long record, size_t first, size_t count, float *out,
                       caption_error *err)
{
    struct label label;
    off_t offset = offset_of(cache, (size_t)record);
    int status = read_at(cache, &label, sizeof label, offset, err);
    if (status == CAPTION_OK && label.crc != cache->crcs[record])
        return caption_fail(err, CAPTION_EIO, "%s: was changed while in use", cache->path);
    if (status == CAPTION_OK)
        status = read_at(cache, out, count * sizeof *out, offset + (off_t)(sizeof label + first * sizeof *out), err);
    return status;
}

/* Enters a record if it is intact. scratch: [floats] */
static int index_record(feature_cache *cache, size_t record, float *scratch, caption_error *err)
{
    struct label label;
    int status = read_at(cache, &label, sizeof label, offset_of(cache, record), err);
    if (status == CAPTION_OK)
        status = read_at(cache, scratch, cache->floats * sizeof *scratch,
                         offset_of(cache, record) + (off_t)sizeof label, err);
    if (status != CAPTION_OK)
        return status;
    cache->crcs[record] = label.crc;
    if (label.crc == record_crc(&label.key, scratch, cache->floats))
        cache->entries[cache->n_entries++] = (struct entry){label.key, (long)record};
    return CAPTION_OK;
}

/* Makes room for what is known of `records` records. */
static int grow(feature_cache *cache, size_t records, caption_error *err)
{
    struct entry *entries = realloc(cache->entries, (records + 1) * sizeof *entries);
    if (entries)
        cache->entries = entries;
    uint32_t *crcs = entries ? realloc(cache->crcs, (records + 1) * sizeof *crcs) : NULL;
    if (!crcs)
        return caption_fail(err, CAPTION_ENOMEM, "%s: out of memory for %zu records", cache->path, records);
    cache->crcs = crcs;
    return CAPTION_OK;
}

/* Looks at the records up to `records` that were not looked at before. */
static int index_records(feature_cache *cache, size_t records, caption_error *err)
{
    float *scratch = malloc(cache->floats * sizeof *scratch);
    int status = scratch ? grow(cache, records, err)
                         : caption_fail(err, CAPTION_ENOMEM, "%s: out of memory for a record", cache->path);
    while (status == CAPTION_OK && cache->scanned < records) {
        status = index_record(cache, cache->scanned, scratch, err);
        cache->scanned += status == CAPTION_OK;
    }
    free(scratch);
    if (cache->n_entries > 0)
        qsort(cache->entries, cache->n_entries, sizeof *cache->entries, compare_entries);
    return status;
}

int feature_cache_sync(feature_cache *cache, caption_error *err)
{
    size_t records = 0;
    int status;
    if ((status = count_records(cache, &records, err)) != CAPTION_OK)
        return status;
    if (records < cache->scanned)
        return caption_fail(err, CAPTION_EIO, "%s: was cut short while in use", cache->path);
    return index_records(cache, records, err);
}

/* Writes label and floats as the record after the last whole one. Under both locks. */
static int write_record(const feature_cache *cache, const struct label *label, const float *data, caption_error *err)
{
    size_t records = 0;
    int status = count_records(cache, &records, err);
    if (status != CAPTION_OK)
        return status;
    off_t offset = offset_of(cache, records);
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

static int name_file(feature_cache *cache, const char *directory, const char *encoder_sha256, caption_error *err)
{
    if (mkdir(directory, 0777) != 0 && errno != EEXIST)
        return caption_fail(err, CAPTION_EIO, "%s: cannot make the directory: %s", directory, strerror(errno));
    if (asprintf(&cache->path, "%s/%.16s-%zu.features", directory, encoder_sha256, cache->floats) < 0) {
        cache->path = NULL;
        return caption_fail(err, CAPTION_ENOMEM, "%s: out of memory", directory);
    }
    return CAPTION_OK;
}

/* Another process may have replaced the file between our opening and locking it. */
static int is_current(const feature_cache *cache)
{
    struct stat ours, there;
    return fstat(cache->descriptor, &ours) == 0 && stat(cache->path, &there) == 0 && ours.st_dev == there.st_dev &&
           ours.st_ino == there.st_ino;
}

/* Opens what is there; *good: it begins with this header. Otherwise a file that does has been put there. */
static int try_open(feature_cache *cache, const struct header *header, int *good, caption_error *err)
{
    if (cache->descriptor >= 0)
        close(cache->descriptor);
    cache->descriptor = open(cache->path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (cache->descriptor < 0)
        return fail_file(cache, "open", err);
    int status = lock(cache, err);
    if (status != CAPTION_OK)
        return status;
    *good = has_header(cache, header);
    if (!*good && is_current(cache))
        status = replace_file(cache, header, err);
    unlock(cache);
    return status;
}

static int open_file(feature_cache *cache, const char *directory, const char *encoder_sha256, caption_error *err)
{
    enum { TRIES = 100 }; /* whoever loses that often fights with somebody of another encoder */
    int good = 0, status = name_file(cache, directory, encoder_sha256, err);
    struct header header = header_of(cache, encoder_sha256);
    for (int i = 0; i < TRIES && status == CAPTION_OK && !good; i++)
        status = try_open(cache, &header, &good, err);
    if (status == CAPTION_OK && !good)
        status = caption_fail(err, CAPTION_EIO, "%s: is replaced by others again and again", cache->path);
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
    if (cache->descriptor >= 0)
        close(cache->descriptor);
    pthread_mutex_destroy(&cache->appending);
    free(cache->entries);
    free(cache->crcs);
    free(cache->path);
    free(cache);
}
