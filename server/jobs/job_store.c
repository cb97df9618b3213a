/* job_store.c: the tables, and looking into them; see job_store.h. */
#include "server/jobs/job_store.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "server/jobs/job_files.h"
#include "server/jobs/job_store_open.h"

/* AUTOINCREMENT: the number of a forgotten job or event is never given out again. */
static const char *const steps[] = {
    "CREATE TABLE jobs("
    "    id       INTEGER PRIMARY KEY AUTOINCREMENT,"
    "    kind     TEXT    NOT NULL,"
    "    state    INTEGER NOT NULL," /* job_state */
    "    claim    TEXT,"
    "    request  TEXT    NOT NULL,"
    "    progress TEXT,"
    "    result   TEXT,"
    "    error    TEXT,"
    "    created  REAL    NOT NULL,"
    "    started  REAL    NOT NULL DEFAULT 0,"
    "    ended    REAL    NOT NULL DEFAULT 0"
    ") STRICT;"
    "CREATE INDEX jobs_by_state ON jobs(state);"
    "CREATE UNIQUE INDEX jobs_by_claim ON jobs(claim) WHERE state <= 1;" /* queued or running */

    "CREATE TABLE events("
    "    id   INTEGER PRIMARY KEY AUTOINCREMENT,"
    "    job  INTEGER NOT NULL REFERENCES jobs ON DELETE CASCADE,"
    "    type TEXT    NOT NULL,"
    "    data TEXT    NOT NULL"
    ") STRICT;"
    "CREATE INDEX events_by_job ON events(job);", /* the rowid that every index ends with is the order */

    "ALTER TABLE jobs ADD COLUMN lane TEXT NOT NULL DEFAULT '';"
    "UPDATE jobs SET lane = kind;",

    "ALTER TABLE jobs ADD COLUMN needs TEXT NOT NULL DEFAULT '';"
    "UPDATE jobs SET needs = iif(kind = 'train',"
    "    iif(json_type(request, '$.dataset') = 'text', 'dataset:' || json_extract(request, '$.dataset'), '')"
    "        || ' model:' || coalesce(json_extract(request, '$.base'), ''),"
    "    'model:' || coalesce(json_extract(request, '$.model'), '')) WHERE state <= 1;",
};

static const database_schema schema = {sizeof steps / sizeof *steps, steps};

/* ---- states ---------------------------------------------------------------------------------------------------- */

static const char *const state_names[] = {"queued", "running", "succeeded", "failed", "cancelled"};

const char *job_state_name(job_state state)
{
    return state_names[state];
}

int job_state_is_final(job_state state)
{
    return state >= JOB_SUCCEEDED;
}

/* ---- opening --------------------------------------------------------------------------------------------------- */

/* Directories of jobs without an index: it was lost. A new one would number jobs anew and take their files. */
static int open_database(database **out, const char *directory, caption_error *err)
{
    char *path;
    if (asprintf(&path, "%s/jobs.db", directory) < 0)
        return caption_fail(err, CAPTION_ENOMEM, "out of memory for the store of jobs");
    caption_error reason;
    int status = database_open(out, path, &schema, job_files_any(directory) ? DATABASE_LOST : DATABASE_MAKE, &reason);
    free(path);
    if (status == CAPTION_EFORMAT)
        return caption_fail(err, status, "%.380s; no file is lost: stop captiond and run `captiond repair`",
                            reason.message);
    return status ? caption_fail(err, (enum caption_status)status, "%s", reason.message) : CAPTION_OK;
}

/* Moves DATA/NAME to DATA/quarantine/NAME.SECONDS. */
static int set_aside(const char *directory, const char *name, caption_error *err)
{
    char from[PATH_MAX], to[PATH_MAX];
    if (snprintf(to, sizeof to, "%s/quarantine", directory) >= PATH_MAX || (mkdir(to, 0700) != 0 && errno != EEXIST))
        return caption_fail(err, CAPTION_EIO, "%.400s: %s", to, strerror(errno));
    if (snprintf(from, sizeof from, "%s/%s", directory, name) >= PATH_MAX ||
        snprintf(to, sizeof to, "%s/quarantine/%s.%lld", directory, name, (long long)time(NULL)) >= PATH_MAX)
        return caption_fail(err, CAPTION_EIO, "%.400s: the path is too long", directory);
    if (rename(from, to) != 0 && errno != ENOENT)
        return caption_fail(err, CAPTION_EIO, "%.400s: %s", from, strerror(errno));
    return CAPTION_OK;
}

