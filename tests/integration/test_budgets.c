/* What a request may cost: known before it is queued, refused by the limit's name; what takes long to answer neither
 * holds up captions nor is made for nobody. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/client.h"
#include "tests/support/photo.h"
#include "tests/support/scratch.h"
#include "tests/support/tiny_model.h"

#define OVERLAYS "/v1/caption?model=looking&attention=overlay&decode=sample&plain=true&temperature=5&max_words=64"

enum { HEAVY = 4 };

static photo image;
static char models[1024];

static int start(void **state)
{
    if (captiond_setup(state) ||
        tiny_model_write(scratch_path("looking.safetensors"), "attention", 5, NULL) != CAPTION_OK)
        return -1;
    size_t used = (size_t)snprintf(models, sizeof models, "%s,", scratch_path("tiny.safetensors"));
    snprintf(models + used, sizeof models - used, "%s", scratch_path("looking.safetensors"));
    image = photo_make("png", 300, 200, 1);
    return 0;
}

static int end(void **state)
{
    photo_free(&image);
    return captiond_teardown(state);
}

static captiond *serve(const char *option, const char *value)
{
    return captiond_serve(
        (const char *[]){"--models", models, "--model", "tiny", "--workers", "1", option, value, NULL});
}

static request of_image(const char *path)
{
    return (request){.path = path, .body = image.bytes, .size = image.size};
}

static void expect_over(const captiond *c, const char *path, const char *limit)
{
    const request what = of_image(path);
    reply r = client_ask(c, &what);
    client_expect_refused(&r, 400, "over-budget", limit);
}

static void what_costs_too_much_is_refused_by_the_limits_name(void **state)
{
    (void)state;
    captiond *c = serve("--max-answer-words", "512");
    expect_over(c, OVERLAYS "&n=2", "--max-overlays is 128");
    expect_over(c, OVERLAYS "&n=16", "--max-answer-words is 512");
    expect_over(c, "/v1/caption?decode=beam&beam=9&max_words=64", "--max-answer-words is 512");
    assert_int_equal(captiond_count_log(c, "event=queued"), 0);
    const request good = of_image("/v1/caption?decode=beam&beam=8&max_words=64");
    reply r = client_ask(c, &good);
    client_expect_captions(&r, 1);
    reply_free(&r);
    captiond_stop(c);
}

static void images_count(void **state)
{
    photo form = {0};
    (void)state;
    captiond *c = serve("--max-overlays", "3");
    for (int i = 0; i < 2; i++)
        photo_form_add(&form, "image", image.bytes, image.size);
    photo_form_end(&form);
    reply r = client_ask(c, &(request){.path = "/v1/caption?model=looking&attention=overlay&max_words=1",
                                       .type = PHOTO_FORM_TYPE,
                                       .body = form.bytes,
                                       .size = form.size});
    client_expect_refused(&r, 400, "over-budget", "--max-overlays is 3");
    photo_free(&form);
    captiond_stop(c);
}

/* One worker, and overlays before a caption: it is answered before they are, because it only waits for their captions.
 */
static void captions_do_not_wait_for_overlays(void **state)
{
    asking *heavy[HEAVY];
    (void)state;
    captiond *c = serve("--max-overlays", "1040");
    const request overlays = of_image(OVERLAYS), caption = of_image("/v1/caption");
    for (int i = 0; i < HEAVY; i++)
        heavy[i] = client_begin(c, &overlays);
    captiond_wait_log(c, "event=queued", HEAVY);
    reply r = client_ask(c, &caption);
    client_expect_captions(&r, 1);
    reply_free(&r);
    assert_true(captiond_count_log(c, "event=answering") < HEAVY);
    for (int i = 0; i < HEAVY; i++) {
        r = client_end(heavy[i]);
        client_expect_captions(&r, 1);
        reply_free(&r);
    }
    captiond_stop(c);
}

/* 1040 pictures would take a minute. */
static int begin_overlays(captiond *c)
{
    char head[256];
    int fd = client_connect(c);
    snprintf(head, sizeof head, "POST " OVERLAYS "&n=16 HTTP/1.1\r\nHost: localhost\r\nContent-Length: %zu\r\n\r\n",
             image.size);
    client_send(fd, head, 0);
    client_send(fd, image.bytes, image.size);
    captiond_wait_log(c, "event=answering", 1);
    return fd;
}

static void nothing_is_made_for_who_has_left(void **state)
{
    (void)state;
    captiond *c = serve("--max-overlays", "1040");
    close(begin_overlays(c));
    captiond_wait_log(c, "detail=\"dropped while the answer was made\"", 1);
    captiond_stop(c);
}

static void the_answer_has_the_deadline_too(void **state)
{
    char body[64];
    (void)state;
    captiond *c = captiond_serve((const char *[]){"--models", models, "--max-overlays", "1040", "--max-answer-words",
                                                  "8192", "--deadline-ms", "5000", NULL});
    int fd = begin_overlays(c);
    assert_true(read(fd, body, 13) == 13);
    close(fd);
    assert_memory_equal(body, "HTTP/1.1 504 ", 13);
    captiond_stop(c);
}

static void stopping_does_not_wait_for_it(void **state)
{
    (void)state;
    captiond *c = serve("--drain-ms", "0");
    int fd = client_connect(c); /* within the default budget, so that nothing but the stop ends it early */
    char head[256];
    snprintf(head, sizeof head, "POST " OVERLAYS " HTTP/1.1\r\nHost: localhost\r\nContent-Length: %zu\r\n\r\n",
             image.size);
    client_send(fd, head, 0);
    client_send(fd, image.bytes, image.size);
    captiond_wait_log(c, "event=answering", 1);
    captiond_signal(c, 15);
    captiond_wait_log(c, "reason=draining", 1);
    close(fd);
    assert_int_equal(captiond_wait(c), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_costs_too_much_is_refused_by_the_limits_name),
        cmocka_unit_test(images_count),
        cmocka_unit_test(captions_do_not_wait_for_overlays),
        cmocka_unit_test(nothing_is_made_for_who_has_left),
        cmocka_unit_test(the_answer_has_the_deadline_too),
        cmocka_unit_test(stopping_does_not_wait_for_it),
    };
    return cmocka_run_group_tests_name("budgets", tests, start, end);
}
