/* job_events.c: what jobs told, in order; see job_store.h. */
#include <stdlib.h>

#include "server/http/json.h"
#include "server/jobs/job_store_open.h"

/* ---- adding: within a transaction ------------------------------------------------------------------------------ */

int job_event_add(job_store *s, long long job, const char *type, const char *data, problem *p)
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

int job_event_add_state(job_store *s, long long job, job_state state, const job_end *end, problem *p)
{
    cJSON *object = cJSON_CreateObject();
    int good = cJSON_AddStringToObject(object, "state", job_state_name(state)) &&
               (!end || !end->error || cJSON_AddStringToObject(object, "error", end->error)) &&
               (!end || !end->result || cJSON_AddRawToObject(object, "result", end->result));
    char *data = json_finish(object, good);
    if (!data)
        return problem_set(p, PROBLEM_MEMORY_FULL, "out of memory");
    int failed = job_event_add(s, job, job_state_is_final(state) ? "end" : "state", data, p);
    free(data);
    return failed;
}

/* ---- telling ---------------------------------------------------------------------------------------------------- */

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
    int failed = job_store_find(s, job, &record, p);
    if (!failed) { /* the state first: an event that comes in between is told, the end is never told too early */
        *ended = job_state_is_final(record.state);
        job_record_free(&record);
        failed = tell_events(s, job, after, each, context, &stopped, p);
        *ended = *ended && !stopped;
    }
    database_unlock(s->db);
    return failed;
}
