/* The store of jobs without HTTP and threads around it: what may follow what, and what is remembered. */
#include <pthread.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "server/jobs/job_store.h"
#include "tests/support/scratch.h"

static const job_limits limits = {.open = 4, .kept = 3, .history = 5};

static char directory[300];
static job_store *store;

/* Each test begins with an empty store. */
static int open_empty(void **state)
{
    static int n;
    char name[32];
    caption_error err;
    (void)state;
    snprintf(name, sizeof name, "store%d", n++);
    snprintf(directory, sizeof directory, "%s", scratch_path(name));
    return mkdir(directory, 0700) || job_store_open(&store, directory, &limits, &err);
}

static int close_store(void **state)
{
    (void)state;
    job_store_close(store);
    return 0;
}

static void open_again(void)
{
    caption_error err;
    job_store_close(store);
    assert_int_equal(job_store_open(&store, directory, &limits, &err), CAPTION_OK);
}

/* ---- steps ------------------------------------------------------------------------------------------------------- */

static int try_add(const char *kind, const char *claim, long long *id, problem *p)
{
    const job_order order = {.kind = kind, .claim = claim, .request = "{\"what\":1}"};
    return job_store_add(store, &order, id, p);
}

static long long add(const char *kind, const char *claim)
{
    problem p;
    long long id;
    if (try_add(kind, claim, &id, &p))
        fail_msg("%s", p.detail);
    return id;
}

static int start(long long id, int limit)
{
    problem p;
    int done;
    assert_int_equal(job_store_start(store, id, limit, &done, &p), 0);
    return done;
}

static int end(long long id, job_state state, const char *result, const char *error)
{
    problem p;
    int done;
    const job_end how = {.state = state, .result = result, .error = error};
    assert_int_equal(job_store_end(store, id, &how, &done, &p), 0);
    return done;
}

static void expect_state(long long id, job_state state)
{
    problem p;
    job_record r;
    assert_int_equal(job_store_get(store, id, &r, &p), 0);
    assert_int_equal(r.state, state);
    job_record_free(&r);
}

static void expect_refused(int failed, const problem *p, problem_kind kind)
{
    assert_int_equal(failed, 1);
    assert_int_equal(p->kind, kind);
    assert_true(strlen(p->detail) > 0);
}

/* ---- the way of a job -------------------------------------------------------------------------------------------- */

static void a_job_is_queued_run_and_ended(void **state)
{
    problem p;
    job_record r;
    (void)state;
    long long id = add("train", NULL);
    assert_int_equal(job_store_get(store, id, &r, &p), 0);
    assert_string_equal(r.kind, "train");
    assert_string_equal(r.request, "{\"what\":1}");
    assert_int_equal(r.state, JOB_QUEUED);
    assert_true(r.created > 1.7e9);
    assert_true(r.started == 0 && r.ended == 0);
    assert_null(r.progress);
    job_record_free(&r);

    assert_true(start(id, 1));
    assert_false(start(id, 1)); /* it runs already */
    assert_int_equal(job_store_progress(store, id, "{\"epoch\":1}", 0, NULL, NULL, &p), 0);
    assert_true(end(id, JOB_SUCCEEDED, "{\"model\":\"m\"}", NULL));
    open_again();
    assert_int_equal(job_store_get(store, id, &r, &p), 0);
    assert_int_equal(r.state, JOB_SUCCEEDED);
    assert_string_equal(r.progress, "{\"epoch\":1}");
    assert_string_equal(r.result, "{\"model\":\"m\"}");
    assert_null(r.error);
    assert_true(r.started >= r.created && r.ended >= r.started);
    job_record_free(&r);
}

static void what_ended_stays_as_it_is(void **state)
{
    problem p;
    int done;
    (void)state;
    long long id = add("train", NULL);
    start(id, 1);
    assert_int_equal(job_store_cancel(store, id, &p), 0);
    assert_false(end(id, JOB_SUCCEEDED, "{}", NULL)); /* the work was done, but too late */
    expect_state(id, JOB_CANCELLED);
    assert_int_equal(job_store_requeue(store, id, &done, &p), 0);
    assert_false(done);
    assert_false(start(id, 1));
    expect_refused(job_store_cancel(store, id, &p), &p, PROBLEM_JOB_ENDED);
    assert_int_equal(
        job_store_progress(store, id, "{\"late\":1}", 1, (const char *[]){"progress"}, (const char *[]){"{}"}, &p), 0);
    job_record r;
    assert_int_equal(job_store_get(store, id, &r, &p), 0);
    assert_null(r.progress);
    job_record_free(&r);
}

