/* Memory that runs out anywhere: each of the allocations that a start and each kind of request make fails once, and
 * then every n-th. The daemon ends with one clear line or starts; a request is answered as ever or by a problem that
 * says so; nothing crashes, hangs or tells what is not so, and the next request is answered as ever. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/preload/fail_malloc.h"
#include "tests/support/dataset.h"
#include "tests/support/scratch.h"

enum { EACH = 30, MOST = 4000 };

static fail_malloc *control;
static captiond *server;

static int make_control(void **state)
{
    char preload[512];
    if (captiond_setup(state))
        return -1;
    int fd = open(scratch_path("control"), O_RDWR | O_CREAT, 0600);
    if (fd < 0 || ftruncate(fd, sizeof *control))
        return -1;
    control = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    ssize_t length = readlink("/proc/self/exe", preload, sizeof preload - 1);
    preload[length > 0 ? length : 0] = '\0';
    char *at = strstr(preload, "/tests/");
    if (!at || control == MAP_FAILED)
        return -1;
    strcpy(at, "/tests/preload/fail_malloc.so");
    setenv("CAPTIOND_TEST_MALLOC", scratch_path("control"), 1);
    setenv("LD_PRELOAD", preload, 1);
    return access(preload, R_OK);
}

static int end(void **state)
{
    unsetenv("LD_PRELOAD");
    return captiond_teardown(state);
}

static void arm(long nth, long every)
{
    atomic_store(&control->nth, nth);
    atomic_store(&control->every, every);
    atomic_store(&control->seen, 0);
    atomic_store(&control->failed, 0);
    atomic_store(&control->armed, 1);
}

static void disarm(void)
{
    atomic_store(&control->armed, 0);
}

/* The first ones all, then ever fewer: requests of many images make thousands of the same. */
static long next_of(long nth)
{
    return nth < EACH ? nth + 1 : nth + nth / 5;
}

/* ---- requests ------------------------------------------------------------------------------------------------------
 */

typedef struct question {
    const char *name, *method, *path, *type;
    const char *member; /* of the answer, by path: what must be the same in every answer of status 200 */
    photo body;
} question;

static reply ask(const question *q)
{
    return client_ask(server, &(request){.path = q->path,
                                         .method = q->method,
                                         .type = q->type,
                                         .body = q->body.size ? q->body.bytes : NULL,
                                         .size = q->body.size});
}

/* The member's text, malloc'd; NULL if the answer is none of status 2xx. */
static char *tell(const question *q, const reply *r)
{
    if (r->error != CURLE_OK || r->status / 100 != 2 || !q->member)
        return NULL;
    if (!r->json)
        fail_msg("%s: status %ld without JSON", q->name, r->status);
    cJSON *item = cJSON_GetObjectItem(r->json, q->member);
    if (!item)
        fail_msg("%s: no %s in %s", q->name, q->member, r->body);
    return cJSON_PrintUnformatted(item);
}

/* A refusal says what it is; or, where not even that could be put together, the connection ends. */
static void check_refusal(const question *q, const reply *r)
{
    if (r->error != CURLE_OK)
        return;
    if (r->status != 503 && r->status != 500 && r->status != 507)
        fail_msg("%s: status %ld: %s", q->name, r->status, r->body ? r->body : "");
}

/* Returns 1 while allocations have failed. */
static int try(const question *q, const char *good, long nth, long every)
{
    arm(nth, every);
    reply r = ask(q);
    disarm();
    char *told = tell(q, &r);
    if (told && strcmp(told, good) != 0)
        fail_msg("%s, allocation %ld: %s instead of %s", q->name, nth, told, good);
    if (r.error != CURLE_OK || r.status / 100 != 2)
        check_refusal(q, &r);
    free(told);
    reply_free(&r);
    r = client_ask(server, &(request){.path = "/healthz"});
    if (r.status != 200)
        fail_msg("%s, allocation %ld: dead", q->name, nth);
    reply_free(&r);
    return atomic_load(&control->failed) > 0;
}

static void check(const question *q)
{
    long nth = 1, tried = 0;
    reply r = ask(q);
    char *good = tell(q, &r);
    if (r.status / 100 != 2)
        fail_msg("%s: status %ld: %s", q->name, r.status, r.body ? r.body : "");
    reply_free(&r);
    for (; nth < MOST && try(q, good, nth, 0); nth = next_of(nth))
        tried++;
    for (long every = 2; every < 200; every = every * 3 / 2 + 1)
        try(q, good, 0, every);
    r = ask(q);
    char *after = tell(q, &r);
    assert_int_equal(r.status / 100, 2);
    if (good)
        assert_string_equal(after, good);
    free(after);
    free(good);
    reply_free(&r);
    print_message("# %s: %ld allocations failed one by one\n", q->name, tried);
    assert_true(tried > 0);
}

