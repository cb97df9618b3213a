/* Any bytes as the index of a store, and as what stands beside an image. Bytes of a good index are replaced, position
 * and value by turns: it opens, and can be listed, added to and emptied, or it is refused; in either case every image
 * is still there, and after a repair the store opens. */
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/base/log.h"
#include "server/store/store.h"

enum { ITEMS = 3, PATCH = 3, MAX_BYTES = 1 << 18 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static const store_limits limits = {.datasets = 10, .items = 100, .captions = 5, .bytes = 1 << 20};
static char directory[64], sidecar[256];
static unsigned char whole[MAX_BYTES];
static size_t whole_size;

static void name_file(char out[256], const char *name)
{
    snprintf(out, 256, "%s/%s", directory, name);
}

static void write_file(const char *path, const void *bytes, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, bytes, size) != (ssize_t)size)
        abort();
    close(fd);
}

static void add(store *s, int number)
{
    char image[16];
    problem p;
    store_added added;
    snprintf(image, sizeof image, "image %d", number);
    const store_upload upload = {.bytes = (const unsigned char *)image,
                                 .size = strlen(image),
                                 .type = "image/png",
                                 .width = 1,
                                 .height = 1,
                                 .captions = (const char *const[]){"a dog"},
                                 .n_captions = 1};
    if (store_item_add(s, "pets", &upload, &added, &p) == 0)
        name_file(sidecar, "images/");
    snprintf(sidecar + strlen(sidecar), sizeof sidecar - strlen(sidecar), "%s.json", added.sha256);
}

static int count(const char *name)
{
    char path[256];
    int n = 0;
    name_file(path, name);
    DIR *d = opendir(path);
    for (const struct dirent *each; d && (each = readdir(d)) != NULL;)
        n += strlen(each->d_name) == STORE_SHA256_BYTES - 1;
    if (d)
        closedir(d);
    return n;
}

static void check_images(void)
{
    if (count("images") + count("quarantine") < ITEMS)
        abort();
}

static int look(void *context, const store_item *item)
{
    *(size_t *)context += strlen(item->captions) + strlen(item->sha256);
    return 0;
}

static void repair(void)
{
    store_repair_report report;
    store *s;
    caption_error err;
    if (store_repair(directory, &report, &err) == CAPTION_OK) {
        if (store_open(&s, directory, &limits, &err) != CAPTION_OK)
            abort();
        store_close(s);
    }
    check_images();
}

static void use(void)
{
    store *s;
    store_dataset list[10];
    caption_error err;
    problem p;
    int n, more;
    size_t total = 0;
    if (store_open(&s, directory, &limits, &err) == CAPTION_OK) {
        store_dataset_list(s, "", 10, list, &n, &more, &p);
        store_item_list(s, "pets", 0, 100, look, &total, &more, &p);
        check_images();
        store_close(s);
    }
    check_images();
}

static void lose_index(void)
{
    static const char *const names[] = {"captiond.db", "captiond.db-wal", "captiond.db-shm"};
    char path[256];
    for (int i = 0; i < 3; i++) {
        name_file(path, names[i]);
        unlink(path);
    }
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    char path[256];
    store *s;
    store_dataset d;
    caption_error err;
    problem p;
    int created;
    (void)argc;
    (void)argv;
    log_set_level("error");
    strcpy(directory, "/tmp/fuzz-store-XXXXXX");
    if (!mkdtemp(directory) || store_open(&s, directory, &limits, &err) ||
        store_dataset_create(s, "pets", &d, &created, &p))
        abort();
    for (int i = 0; i < ITEMS; i++)
        add(s, i);
    store_close(s);
    name_file(path, "captiond.db");
    FILE *file = fopen(path, "rb");
    whole_size = file ? fread(whole, 1, sizeof whole, file) : 0;
    if (whole_size == 0)
        abort();
    fclose(file);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static unsigned char bytes[MAX_BYTES];
    char path[256];
    memcpy(bytes, whole, whole_size);
    for (size_t i = 0; i + PATCH <= size; i += PATCH)
        bytes[((size_t)data[i] << 8 | data[i + 1]) * 4 % whole_size] = data[i + 2];
    lose_index();
    name_file(path, "captiond.db");
    write_file(path, bytes, whole_size);
    use();
    lose_index();
    write_file(path, data, size);
    use();
    lose_index();
    if (access(sidecar, F_OK) == 0)
        write_file(sidecar, data, size);
    repair();
    return 0;
}