static void an_interrupted_job_is_queued_again_and_keeps_its_start(void **state)
{
    problem p;
    job_record before, after;
    int done;
    (void)state;
    long long id = add("train", NULL);
    start(id, 1);
    assert_int_equal(job_store_get(store, id, &before, &p), 0);
    assert_int_equal(job_store_requeue(store, id, &done, &p), 0);
    assert_true(done);
    expect_state(id, JOB_QUEUED);
    assert_true(start(id, 1));
    assert_int_equal(job_store_get(store, id, &after, &p), 0);
    assert_true(after.started == before.started);
    job_record_free(&before);
    job_record_free(&after);
}

static int refuse(void *context, problem *p)
{
    ++*(int *)context;
    return problem_set(p, PROBLEM_DAMAGED_MODEL, "it cannot be published");
}

static void a_result_that_cannot_be_published_leaves_the_job_running(void **state)
{
    problem p;
    int done, called = 0;
    (void)state;
    long long id = add("train", NULL);
    const job_end how = {JOB_SUCCEEDED, "{}", NULL, refuse, &called};
    start(id, 1);
    expect_refused(job_store_end(store, id, &how, &done, &p), &p, PROBLEM_DAMAGED_MODEL);
    expect_state(id, JOB_RUNNING);
    job_store_cancel(store, id, &p);
    assert_int_equal(job_store_end(store, id, &how, &done, &p), 0);
    assert_int_equal(called, 1); /* nothing of a cancelled job is published */
}

/* ---- who is next ------------------------------------------------------------------------------------------------- */

static long long next(const char *kind, int limit, long long after)
{
    problem p;
    long long id;
    assert_int_equal(job_store_next(store, kind, limit, after, &id, &p), 0);
    return id;
}

static void the_oldest_of_its_kind_is_next_within_the_limit(void **state)
{
    (void)state;
    long long a = add("train", NULL), b = add("dream", NULL), c = add("train", NULL);
    assert_int_equal(next("train", 1, 0), a);
    assert_int_equal(next("dream", 1, 0), b);
    assert_int_equal(next("train", 1, a), c);
    assert_true(start(a, 1));
    assert_int_equal(next("train", 1, 0), 0);
    assert_int_equal(next("train", 2, 0), c);
    assert_false(start(c, 1));
    assert_true(start(b, 1)); /* another kind has a limit of its own */
    assert_true(start(c, 2));
}

static int collect(void *context, long long id)
{
    long long *sum = context;
    *sum = *sum * 10 + id;
    return 0;
}

static void running_jobs_are_told(void **state)
{
    problem p;
    long long told = 0, a = add("train", NULL), b = add("train", NULL);
    (void)state;
    start(a, 2);
    start(b, 2);
    end(a, JOB_FAILED, NULL, "a reason");
    assert_int_equal(job_store_running(store, collect, &told, &p), 0);
    assert_int_equal(told, b);
}

/* ---- limits ------------------------------------------------------------------------------------------------------ */

static void a_claim_is_free_when_its_job_has_ended(void **state)
{
    problem p;
    long long id, a = add("train", "model:m");
    (void)state;
    expect_refused(try_add("train", "model:m", &id, &p), &p, PROBLEM_NAME_TAKEN);
    start(a, 1);
    expect_refused(try_add("train", "model:m", &id, &p), &p, PROBLEM_NAME_TAKEN);
    end(a, JOB_FAILED, NULL, "a reason");
    add("train", "model:m");
}

static void more_open_jobs_than_the_limit_are_refused(void **state)
{
    problem p;
    long long id;
    (void)state;
    for (int i = 0; i < limits.open; i++)
        add("train", NULL);
    expect_refused(try_add("train", NULL, &id, &p), &p, PROBLEM_QUEUE_FULL);
}

static void what_the_check_refuses_is_not_queued(void **state)
{
    problem p;
    int called = 0, more;
    long long id;
    const job_order order = {.kind = "train", .request = "{}", .check = refuse, .context = &called};
    (void)state;
    expect_refused(job_store_add(store, &order, &id, &p), &p, PROBLEM_DAMAGED_MODEL);
    assert_int_equal(called, 1);
    assert_int_equal(job_store_list(store, 0, 10, NULL, NULL, &more, &p), 0); /* calls nobody: there is none */
}

static int fail_to_prepare(void *context, long long id, problem *p)
{
    *(long long *)context = id;
    return problem_set(p, PROBLEM_DISK_FULL, "no");
}

