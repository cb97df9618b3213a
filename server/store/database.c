/* database.c: see database.h. */
#include "server/store/database.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "server/base/durable.h"

enum { BUSY_MS = 10000, STATEMENTS = 64 };

/* The files that belong together: the database, what was committed last, and the index of that. */
static const char *const suffixes[] = {"", "-wal", "-shm"};
enum { FILES = sizeof suffixes / sizeof *suffixes };

typedef struct file_identity {
    dev_t device;
    ino_t inode;
} file_identity;

struct database {
    char *path;
    file_identity files[FILES]; /* as they were opened */
    pthread_mutex_t lock;       /* guards the rest */
    sqlite3 *db;
    struct {
        const char *sql;
        sqlite3_stmt *statement;
    } statements[STATEMENTS]; /* prepared so far */
    int n_statements;
};

/* ---- faults ---------------------------------------------------------------------------------------------------- */

/* errno of the last call that failed on one of the two files. */
static int last_errno(const database *d, int which)
{
    sqlite3_file *file = NULL;
    int error = 0;
    if (sqlite3_file_control(d->db, "main", which, &file) == SQLITE_OK && file && file->pMethods)
        file->pMethods->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &error);
    return error;
}

/* SQLite calls ENOSPC a full disk, but an exhausted quota or a file that may not grow an I/O error. */
static int is_full(const database *d)
{
    static const int files[] = {SQLITE_FCNTL_FILE_POINTER, SQLITE_FCNTL_JOURNAL_POINTER};
    int code = sqlite3_extended_errcode(d->db), full = (code & 0xFF) == SQLITE_FULL;
    for (int i = 0; i < 2 && code == SQLITE_IOERR_WRITE && !full; i++)
        full = durable_no_room(last_errno(d, files[i]));
    return full;
}

static int is_damaged(int code)
{
    return (code & 0xFF) == SQLITE_CORRUPT || (code & 0xFF) == SQLITE_NOTADB;
}

static void tell_fault(const database *d, problem *p)
{
    int code = sqlite3_errcode(d->db);
    problem_kind kind = is_full(d)                      ? PROBLEM_DISK_FULL
                        : (code & 0xFF) == SQLITE_BUSY  ? PROBLEM_STORE_BUSY
                        : (code & 0xFF) == SQLITE_NOMEM ? PROBLEM_MEMORY_FULL
                        : is_damaged(code)              ? PROBLEM_NO_DATA_DIRECTORY
                                                        : PROBLEM_INTERNAL;
    problem_set(p, kind, "%.300s: %.100s", d->path, sqlite3_errmsg(d->db));
}

/* ---- is it still there? ------------------------------------------------------------------------------------------ */

static int identify(const database *d, int which, file_identity *out)
{
    char *path;
    struct stat facts;
    *out = (file_identity){0};
    if (asprintf(&path, "%s%s", d->path, suffixes[which]) < 0)
        return -1;
    int missing = stat(path, &facts);
    free(path);
    if (!missing)
        *out = (file_identity){facts.st_dev, facts.st_ino};
    return missing;
}

/* SQLite goes on writing to files that have no name any more: what it commits there, nobody will find. */
static int check_in_place(database *d, problem *p)
{
    for (int i = 0; i < FILES; i++) {
        file_identity now, *known = &d->files[i];
        int missing = identify(d, i, &now);
        if (!missing && known->inode == 0) /* SQLite makes the later two when it first needs them */
            *known = now;
        if (known->inode != 0 && (missing || now.inode != known->inode || now.device != known->device))
            return problem_set(p, PROBLEM_NO_DATA_DIRECTORY,
                               "%.300s%s was removed or replaced while in use: stop captiond, run `captiond repair`, "
                               "start it again",
                               d->path, suffixes[i]);
    }
    return 0;
}

/* ---- statements ------------------------------------------------------------------------------------------------ */

sqlite3_stmt *database_prepare(database *d, const char *sql)
{
    for (int i = 0; i < d->n_statements; i++)
        if (d->statements[i].sql == sql) {
            sqlite3_reset(d->statements[i].statement);
            sqlite3_clear_bindings(d->statements[i].statement);
            return d->statements[i].statement;
        }
    sqlite3_stmt *q = NULL;
    if (d->n_statements < STATEMENTS &&
        sqlite3_prepare_v3(d->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &q, NULL) == SQLITE_OK) {
        d->statements[d->n_statements].sql = sql;
        d->statements[d->n_statements++].statement = q;
    }
    return q; /* binding and running NULL fails, which database_step tells */
}

void database_bind_text(sqlite3_stmt *q, int place, const char *text)
{
    sqlite3_bind_text(q, place, text, -1, SQLITE_STATIC);
}

