/* job_changes.c: a job's way from queued to its end, a transaction a step; see job_store.h. */
#include <string.h>
#include <time.h>

#include "server/jobs/job_store_open.h"

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
    return job_event_add_state(s, *id, JOB_QUEUED, NULL, p);
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
    return change_state(s, id, from, from, to, done, p) || (*done && job_event_add_state(s, id, to, NULL, p));
}

static int cancel_in_transaction(job_store *s, long long id, problem *p)
{
    int done;
    job_record record;
    if (change_state(s, id, JOB_QUEUED, JOB_RUNNING, JOB_CANCELLED, &done, p))
        return 1;
    if (done)
        return job_event_add_state(s, id, JOB_CANCELLED, NULL, p) || forget_old(s, id, p);
    if (job_store_find(s, id, &record, p))
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
    return *done && (set_outcome(s, id, end, p) || job_event_add_state(s, id, end->state, end, p) ||
                     forget_old(s, id, p) || (end->commit && end->commit(end->context, p)));
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
        failed = job_event_add(s, id, types[i], data[i], p);
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