static void what_cannot_be_prepared_is_not_queued(void **state)
{
    problem p;
    int more;
    long long id, prepared = 0;
    const job_order order = {.kind = "dream", .request = "{}", .prepare = fail_to_prepare, .context = &prepared};
    (void)state;
    expect_refused(job_store_add(store, &order, &id, &p), &p, PROBLEM_DISK_FULL);
    assert_true(prepared > 0);
    assert_int_equal(job_store_list(store, 0, 10, NULL, NULL, &more, &p), 0); /* calls nobody: there is none */
}

static int add_to_lane(const char *kind, int open, long long *id, problem *p)
{
    const job_order order = {.kind = kind, .lane = "pictures", .open = open, .request = "{}"};
    return job_store_add(store, &order, id, p);
}

static void kinds_of_a_lane_share_its_limits(void **state)
{
    problem p;
    long long dream, fool, third;
    (void)state;
    long long train = add("train", NULL);
    assert_int_equal(add_to_lane("dream", 2, &dream, &p), 0);
    assert_int_equal(add_to_lane("fool", 2, &fool, &p), 0);
    expect_refused(add_to_lane("dream", 2, &third, &p), &p, PROBLEM_QUEUE_FULL);
    assert_true(next("pictures", 1, 0) == dream); /* the oldest, whatever its kind */
    assert_int_equal(start(dream, 1), 1);
    assert_true(next("pictures", 1, 0) == 0);
    assert_int_equal(start(fool, 1), 0);
    assert_true(next("train", 1, 0) == train); /* other lanes do not wait for this one */
    end(dream, JOB_SUCCEEDED, "{}", NULL);
    assert_true(next("pictures", 1, 0) == fool);
    assert_int_equal(add_to_lane("dream", 2, &third, &p), 0);
}

static int note_id(void *context, const job_record *record)
{
    long long **at = context;
    *(*at)++ = record->id;
    return 0;
}

static void the_oldest_ended_jobs_are_forgotten_and_open_ones_never(void **state)
{
    problem p;
    int more;
    long long ids[16] = {0}, *at = ids;
    (void)state;
    long long open = add("train", NULL);
    for (int i = 0; i < 6; i++) {
        long long id = add("train", NULL);
        start(id, 1);
        end(id, JOB_SUCCEEDED, "{}", NULL);
    }
    assert_int_equal(job_store_list(store, 0, 16, note_id, &at, &more, &p), 0);
    assert_int_equal(at - ids, 1 + limits.kept);
    assert_int_equal(ids[0], open + 6);
    assert_int_equal(ids[3], open);
    assert_false(more);
    job_record r;
    expect_refused(job_store_get(store, open + 1, &r, &p), &p, PROBLEM_UNKNOWN_JOB);
    assert_true(add("train", NULL) > ids[0]); /* numbers are never used again */
}

static void a_job_that_ends_late_is_remembered_like_any_other(void **state)
{
    problem p;
    job_record r;
    (void)state;
    long long slow = add("train", NULL);
    start(slow, 9);
    for (int i = 0; i < limits.kept; i++) {
        long long quick = add("dream", NULL);
        start(quick, 9);
        end(quick, JOB_SUCCEEDED, "{}", NULL);
    }
    end(slow, JOB_SUCCEEDED, "{}", NULL);
    assert_int_equal(job_store_get(store, slow, &r, &p), 0);
    job_record_free(&r);
    expect_refused(job_store_get(store, slow + 1, &r, &p), &p, PROBLEM_UNKNOWN_JOB);
}

static void lists_come_in_pages(void **state)
{
    problem p;
    int more;
    long long ids[4] = {0}, *at = ids, a = add("train", NULL), b = add("train", NULL), c = add("train", NULL);
    (void)state;
    assert_int_equal(job_store_list(store, 0, 2, note_id, &at, &more, &p), 0);
    assert_true(more);
    assert_true(ids[0] == c && ids[1] == b && ids[2] == 0);
    assert_int_equal(job_store_list(store, b, 2, note_id, &at, &more, &p), 0);
    assert_false(more);
    assert_int_equal(ids[2], a);
}

/* ---- events ------------------------------------------------------------------------------------------------------ */

typedef struct told {
    int n, stop_at;
    long long ids[16];
    char types[16][16];
} told;

static int tell(void *context, const job_event *event)
{
    told *t = context;
    t->ids[t->n] = event->id;
    snprintf(t->types[t->n], sizeof t->types[t->n], "%s", event->type);
    return ++t->n == t->stop_at;
}

static int tell_all(long long job, long long after, told *t)
{
    problem p;
    int ended;
    assert_int_equal(job_store_events(store, job, after, tell, t, &ended, &p), 0);
    return ended;
}

