/* job_needs.c: what open jobs work with, and holding the store while somebody looks and changes it; see job_store.h. */
#include "server/jobs/job_store_open.h"

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
