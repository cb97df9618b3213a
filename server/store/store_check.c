/* store_check.c: image files against the index, when a store is opened.
 *
 * All of it with the write lock held, within which alone files come and go (store_open.h). The rows are read from the
 * table itself, not through an index, so that a damaged index makes no image unknown. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/base/log.h"
#include "server/store/store_open.h"

typedef struct row {
    char sha256[STORE_SHA256_BYTES];
    long long id, bytes;
    int has_file, has_sidecar;
} row;

typedef struct check {
    store *store;
    row *rows; /* [n] sorted */
    size_t n;
    long long unknown, missing, damaged, written; /* files, but for the last, which are sidecars */
} check;

/* ---- the rows ------------------------------------------------------------------------------------------------------
 */

static int compare_rows(const void *a, const void *b)
{
    return strcmp(((const row *)a)->sha256, ((const row *)b)->sha256);
}

static int add_row(check *c, size_t *room, sqlite3_stmt *q)
{
    const char *sha256 = (const char *)sqlite3_column_text(q, 1);
    if (c->n == *room) {
        size_t wanted = *room ? 2 * *room : 1024;
        row *larger = realloc(c->rows, wanted * sizeof *larger);
        if (!larger)
            return 0;
        c->rows = larger;
        *room = wanted;
    }
    row *r = &c->rows[c->n++];
    *r = (row){.id = sqlite3_column_int64(q, 0), .bytes = sqlite3_column_int64(q, 2)};
    snprintf(r->sha256, sizeof r->sha256, "%.64s", sha256 ? sha256 : "");
    return 1;
}

static int read_rows(check *c, problem *p)
{
    int state;
    size_t room = 0;
    sqlite3_stmt *q = database_prepare(c->store->db, "SELECT id, sha256, bytes FROM images NOT INDEXED");
    while ((state = database_step(c->store->db, q, p)) == DATABASE_ROW && add_row(c, &room, q))
        ;
    sqlite3_reset(q);
    if (state == DATABASE_ROW)
        return problem_set(p, PROBLEM_MEMORY_FULL, "out of memory to check the images");
    if (c->n > 0)
        qsort(c->rows, c->n, sizeof *c->rows, compare_rows);
    return state == DATABASE_FAULT;
}

/* The row of an image file or of a sidecar's image; NULL if there is none. */
static row *find_row(const check *c, const char *name)
{
    row wanted = {.id = 0};
    snprintf(wanted.sha256, sizeof wanted.sha256, "%.64s", name);
    return c->n > 0 ? bsearch(&wanted, c->rows, c->n, sizeof *c->rows, compare_rows) : NULL;
}

/* ---- the files -----------------------------------------------------------------------------------------------------
 */

/* Moves images/NAME to quarantine/NAME, NAME.1 or so. Returns 0 or errno. */
static int move(const store *s, const char *name, int try)
{
    char *path;
    if (asprintf(&path, try ? "%s/%s.%d" : "%s/%s", s->quarantine, name, try) < 0)
        return ENOMEM;
    int failed = renameat2(s->images_fd, name, AT_FDCWD, path, RENAME_NOREPLACE) != 0 ? errno : 0;
    free(path);
    return failed;
}

int store_set_aside(const store *s, const char *name)
{
    enum { TRIES = 1000 };
    int error = mkdir(s->quarantine, 0700) != 0 && errno != EEXIST ? errno : EEXIST;
    for (int i = 0; i < TRIES && error == EEXIST; i++)
        error = move(s, name, i);
    errno = error;
    return error ? -1 : 0;
}

static int is_sidecar(const char *name)
{
    size_t length = strlen(name);
    return length == STORE_SIDECAR_BYTES - 1 && strcmp(name + STORE_SHA256_BYTES - 1, ".json") == 0;
}

static void visit_file(check *c, const char *name)
{
    struct stat facts;
    int sidecar = is_sidecar(name);
    if (!sidecar && !store_is_image_name(name))
        return;
    row *r = find_row(c, name);
    if (!r) {
        c->unknown += store_set_aside(c->store, name) == 0 && !sidecar;
    } else if (sidecar) {
        r->has_sidecar = 1;
    } else {
        r->has_file = 1;
        c->damaged += fstatat(c->store->images_fd, name, &facts, 0) == 0 && (long long)facts.st_size != r->bytes;
    }
}

static int visit_files(check *c, caption_error *err)
{
    DIR *directory = opendir(c->store->images);
    if (!directory)
        return caption_fail(err, CAPTION_EIO, "%.400s: %s", c->store->images, strerror(errno));
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL;)
        visit_file(c, entry->d_name);
    closedir(directory);
    return CAPTION_OK;
}

/* A store of an older captiond has none. What cannot be written now is tried again at the next start. */
static void write_sidecars(check *c)
{
    problem p;
    int failed = 0;
    for (size_t i = 0; i < c->n && !failed; i++) {
        c->missing += !c->rows[i].has_file;
        if (c->rows[i].has_sidecar || !c->rows[i].has_file)
            continue;
        failed = store_sidecar_write(c->store, c->rows[i].id, STORE_FLUSH_LATER, &p);
        c->written += !failed;
    }
    if (c->written > 0)
        syncfs(c->store->images_fd);
}

/* ---- all of it -----------------------------------------------------------------------------------------------------
 */

static void log_finding(const char *event, const char *directory, long long files)
{
    log_line line;
    if (files == 0)
        return;
    log_begin(&line, LOG_LEVEL_WARNING, event);
    log_text(&line, "directory", directory);
    log_integer(&line, "files", files);
    log_end(&line);
}

int store_check_files(store *s, caption_error *err)
{
    check c = {.store = s};
    problem p;
    if (database_begin(s->db, &p))
        return caption_fail(err, CAPTION_EIO, "%.500s", p.detail);
    int failed = read_rows(&c, &p), status = CAPTION_OK;
    if (!failed)
        status = visit_files(&c, err);
    if (!failed && !status)
        write_sidecars(&c);
    database_end(s->db, 1, &(problem){.kind = PROBLEM_NONE}); /* nothing was written */
    free(c.rows);
    log_finding("images-quarantined", s->quarantine, c.unknown);
    log_finding("images-missing", s->images, c.missing);
    log_finding("images-damaged", s->images, c.damaged);
    return failed ? caption_fail(err, CAPTION_EIO, "%.500s", p.detail) : status;
}