int job_store_repair(const char *directory, int *was_set_aside, caption_error *err)
{
    static const char *const names[] = {"jobs", "jobs.db", "jobs.db-wal", "jobs.db-shm"};
    database *db = NULL;
    caption_error reason;
    int status = open_database(&db, directory, &reason);
    database_close(db);
    *was_set_aside = status == CAPTION_EFORMAT;
    if (!*was_set_aside)
        return status ? caption_fail(err, (enum caption_status)status, "%s", reason.message) : CAPTION_OK;
    status = CAPTION_OK;
    for (size_t i = 0; i < sizeof names / sizeof *names && !status; i++)
        status = set_aside(directory, names[i], err);
    return status;
}

int job_store_open(job_store **out, const char *directory, const job_limits *limits, caption_error *err)
{
    job_store *s = calloc(1, sizeof *s);
    *out = s;
    if (!s)
        return caption_fail(err, CAPTION_ENOMEM, "out of memory for the store of jobs");
    s->limits = *limits;
    int guard = database_lock_directory(directory, err);
    if (guard < 0)
        return CAPTION_EIO;
    int status = open_database(&s->db, directory, err);
    close(guard);
    return status;
}

void job_store_close(job_store *s)
{
    if (!s)
        return;
    database_close(s->db);
    free(s);
}

/* ---- records --------------------------------------------------------------------------------------------------- */

#define COLUMNS "id, kind, state, request, progress, result, error, created, started, ended"

void job_record_free(job_record *r)
{
    free(r->request);
    free(r->progress);
    free(r->result);
    free(r->error);
    *r = (job_record){0};
}

static char *copy_column(sqlite3_stmt *q, int column, int *lost)
{
    const char *text = (const char *)sqlite3_column_text(q, column);
    char *copy = text ? strdup(text) : NULL;
    *lost |= text && !copy;
    return copy;
}

static int read_record(sqlite3_stmt *q, job_record *r, problem *p)
{
    int lost = 0, state = sqlite3_column_int(q, 2);
    *r = (job_record){.id = sqlite3_column_int64(q, 0)};
    snprintf(r->kind, sizeof r->kind, "%s", (const char *)sqlite3_column_text(q, 1));
    r->state = state >= JOB_QUEUED && state <= JOB_CANCELLED ? (job_state)state : JOB_FAILED;
    r->request = copy_column(q, 3, &lost);
    r->progress = copy_column(q, 4, &lost);
    r->result = copy_column(q, 5, &lost);
    r->error = copy_column(q, 6, &lost);
    r->created = sqlite3_column_double(q, 7);
    r->started = sqlite3_column_double(q, 8);
    r->ended = sqlite3_column_double(q, 9);
    if (!lost)
        return 0;
    job_record_free(r);
    return problem_set(p, PROBLEM_MEMORY_FULL, "out of memory");
}

static int unknown(problem *p, long long id)
{
    return problem_set(p, PROBLEM_UNKNOWN_JOB, "there is no job %lld", id);
}

int job_store_find(job_store *s, long long id, job_record *out, problem *p)
{
    sqlite3_stmt *q = database_prepare(s->db, "SELECT " COLUMNS " FROM jobs WHERE id = ?1");
    sqlite3_bind_int64(q, 1, id);
    int row = database_step(s->db, q, p);
    if (row != DATABASE_ROW)
        return row == DATABASE_END ? unknown(p, id) : 1;
    int failed = read_record(q, out, p);
    sqlite3_reset(q);
    return failed;
}

int job_store_get(job_store *s, long long id, job_record *out, problem *p)
{
    database_lock(s->db);
    int failed = job_store_find(s, id, out, p);
    database_unlock(s->db);
    return failed;
}

static int list_locked(job_store *s, long long before, int limit, int (*each)(void *context, const job_record *record),
                       void *context, int *more, problem *p)
{
    sqlite3_stmt *q =
        database_prepare(s->db, "SELECT " COLUMNS " FROM jobs WHERE ?1 = 0 OR id < ?1 ORDER BY id DESC LIMIT ?2 + 1");
    sqlite3_bind_int64(q, 1, before);
    sqlite3_bind_int(q, 2, limit);
    int row, n = 0;
    while ((row = database_step(s->db, q, p)) == DATABASE_ROW) {
        job_record record;
        *more = n++ == limit;
        int stop = *more || read_record(q, &record, p);
        if (!stop) {
            stop = each(context, &record);
            job_record_free(&record);
        }
        if (stop) {
            sqlite3_reset(q);
            return p->kind != PROBLEM_NONE;
        }
    }
    return row == DATABASE_FAULT;
}

int job_store_list(job_store *s, long long before, int limit, int (*each)(void *context, const job_record *record),
                   void *context, int *more, problem *p)
{
    *more = 0;
    p->kind = PROBLEM_NONE;
    database_lock(s->db);
    int failed = list_locked(s, before, limit, each, context, more, p);
    database_unlock(s->db);
    return failed;
}