static void events_come_in_order_and_the_end_is_last(void **state)
{
    problem p;
    long long newest, before;
    told t = {0}, rest = {0}, none = {0};
    (void)state;
    long long id = add("train", NULL), other = add("train", NULL);
    assert_int_equal(job_store_newest_event(store, &before, &p), 0);
    start(id, 1);
    assert_int_equal(job_store_progress(store, id, NULL, 2, (const char *[]){"progress", "scores"},
                                        (const char *[]){"{}", "{}"}, &p),
                     0);
    assert_false(tell_all(id, 0, &t));
    end(id, JOB_SUCCEEDED, "{}", NULL);
    assert_true(tell_all(id, t.ids[1], &rest));
    assert_int_equal(rest.n, 3);
    assert_string_equal(rest.types[0], "progress");
    assert_string_equal(rest.types[2], "end");
    assert_int_equal(job_store_newest_event(store, &newest, &p), 0);
    assert_int_equal(newest, rest.ids[2]);
    assert_int_equal(newest, before + 4);
    assert_true(tell_all(id, newest, &none));
    assert_int_equal(none.n, 0);
    told others = {0};
    assert_false(tell_all(other, 0, &others));
    assert_int_equal(others.n, 1);
}

static void a_teller_that_stops_has_not_heard_the_end(void **state)
{
    told t = {.stop_at = 1};
    (void)state;
    long long id = add("train", NULL);
    start(id, 1);
    end(id, JOB_FAILED, NULL, "a \"quoted\" reason");
    assert_false(tell_all(id, 0, &t));
    assert_int_equal(t.n, 1);
}

static void only_so_many_events_are_remembered(void **state)
{
    problem p;
    told t = {0};
    (void)state;
    long long id = add("train", NULL);
    start(id, 1);
    for (int i = 0; i < 9; i++)
        job_store_progress(store, id, NULL, 1, (const char *[]){"progress"}, (const char *[]){"{}"}, &p);
    end(id, JOB_SUCCEEDED, NULL, NULL);
    tell_all(id, 0, &t);
    assert_int_equal(t.n, limits.history);
    assert_string_equal(t.types[limits.history - 1], "end");
}

/* ---- opening ----------------------------------------------------------------------------------------------------- */

static void *open_at_once(void *context)
{
    job_store *mine;
    caption_error err;
    pthread_barrier_wait(context);
    int status = job_store_open(&mine, directory, &limits, &err);
    job_store_close(mine);
    return status ? &store : NULL;
}

static void several_may_open_an_empty_directory_at_once(void **state)
{
    enum { ROUNDS = 20, OPENERS = 4 };
    pthread_barrier_t together;
    pthread_t threads[OPENERS];
    void *failed;
    (void)state;
    pthread_barrier_init(&together, NULL, OPENERS);
    for (int round = 0; round < ROUNDS; round++) {
        snprintf(directory, sizeof directory, "%s", scratch_path("fresh"));
        snprintf(directory + strlen(directory), sizeof directory - strlen(directory), "%d", round);
        assert_int_equal(mkdir(directory, 0700), 0);
        for (int i = 0; i < OPENERS; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, open_at_once, &together), 0);
        for (int i = 0; i < OPENERS; i++) {
            pthread_join(threads[i], &failed);
            assert_null(failed);
        }
    }
    pthread_barrier_destroy(&together);
}

/* ---- what jobs need ---------------------------------------------------------------------------------------------- */

static int check_unneeded(void *context, problem *p)
{
    return job_store_check_unneeded(store, context, PROBLEM_MODEL_IN_USE, p);
}

static int is_needed(const char *name)
{
    problem p = {.kind = PROBLEM_NONE};
    char copy[64];
    snprintf(copy, sizeof copy, "%s", name);
    int refused = job_store_hold(store, check_unneeded, copy, &p);
    assert_int_equal(p.kind, refused ? PROBLEM_MODEL_IN_USE : PROBLEM_NONE);
    return refused;
}

static void what_a_job_needs_is_needed_until_it_ends_or_releases_it(void **state)
{
    (void)state;
    problem p;
    long long id;
    const job_order order = {.kind = "train", .needs = "dataset:pets model:lstm", .request = "{}"};
    assert_int_equal(job_store_add(store, &order, &id, &p), 0);
    assert_true(is_needed("dataset:pets") && is_needed("model:lstm"));
    assert_false(is_needed("dataset:pet") || is_needed("model:lstm2") || is_needed("model:pets"));
    start(id, 1);
    open_again();
    assert_true(is_needed("dataset:pets") && is_needed("model:lstm"));
    assert_int_equal(job_store_release(store, id, "dataset:pets", &p), 0);
    assert_true(!is_needed("dataset:pets") && is_needed("model:lstm"));
    end(id, JOB_FAILED, NULL, "because");
    assert_false(is_needed("model:lstm"));
}

