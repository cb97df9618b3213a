/* Any bytes as a feature cache: as they are, and behind a good header. What is found can be read, or says why not; and
 * records can be added and found. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "model/features/feature_cache.h"

enum { FLOATS = 4, HEADER = 128 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char encoder[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
static char directory[64], path[160];

static void put(const void *header, size_t header_size, const void *bytes, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, header, header_size) != (ssize_t)header_size || write(fd, bytes, size) != (ssize_t)size)
        abort();
    close(fd);
}

static feature_cache *open_cache(void)
{
    feature_cache *cache;
    caption_error err;
    if (feature_cache_open(&cache, directory, encoder, FLOATS, &err) != CAPTION_OK)
        abort();
    return cache;
}

static void use(size_t size)
{
    float data[FLOATS] = {1, 2, 3, 4}, back[FLOATS];
    caption_error err;
    feature_cache *cache = open_cache();
    feature_key key = feature_cache_key(&size, sizeof size, 3);
    long before = feature_cache_find(cache, &key);
    if (feature_cache_append(cache, &key, data, &err) || feature_cache_sync(cache, &err))
        abort();
    long record = feature_cache_find(cache, &key);
    if (record == FEATURE_CACHE_ABSENT || feature_cache_read(cache, record, 0, FLOATS, back, &err))
        abort();
    if (before == FEATURE_CACHE_ABSENT && memcmp(data, back, sizeof data) != 0)
        abort();
    if (truncate(path, (off_t)(size % 200)) == 0 && feature_cache_read(cache, record, 0, FLOATS, back, &err) == 0)
        abort();
    feature_cache_close(cache);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static unsigned char header[HEADER];
    if (!*directory) {
        strcpy(directory, "/tmp/fuzz-features-XXXXXX");
        if (!mkdtemp(directory))
            abort();
        snprintf(path, sizeof path, "%s/%.16s-%d.features", directory, encoder, FLOATS);
        feature_cache_close(open_cache());
        int fd = open(path, O_RDONLY);
        if (fd < 0 || read(fd, header, HEADER) != HEADER)
            abort();
        close(fd);
    }
    put("", 0, data, size);
    use(size);
    put(header, HEADER, data, size);
    use(size);
    unlink(path);
    return 0;
}