static void every_kind_of_request_survives_every_failure(void **state)
{
    (void)state;
    photo image = photo_make("png", 60, 50, 7), form = dataset_form(&image, (const char *const[]){"a dog", NULL});
    static char text[200000];
    photo json = {0};
    char *base64 = photo_base64(&image);
    snprintf(text, sizeof text, "{\"image\":\"%s\",\"decode\":\"beam\",\"n\":2}", base64);
    json = (photo){(unsigned char *)text, strlen(text)};
    free(base64);
    server = captiond_serve((const char *[]){"--workers", "1", NULL});
    dataset_make(server, "pets");
    const question questions[] = {
        {"caption of a body", NULL, "/v1/caption", "image/png", "captions", image},
        {"caption with attention off and log-probabilities", NULL, "/v1/caption?logprobs=true&decode=sample&seed=3",
         "image/png", "captions", image},
        {"caption of a form", NULL, "/v1/caption", PHOTO_FORM_TYPE, "captions", (photo){0}},
        {"caption of JSON", NULL, "/v1/caption", "application/json", "captions", json},
        {"an item", NULL, "/v1/datasets/pets/items", PHOTO_FORM_TYPE, "sha256", form},
        {"items", "GET", "/v1/datasets/pets/items", NULL, "items", (photo){0}},
        {"datasets", "GET", "/v1/datasets", NULL, NULL, (photo){0}},
        {"models", "GET", "/v1/models", NULL, "models", (photo){0}},
        {"jobs", "GET", "/v1/jobs", NULL, "jobs", (photo){0}},
        {"routes", "GET", "/", NULL, "routes", (photo){0}},
        {"metrics", "GET", "/metrics", NULL, NULL, (photo){0}},
        {"saliency", NULL, "/v1/saliency?class=3", "image/png", NULL, image},
    };
    photo plain = {0};
    photo_form_add(&plain, "image", image.bytes, image.size);
    photo_form_end(&plain);
    for (size_t i = 0; i < sizeof questions / sizeof *questions; i++) {
        question q = questions[i];
        if (q.type && strcmp(q.type, PHOTO_FORM_TYPE) == 0 && q.body.size == 0)
            q.body = plain;
        check(&q);
    }
    captiond_stop(server);
    photo_free(&plain);
    photo_free(&form);
    photo_free(&image);
}

/* ---- the start -----------------------------------------------------------------------------------------------------
 */

static int starts(long nth, long every)
{
    const char *const arguments[] = {"serve",    "--port", "0",      "--encoder", captiond_encoder,
                                     "--models", NULL,     "--data", NULL,        NULL};
    const char *filled[10];
    char model[512], data[512];
    memcpy(filled, arguments, sizeof arguments);
    filled[6] = strcpy(model, scratch_path("tiny.safetensors"));
    filled[8] = strcpy(data, scratch_path("data"));
    arm(nth, every);
    captiond *c = captiond_start(filled);
    int ready = captiond_wait_log_or_end(c, "event=ready");
    disarm();
    if (ready)
        captiond_signal(c, SIGTERM);
    int said = captiond_count_log(c, "captiond serve: ") + captiond_count_log(c, "event=");
    int status = captiond_wait(c);
    if (status > 128 || (!ready && (status == 0 || said == 0)))
        fail_msg("allocation %ld (every %ld): exit status %d, ready %d, lines %d", nth, every, status, ready, said);
    return atomic_load(&control->failed) > 0;
}

static void a_start_survives_every_failure(void **state)
{
    long tried = 0;
    (void)state;
    for (long nth = 1; nth < 100000 && starts(nth, 0); nth = nth < 30 ? nth + 4 : nth + nth / 3)
        tried++;
    for (long every = 50; every < 20000; every *= 4)
        starts(0, every);
    print_message("# %ld starts, with one allocation failing\n", tried);
    assert_true(tried > 10);
}

/* OpenBLAS would ask for its buffers for ever. With too little even for its threads, which it starts before main, it
 * says so and ends the process itself. */
static void too_little_address_space_is_told(void **state)
{
    int good = 0, refused = 0;
    char image[512];
    struct rlimit before;
    (void)state;
    photo p = photo_make("png", 60, 50, 7);
    strcpy(image, scratch_write("space.png", p.bytes, p.size));
    photo_free(&p);
    getrlimit(RLIMIT_AS, &before);
    for (int mb = 120; mb <= 4000; mb += mb / 3) {
        const struct rlimit limit = {(rlim_t)mb << 20, before.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_AS, &limit), 0);
        captiond_output o = captiond_run((const char *[]){"caption", image, NULL}, NULL, NULL);
        setrlimit(RLIMIT_AS, &before);
        good += o.status == 0;
        refused += o.status == 1 && strncmp(o.err, "captiond caption: ", 18) == 0;
        int before_main = o.status == 127 || (o.status > 1 && strstr(o.err, "OpenBLAS"));
        if (o.status > 1 && !before_main)
            fail_msg("%d MB: status %d, %s", mb, o.status, o.err);
        captiond_output_free(&o);
    }
    assert_true(good > 0 && refused > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_request_survives_every_failure),
        cmocka_unit_test(too_little_address_space_is_told),
        cmocka_unit_test(a_start_survives_every_failure),
    };
    return cmocka_run_group_tests_name("allocations", tests, make_control, end);
}