int database_step(database *d, sqlite3_stmt *q, problem *p)
{
    int code = sqlite3_step(q);
    if (code == SQLITE_ROW)
        return DATABASE_ROW;
    if (code != SQLITE_DONE)
        tell_fault(d, p);
    sqlite3_reset(q);
    return code == SQLITE_DONE ? DATABASE_END : DATABASE_FAULT;
}

int database_run(database *d, sqlite3_stmt *q, problem *p)
{
    int state;
    while ((state = database_step(d, q, p)) == DATABASE_ROW)
        ;
    return state == DATABASE_FAULT;
}

int database_changes(database *d)
{
    return sqlite3_changes(d->db);
}

long long database_inserted(database *d)
{
    return sqlite3_last_insert_rowid(d->db);
}

/* ---- transactions ---------------------------------------------------------------------------------------------- */

void database_lock(database *d)
{
    pthread_mutex_lock(&d->lock);
}

void database_unlock(database *d)
{
    pthread_mutex_unlock(&d->lock);
}

int database_begin(database *d, problem *p)
{
    database_lock(d);
    if (check_in_place(d, p) == 0 && database_run(d, database_prepare(d, "BEGIN IMMEDIATE"), p) == 0)
        return 0;
    database_unlock(d);
    return 1;
}

int database_end(database *d, int failed, problem *p)
{
    problem ignored;
    if (!failed)
        failed = check_in_place(d, p) || database_run(d, database_prepare(d, "COMMIT"), p);
    if (failed && !sqlite3_get_autocommit(d->db)) /* some faults roll back by themselves */
        database_run(d, database_prepare(d, "ROLLBACK"), &ignored);
    database_unlock(d);
    return failed;
}

/* ---- opening --------------------------------------------------------------------------------------------------- */

static int fail(const database *d, caption_error *err)
{
    int code = sqlite3_errcode(d->db);
    return caption_fail(err,
                        is_damaged(code)                ? CAPTION_EFORMAT
                        : (code & 0xFF) == SQLITE_NOMEM ? CAPTION_ENOMEM
                                                        : CAPTION_EIO,
                        "%.300s: %s", d->path, sqlite3_errmsg(d->db));
}

static int execute(database *d, const char *sql, caption_error *err)
{
    return sqlite3_exec(d->db, sql, NULL, NULL, NULL) == SQLITE_OK ? CAPTION_OK : fail(d, err);
}

static int read_version(database *d, int *version, caption_error *err)
{
    sqlite3_stmt *q = database_prepare(d, "PRAGMA user_version");
    if (sqlite3_step(q) != SQLITE_ROW)
        return fail(d, err);
    *version = sqlite3_column_int(q, 0);
    sqlite3_reset(q);
    return CAPTION_OK;
}

/* ---- checking ---------------------------------------------------------------------------------------------------- */

/* All of the file: pages, rows, and that indexes have what tables have. */
static int check_integrity(database *d, caption_error *err)
{
    sqlite3_stmt *q = database_prepare(d, "PRAGMA integrity_check(1)");
    if (sqlite3_step(q) != SQLITE_ROW)
        return fail(d, err);
    const char *answer = (const char *)sqlite3_column_text(q, 0);
    int good = answer && strcmp(answer, "ok") == 0;
    int status = good ? CAPTION_OK
                      : caption_fail(err, CAPTION_EFORMAT, "%.300s: is damaged: %.150s", d->path, answer ? answer : "");
    sqlite3_reset(q);
    return status;
}

/* What a database was made with, as one text. The caller frees it with sqlite3_free; NULL upon failure. */
static char *describe_schema(sqlite3 *db)
{
    static const char query[] = "SELECT group_concat(type || ' ' || name || ' ' || tbl_name || ' ' || sql, char(10)) "
                                "FROM (SELECT * FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' "
                                "ORDER BY type, name)";
    sqlite3_stmt *q;
    char *text = NULL;
    if (sqlite3_prepare_v2(db, query, -1, &q, NULL) == SQLITE_OK && sqlite3_step(q) == SQLITE_ROW)
        text = sqlite3_mprintf("%s", sqlite3_column_text(q, 0));
    sqlite3_finalize(q);
    return text;
}