/* What only other versions or clocks do. */
static void change_by_hand(const char *sql)
{
    char path[320];
    sqlite3 *db;
    snprintf(path, sizeof path, "%s/jobs.db", directory);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void jobs_of_the_version_before_need_what_they_ask_for(void **state)
{
    problem p;
    long long id;
    (void)state;
    const job_order train = {.kind = "train", .request = "{\"dataset\":\"pets\",\"model\":\"new\",\"base\":\"old\"}"};
    const job_order files = {.kind = "train", .request = "{\"dataset\":{\"images\":\"x\"},\"model\":\"new\"}"};
    const job_order picture = {.kind = "visualize", .request = "{\"model\":\"seen\"}"};
    assert_int_equal(job_store_add(store, &train, &id, &p) || job_store_add(store, &files, &id, &p) ||
                         job_store_add(store, &picture, &id, &p),
                     0);
    change_by_hand("ALTER TABLE jobs DROP COLUMN needs; PRAGMA user_version = 2");
    open_again();
    assert_true(is_needed("dataset:pets") && is_needed("model:old") && is_needed("model:seen"));
    assert_false(is_needed("model:new"));
}

static void a_job_that_ends_before_others_by_the_clock_is_not_forgotten_at_once(void **state)
{
    problem p;
    job_record r;
    long long last = 0;
    (void)state;
    for (int i = 0; i < limits.kept; i++) {
        last = add("train", NULL);
        start(last, 1);
        end(last, JOB_SUCCEEDED, "{}", NULL);
    }
    change_by_hand("UPDATE jobs SET ended = ended + 3600");
    last = add("train", NULL);
    start(last, 1);
    end(last, JOB_SUCCEEDED, "{}", NULL);
    assert_int_equal(job_store_get(store, last, &r, &p), 0);
    job_record_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_job_is_queued_run_and_ended, open_empty, close_store),
        cmocka_unit_test_setup_teardown(what_ended_stays_as_it_is, open_empty, close_store),
        cmocka_unit_test_setup_teardown(an_interrupted_job_is_queued_again_and_keeps_its_start, open_empty,
                                        close_store),
        cmocka_unit_test_setup_teardown(a_result_that_cannot_be_published_leaves_the_job_running, open_empty,
                                        close_store),
        cmocka_unit_test_setup_teardown(the_oldest_of_its_kind_is_next_within_the_limit, open_empty, close_store),
        cmocka_unit_test_setup_teardown(running_jobs_are_told, open_empty, close_store),
        cmocka_unit_test_setup_teardown(a_claim_is_free_when_its_job_has_ended, open_empty, close_store),
        cmocka_unit_test_setup_teardown(more_open_jobs_than_the_limit_are_refused, open_empty, close_store),
        cmocka_unit_test_setup_teardown(what_the_check_refuses_is_not_queued, open_empty, close_store),
        cmocka_unit_test_setup_teardown(what_cannot_be_prepared_is_not_queued, open_empty, close_store),
        cmocka_unit_test_setup_teardown(kinds_of_a_lane_share_its_limits, open_empty, close_store),
        cmocka_unit_test_setup_teardown(the_oldest_ended_jobs_are_forgotten_and_open_ones_never, open_empty,
                                        close_store),
        cmocka_unit_test_setup_teardown(a_job_that_ends_late_is_remembered_like_any_other, open_empty, close_store),
        cmocka_unit_test_setup_teardown(lists_come_in_pages, open_empty, close_store),
        cmocka_unit_test_setup_teardown(events_come_in_order_and_the_end_is_last, open_empty, close_store),
        cmocka_unit_test_setup_teardown(a_teller_that_stops_has_not_heard_the_end, open_empty, close_store),
        cmocka_unit_test_setup_teardown(only_so_many_events_are_remembered, open_empty, close_store),
        cmocka_unit_test_setup_teardown(what_a_job_needs_is_needed_until_it_ends_or_releases_it, open_empty,
                                        close_store),
        cmocka_unit_test_setup_teardown(jobs_of_the_version_before_need_what_they_ask_for, open_empty, close_store),
        cmocka_unit_test_setup_teardown(a_job_that_ends_before_others_by_the_clock_is_not_forgotten_at_once, open_empty,
                                        close_store),
        cmocka_unit_test(several_may_open_an_empty_directory_at_once),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
