/* training.c: see training.h. */
#include "tests/support/training.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "tests/support/dataset.h"
#include "tests/support/lessons.h"
#include "tests/support/scratch.h"

enum { LOOK_MS = 20, PATIENCE_S = 300, JSON_BYTES = 4096 };

void training_upload(const captiond *c, const char *dataset, int n)
{
    dataset_make(c, dataset);
    for (int i = 0; i < n; i++) {
        photo picture = {0};
        picture.bytes = lesson_picture(i, &picture.size);
        reply r = dataset_add(c, dataset, &picture, (const char *const[]){lesson_caption(i), NULL});
        assert_int_equal(r.status, 201);
        reply_free(&r);
        photo_free(&picture);
    }
}

/* ---- asking for a training ----------------------------------------------------------------------------------------
 */

static reply post(const captiond *c, const char *format, va_list arguments)
{
    char json[JSON_BYTES];
    int length = vsnprintf(json, sizeof json, format, arguments);
    assert_in_range(length, 1, sizeof json - 1);
    return client_ask(
        c, &(request){.path = "/v1/train", .type = "application/json", .body = json, .size = (size_t)length});
}

reply training_post(const captiond *c, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    reply r = post(c, format, arguments);
    va_end(arguments);
    return r;
}

long long training_submit(const captiond *c, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    reply r = post(c, format, arguments);
    va_end(arguments);
    return client_expect_job(&r, "train");
}

void training_cancel(const captiond *c, long long id)
{
    reply r = dataset_ask(c, "DELETE", "/v1/jobs/%lld", id);
    assert_int_equal(r.status, 200);
    assert_string_equal(reply_string(&r, "state"), "cancelled");
    assert_true(strlen(reply_string(&r, "ended")) > 0);
    reply_free(&r);
}

/* ---- waiting ----------------------------------------------------------------------------------------------------- */

static void pause_a_little(void)
{
    const struct timespec pause = {0, LOOK_MS * 1000000L};
    nanosleep(&pause, NULL);
}

static int is_over(const reply *job)
{
    const char *state = reply_string(job, "state");
    return strcmp(state, "queued") != 0 && strcmp(state, "running") != 0;
}

/* Looks at the job until `is_it` says so or it has ended. */
static reply look_until(const captiond *c, long long id, int (*is_it)(const reply *job, const void *what),
                        const void *what)
{
    time_t until = time(NULL) + PATIENCE_S;
    for (;;) {
        reply job = dataset_ask(c, "GET", "/v1/jobs/%lld", id);
        assert_int_equal(job.status, 200);
        if (is_it(&job, what) || is_over(&job))
            return job;
        reply_free(&job);
        assert_true(time(NULL) < until);
        pause_a_little();
    }
}

static int never(const reply *job, const void *what)
{
    (void)job;
    (void)what;
    return 0;
}

static int has_state(const reply *job, const void *what)
{
    return strcmp(reply_string(job, "state"), what) == 0;
}

static int has_iteration(const reply *job, const void *what)
{
    const cJSON *progress = cJSON_GetObjectItemCaseSensitive(job->json, "progress");
    const cJSON *iteration = cJSON_GetObjectItemCaseSensitive(progress, "iteration");
    return cJSON_IsNumber(iteration) && iteration->valuedouble >= *(const int *)what;
}

reply training_wait(const captiond *c, long long id, const char *state)
{
    reply job = look_until(c, id, never, NULL);
    if (!has_state(&job, state))
        fprintf(stderr, "job %lld: %s\n", id, job.body);
    assert_string_equal(reply_string(&job, "state"), state);
    return job;
}

void training_expect(const captiond *c, long long id, const char *state)
{
    reply job = training_wait(c, id, state);
    reply_free(&job);
}

void training_wait_state(const captiond *c, long long id, const char *state)
{
    reply job = look_until(c, id, has_state, state);
    assert_string_equal(reply_string(&job, "state"), state);
    reply_free(&job);
}

void training_wait_iteration(const captiond *c, long long id, int iteration)
{
    reply job = look_until(c, id, has_iteration, &iteration);
    assert_true(has_iteration(&job, &iteration));
    reply_free(&job);
}

/* ---- outcomes ---------------------------------------------------------------------------------------------------- */

char *training_caption(const captiond *c, int lesson, const char *model)
{
    char path[128];
    size_t size;
    unsigned char *bmp = lesson_picture(lesson, &size);
    snprintf(path, sizeof path, "/v1/caption%s%s", model ? "?model=" : "", model ? model : "");
    reply r = client_ask(c, &(request){.path = path, .type = "image/bmp", .body = bmp, .size = size});
    client_expect_captions(&r, 1);
    char *text = strdup(reply_string(&r, "captions/0/text"));
    assert_non_null(text);
    reply_free(&r);
    free(bmp);
    return text;
}

unsigned char *training_model(const char *model, size_t *size)
{
    char name[128];
    snprintf(name, sizeof name, "data/models/%s.safetensors", model);
    return scratch_read(scratch_path(name), size);
}