/* The tables, indexes and triggers are those that the steps up to this version make. */
static int check_tables(database *d, const database_schema *schema, int version, caption_error *err)
{
    sqlite3 *model = NULL;
    int code = sqlite3_open_v2(":memory:", &model, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
    for (int i = 0; i < version && code == SQLITE_OK; i++)
        code = sqlite3_exec(model, schema->steps[i], NULL, NULL, NULL);
    char *wanted = code == SQLITE_OK ? describe_schema(model) : NULL, *found = describe_schema(d->db);
    int status = CAPTION_OK;
    if (!found)
        status = fail(d, err);
    else if (!wanted)
        status = caption_fail(err, CAPTION_ENOMEM, "%.300s: out of memory to check its tables", d->path);
    else if (strcmp(wanted, found) != 0)
        status = caption_fail(err, CAPTION_EFORMAT, "%.300s: is damaged: its tables are not those of version %d",
                              d->path, version);
    sqlite3_free(wanted);
    sqlite3_free(found);
    sqlite3_close(model);
    return status;
}

/* ---- bringing it up to date -------------------------------------------------------------------------------------- */

static int check(database *d, const database_schema *schema, database_absence absence, int version, caption_error *err)
{
    if (version < 0 || version > schema->version)
        return caption_fail(err, CAPTION_EUNSUPPORTED, "%.300s: has version %d, this captiond knows %d", d->path,
                            version, schema->version);
    if (version == 0 && absence == DATABASE_LOST)
        return caption_fail(err, CAPTION_EFORMAT, "%.300s: is empty", d->path);
    int status = check_integrity(d, err);
    return status ? status : check_tables(d, schema, version, err);
}

static int migrate(database *d, const database_schema *schema, database_absence absence, caption_error *err)
{
    char pragma[64];
    int version = 0;
    int status = read_version(d, &version, err);
    if (!status)
        status = check(d, schema, absence, version, err);
    if (status || version == schema->version) /* which writes nothing: the disk may be full */
        return status;
    for (; !status && version < schema->version; version++)
        status = execute(d, schema->steps[version], err);
    snprintf(pragma, sizeof pragma, "PRAGMA user_version=%d", schema->version);
    return status ? status : execute(d, pragma, err);
}

/* In one transaction, so that a killed migration never was. */
static int migrate_at_once(database *d, const database_schema *schema, database_absence absence, caption_error *err)
{
    int status = execute(d, "BEGIN IMMEDIATE", err);
    if (status)
        return status;
    status = migrate(d, schema, absence, err);
    if (!status)
        status = execute(d, "COMMIT", err);
    if (status)
        sqlite3_exec(d->db, "ROLLBACK", NULL, NULL, NULL);
    return status;
}

/* A file that should be there and is not must not be made. */
static int open_file(database *d, const database_schema *schema, database_absence absence, caption_error *err)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    if (absence == DATABASE_MAKE)
        flags |= SQLITE_OPEN_CREATE;
    else if (access(d->path, F_OK) != 0)
        return caption_fail(err, CAPTION_EFORMAT, "%.300s: %s", d->path, strerror(errno));
    if (sqlite3_open_v2(d->path, &d->db, flags, NULL) != SQLITE_OK)
        return fail(d, err);
    sqlite3_busy_timeout(d->db, BUSY_MS);
    /* The file may have been tampered with: trust nothing in it. */
    int status = execute(d,
                         "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
                         "PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON; PRAGMA temp_store=MEMORY",
                         err);
    if (!status)
        status = migrate_at_once(d, schema, absence, err);
    for (int i = 0; i < FILES && !status; i++)
        identify(d, i, &d->files[i]);
    return status;
}

int database_set_aside(const char *directory, const char *name, caption_error *err)
{
    char from[PATH_MAX], to[PATH_MAX];
    if (snprintf(to, sizeof to, "%s/quarantine", directory) >= PATH_MAX || (mkdir(to, 0700) != 0 && errno != EEXIST))
        return caption_fail(err, CAPTION_EIO, "%.400s: %s", to, strerror(errno));
    for (int i = 0; i < FILES; i++) {
        if (snprintf(from, sizeof from, "%s/%s%s", directory, name, suffixes[i]) >= PATH_MAX ||
            snprintf(to, sizeof to, "%s/quarantine/%s.%lld%s", directory, name, (long long)time(NULL), suffixes[i]) >=
                PATH_MAX)
            return caption_fail(err, CAPTION_EIO, "%.400s: the path is too long", directory);
        if (rename(from, to) != 0 && errno != ENOENT)
            return caption_fail(err, CAPTION_EIO, "%.400s: %s", from, strerror(errno));
    }
    return CAPTION_OK;
}

int database_lock_directory(const char *path, caption_error *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0 && flock(fd, LOCK_EX) == 0)
        return fd;
    caption_fail(err, CAPTION_EIO, "%.400s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

int database_open(database **out, const char *path, const database_schema *schema, database_absence absence,
                  caption_error *err)
{
    database *d = calloc(1, sizeof *d);
    *out = NULL;
    if (!d || !(d->path = strdup(path))) {
        free(d);
        return caption_fail(err, CAPTION_ENOMEM, "%s: out of memory", path);
    }
    pthread_mutex_init(&d->lock, NULL);
    int status = open_file(d, schema, absence, err);
    if (status)
        database_close(d);
    else
        *out = d;
    return status;
}

void database_close(database *d)
{
    if (!d)
        return;
    for (int i = 0; i < d->n_statements; i++)
        sqlite3_finalize(d->statements[i].statement);
    sqlite3_close(d->db);
    pthread_mutex_destroy(&d->lock);
    free(d->path);
    free(d);
}
