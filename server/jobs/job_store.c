/* job_store.c: see job_store.h. First the tables and looking into them, then events, then a job's way from queued to
 * its end: one transaction a step. */
#include "server/jobs/job_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "server/http/json.h"
#include "server/jobs/job_files.h"
#include "server/store/database.h"

struct job_store {
    database *db;
    job_limits limits;
};

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

int job_store_repair(const char *directory, int *was_set_aside, caption_error *err)
{
    database *db = NULL;
    caption_error reason;
    int status = open_database(&db, directory, &reason);
    database_close(db);
    *was_set_aside = status == CAPTION_EFORMAT;
    if (!*was_set_aside)
        return status ? caption_fail(err, (enum caption_status)status, "%s", reason.message) : CAPTION_OK;
    status = database_set_aside(directory, "jobs", err);
    return status ? status : database_set_aside(directory, "jobs.db", err);
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

/* As job_store_get, with the database locked. */
static int find_job(job_store *s, long long id, job_record *out, problem *p)
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
    int failed = find_job(s, id, out, p);
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

/* ---- events: within a transaction ------------------------------------------------------------------------------ */

/* Adds an event and deletes those beyond the limit. */
static int add_event(job_store *s, long long job, const char *type, const char *data, problem *p)
{
    sqlite3_stmt *q = database_prepare(s->db, "INSERT INTO events(job, type, data) VALUES(?1, ?2, ?3)");
    sqlite3_bind_int64(q, 1, job);
    database_bind_text(q, 2, type);
    database_bind_text(q, 3, data);
    if (database_run(s->db, q, p))
        return 1;
    q = database_prepare(s->db, "DELETE FROM events WHERE job = ?1 AND id <= "
                                "(SELECT id FROM events WHERE job = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)");
    sqlite3_bind_int64(q, 1, job);
    sqlite3_bind_int(q, 2, s->limits.history);
    return database_run(s->db, q, p);
}

/* The same for a change of state. end: how the job ended, or NULL. */
static int add_state_event(job_store *s, long long job, job_state state, const job_end *end, problem *p)
{
    cJSON *object = cJSON_CreateObject();
    int good = cJSON_AddStringToObject(object, "state", job_state_name(state)) &&
               (!end || !end->error || cJSON_AddStringToObject(object, "error", end->error)) &&
               (!end || !end->result || cJSON_AddRawToObject(object, "result", end->result));
    char *data = json_finish(object, good);
    if (!data)
        return problem_set(p, PROBLEM_MEMORY_FULL, "out of memory");
    int failed = add_event(s, job, job_state_is_final(state) ? "end" : "state", data, p);
    free(data);
    return failed;
}

/* ---- reading events
 * ---------------------------------------------------------------------------------------------------- */

int job_store_newest_event(job_store *s, long long *id, problem *p)
{
    database_lock(s->db);
    sqlite3_stmt *q = database_prepare(s->db, "SELECT coalesce(max(id), 0) FROM events");
    int row = database_step(s->db, q, p);
    if (row == DATABASE_ROW) {
        *id = sqlite3_column_int64(q, 0);
        sqlite3_reset(q);
    }
    database_unlock(s->db);
    return row != DATABASE_ROW;
}

/* 1 if `each` stopped; the last row told is then not the last there is. */
static int tell_events(job_store *s, long long job, long long after, int (*each)(void *context, const job_event *event),
                       void *context, int *stopped, problem *p)
{
    int row;
    sqlite3_stmt *q =
        database_prepare(s->db, "SELECT id, type, data FROM events WHERE job = ?1 AND id > ?2 ORDER BY id");
    sqlite3_bind_int64(q, 1, job);
    sqlite3_bind_int64(q, 2, after);
    while ((row = database_step(s->db, q, p)) == DATABASE_ROW) {
        const job_event event = {sqlite3_column_int64(q, 0), (const char *)sqlite3_column_text(q, 1),
                                 (const char *)sqlite3_column_text(q, 2)};
        *stopped = each(context, &event);
        if (*stopped) {
            sqlite3_reset(q);
            return 0;
        }
    }
    return row == DATABASE_FAULT;
}

int job_store_events(job_store *s, long long job, long long after, int (*each)(void *context, const job_event *event),
                     void *context, int *ended, problem *p)
{
    job_record record;
    int stopped = 0;
    database_lock(s->db);
    int failed = find_job(s, job, &record, p);
    if (!failed) { /* the state first: an event that comes in between is told, the end is never told too early */
        *ended = job_state_is_final(record.state);
        job_record_free(&record);
        failed = tell_events(s, job, after, each, context, &stopped, p);
        *ended = *ended && !stopped;
    }
    database_unlock(s->db);
    return failed;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- from outside ---------------------------------------------------------------------------------------------- */

static int count_states(job_store *s, job_state first, job_state last, int *n, problem *p)
{
    sqlite3_stmt *q = database_prepare(s->db, "SELECT count(*) FROM jobs WHERE state BETWEEN ?1 AND ?2");
    sqlite3_bind_int(q, 1, first);
    sqlite3_bind_int(q, 2, last);
    if (database_step(s->db, q, p) != DATABASE_ROW)
        return 1;
    *n = sqlite3_column_int(q, 0);
    sqlite3_reset(q);
    return 0;
}

/* Forgets the jobs beyond the limit that ended first, with their events. `ended` stays: it has just ended, however long
 * ago it was queued, and whatever the clock says. */
static int forget_old(job_store *s, long long ended, problem *p)
{
    sqlite3_stmt *q = database_prepare(s->db, "DELETE FROM jobs WHERE id IN (SELECT id FROM jobs WHERE state >= ?1"
                                              " ORDER BY id = ?3 DESC, ended DESC, id DESC LIMIT -1 OFFSET ?2)");
    sqlite3_bind_int64(q, 3, ended);
    sqlite3_bind_int(q, 1, JOB_SUCCEEDED);
    sqlite3_bind_int(q, 2, s->limits.kept);
    return database_run(s->db, q, p);
}

static int check_claim(job_store *s, const char *claim, problem *p)
{
    sqlite3_stmt *q = database_prepare(s->db, "SELECT id FROM jobs WHERE claim = ?1 AND state <= ?2");
    database_bind_text(q, 1, claim);
    sqlite3_bind_int(q, 2, JOB_RUNNING);
    int row = database_step(s->db, q, p);
    if (row != DATABASE_ROW)
        return row == DATABASE_FAULT;
    long long other = sqlite3_column_int64(q, 0);
    sqlite3_reset(q);
    const char *name = strchr(claim, ':'); /* JOB_NAME_MODEL */
    return problem_set(p, PROBLEM_NAME_TAKEN, "job %lld is about to make %s", other, name ? name + 1 : claim);
}

static const char *lane_of(const job_order *order)
{
    return order->lane ? order->lane : order->kind;
}

static int check_lane(job_store *s, const job_order *order, problem *p)
{
    sqlite3_stmt *q = database_prepare(s->db, "SELECT count(*) FROM jobs WHERE lane = ?1 AND state <= ?2");
    database_bind_text(q, 1, lane_of(order));
    sqlite3_bind_int(q, 2, JOB_RUNNING);
    if (database_step(s->db, q, p) != DATABASE_ROW)
        return 1;
    int open = sqlite3_column_int(q, 0);
    sqlite3_reset(q);
    if (open < order->open)
        return 0;
    return problem_set(p, PROBLEM_QUEUE_FULL, "%d jobs of this sort are queued or running, the limit", open);
}

static int insert_job(job_store *s, const job_order *order, long long *id, problem *p)
{
    sqlite3_stmt *q = database_prepare(s->db, "INSERT INTO jobs(kind, state, claim, request, created, lane, needs)"
                                              " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)");
    database_bind_text(q, 1, order->kind);
    sqlite3_bind_int(q, 2, JOB_QUEUED);
    database_bind_text(q, 3, order->claim);
    database_bind_text(q, 4, order->request);
    sqlite3_bind_double(q, 5, now());
    database_bind_text(q, 6, lane_of(order));
    database_bind_text(q, 7, order->needs ? order->needs : "");
    if (database_run(s->db, q, p))
        return 1;
    *id = database_inserted(s->db);
    return add_state_event(s, *id, JOB_QUEUED, NULL, p);
}

static int add_in_transaction(job_store *s, const job_order *order, long long *id, problem *p)
{
    int open;
    if (count_states(s, JOB_QUEUED, JOB_RUNNING, &open, p))
        return 1;
    if (open >= s->limits.open)
        return problem_set(p, PROBLEM_QUEUE_FULL, "%d jobs are queued or running, the limit", open);
    return (order->open > 0 && check_lane(s, order, p)) || (order->claim && check_claim(s, order->claim, p)) ||
           (order->check && order->check(order->context, p)) || insert_job(s, order, id, p) ||
           (order->prepare && order->prepare(order->context, *id, p));
}

int job_store_add(job_store *s, const job_order *order, long long *id, problem *p)
{
    if (database_begin(s->db, p))
        return 1;
    return database_end(s->db, add_in_transaction(s, order, id, p), p);
}

/* Changes the state of a job that is in one of the states first..last; tells no event. */
static int change_state(job_store *s, long long id, job_state first, job_state last, job_state state, int *done,
                        problem *p)
{
    sqlite3_stmt *q = database_prepare(s->db, "UPDATE jobs SET state = ?1,"
                                              " started = iif(?1 = 1 AND started = 0, ?2, started),"
                                              " ended = iif(?1 > 1, ?2, 0)"
                                              " WHERE id = ?3 AND state BETWEEN ?4 AND ?5");
    sqlite3_bind_int(q, 1, state);
    sqlite3_bind_double(q, 2, now());
    sqlite3_bind_int64(q, 3, id);
    sqlite3_bind_int(q, 4, first);
    sqlite3_bind_int(q, 5, last);
    if (database_run(s->db, q, p))
        return 1;
    *done = database_changes(s->db) == 1;
    return 0;
}

/* The same with its event. */
static int move_job(job_store *s, long long id, job_state from, job_state to, int *done, problem *p)
{
    return change_state(s, id, from, from, to, done, p) || (*done && add_state_event(s, id, to, NULL, p));
}

static int cancel_in_transaction(job_store *s, long long id, problem *p)
{
    int done;
    job_record record;
    if (change_state(s, id, JOB_QUEUED, JOB_RUNNING, JOB_CANCELLED, &done, p))
        return 1;
    if (done)
        return add_state_event(s, id, JOB_CANCELLED, NULL, p) || forget_old(s, id, p);
    if (find_job(s, id, &record, p))
        return 1;
    problem_set(p, PROBLEM_JOB_ENDED, "job %lld has %s%s", id, record.state == JOB_CANCELLED ? "been " : "",
                job_state_name(record.state));
    job_record_free(&record);
    return 1;
}

int job_store_cancel(job_store *s, long long id, problem *p)
{
    if (database_begin(s->db, p))
        return 1;
    return database_end(s->db, cancel_in_transaction(s, id, p), p);
}

/* ---- from who runs it ------------------------------------------------------------------------------------------ */

int job_store_next(job_store *s, const char *lane, int limit, long long after, long long *id, problem *p)
{
    *id = 0;
    database_lock(s->db);
    sqlite3_stmt *q =
        database_prepare(s->db, "SELECT id FROM jobs WHERE lane = ?1 AND state = ?2 AND id > ?3 AND ?4 > "
                                "(SELECT count(*) FROM jobs WHERE lane = ?1 AND state = ?5) ORDER BY id LIMIT 1");
    database_bind_text(q, 1, lane);
    sqlite3_bind_int(q, 2, JOB_QUEUED);
    sqlite3_bind_int64(q, 3, after);
    sqlite3_bind_int(q, 4, limit);
    sqlite3_bind_int(q, 5, JOB_RUNNING);
    int row = database_step(s->db, q, p);
    if (row == DATABASE_ROW) {
        *id = sqlite3_column_int64(q, 0);
        sqlite3_reset(q);
    }
    database_unlock(s->db);
    return row == DATABASE_FAULT;
}

static int start_in_transaction(job_store *s, long long id, int limit, int *done, problem *p)
{
    sqlite3_stmt *q = database_prepare(s->db, "SELECT count(*) FROM jobs WHERE state = ?1 AND "
                                              "lane = (SELECT lane FROM jobs WHERE id = ?2)");
    sqlite3_bind_int(q, 1, JOB_RUNNING);
    sqlite3_bind_int64(q, 2, id);
    if (database_step(s->db, q, p) != DATABASE_ROW)
        return 1;
    int running = sqlite3_column_int(q, 0);
    sqlite3_reset(q);
    return running >= limit ? 0 : move_job(s, id, JOB_QUEUED, JOB_RUNNING, done, p);
}

int job_store_start(job_store *s, long long id, int limit, int *done, problem *p)
{
    *done = 0;
    if (database_begin(s->db, p))
        return 1;
    return database_end(s->db, start_in_transaction(s, id, limit, done, p), p);
}

int job_store_requeue(job_store *s, long long id, int *done, problem *p)
{
    *done = 0;
    if (database_begin(s->db, p))
        return 1;
    return database_end(s->db, move_job(s, id, JOB_RUNNING, JOB_QUEUED, done, p), p);
}

static int set_outcome(job_store *s, long long id, const job_end *end, problem *p)
{
    sqlite3_stmt *q = database_prepare(s->db, "UPDATE jobs SET result = ?1, error = ?2 WHERE id = ?3");
    database_bind_text(q, 1, end->result);
    database_bind_text(q, 2, end->error);
    sqlite3_bind_int64(q, 3, id);
    return database_run(s->db, q, p);
}

static int end_in_transaction(job_store *s, long long id, const job_end *end, int *done, problem *p)
{
    if (change_state(s, id, JOB_RUNNING, JOB_RUNNING, end->state, done, p))
        return 1;
    return *done && (set_outcome(s, id, end, p) || add_state_event(s, id, end->state, end, p) || forget_old(s, id, p) ||
                     (end->commit && end->commit(end->context, p)));
}

int job_store_end(job_store *s, long long id, const job_end *end, int *done, problem *p)
{
    *done = 0;
    if (database_begin(s->db, p))
        return 1;
    return database_end(s->db, end_in_transaction(s, id, end, done, p), p);
}

static int progress_in_transaction(job_store *s, long long id, const char *progress, int n, const char *const *types,
                                   const char *const *data, problem *p)
{
    sqlite3_stmt *q =
        database_prepare(s->db, "UPDATE jobs SET progress = coalesce(?1, progress) WHERE id = ?2 AND state = ?3");
    database_bind_text(q, 1, progress);
    sqlite3_bind_int64(q, 2, id);
    sqlite3_bind_int(q, 3, JOB_RUNNING);
    int failed = database_run(s->db, q, p);
    if (database_changes(s->db) == 0)
        n = 0; /* it ended: nothing follows its last event */
    for (int i = 0; i < n && !failed; i++)
        failed = add_event(s, id, types[i], data[i], p);
    return failed;
}

int job_store_progress(job_store *s, long long id, const char *progress, int n, const char *const *types,
                       const char *const *data, problem *p)
{
    if (database_begin(s->db, p))
        return 1;
    return database_end(s->db, progress_in_transaction(s, id, progress, n, types, data, p), p);
}

int job_store_running(job_store *s, int (*each)(void *context, long long id), void *context, problem *p)
{
    int row;
    database_lock(s->db);
    sqlite3_stmt *q = database_prepare(s->db, "SELECT id FROM jobs WHERE state = ?1");
    sqlite3_bind_int(q, 1, JOB_RUNNING);
    while ((row = database_step(s->db, q, p)) == DATABASE_ROW)
        if (each(context, sqlite3_column_int64(q, 0))) {
            sqlite3_reset(q);
            break;
        }
    database_unlock(s->db);
    return row == DATABASE_FAULT;
}

int job_store_count_open(job_store *s, int *queued, int *running, problem *p)
{
    database_lock(s->db);
    int failed =
        count_states(s, JOB_QUEUED, JOB_QUEUED, queued, p) || count_states(s, JOB_RUNNING, JOB_RUNNING, running, p);
    database_unlock(s->db);
    return failed;
}

int job_store_hold(job_store *s, int (*change)(void *context, problem *p), void *context, problem *p)
{
    if (database_begin(s->db, p))
        return 1;
    return database_end(s->db, change(context, p), p);
}

int job_store_check_unneeded(job_store *s, const char *name, problem_kind kind, problem *p)
{
    sqlite3_stmt *q = database_prepare(
        s->db, "SELECT id FROM jobs WHERE state <= ?1 AND instr(' ' || needs || ' ', ' ' || ?2 || ' ') > 0");
    sqlite3_bind_int(q, 1, JOB_RUNNING);
    database_bind_text(q, 2, name);
    int row = database_step(s->db, q, p);
    if (row != DATABASE_ROW)
        return row == DATABASE_FAULT;
    long long id = sqlite3_column_int64(q, 0);
    sqlite3_reset(q);
    return problem_set(p, kind, "job %lld needs it: cancel that first, or wait for its end", id);
}

static int release_in_transaction(job_store *s, long long id, const char *name, problem *p)
{
    sqlite3_stmt *q = database_prepare(
        s->db, "UPDATE jobs SET needs = trim(replace(' ' || needs || ' ', ' ' || ?1 || ' ', ' ')) WHERE id = ?2");
    database_bind_text(q, 1, name);
    sqlite3_bind_int64(q, 2, id);
    return database_run(s->db, q, p);
}

int job_store_release(job_store *s, long long id, const char *name, problem *p)
{
    if (database_begin(s->db, p))
        return 1;
    return database_end(s->db, release_in_transaction(s, id, name, p), p);
}
