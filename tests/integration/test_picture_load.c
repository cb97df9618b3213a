/* Captions while pictures are made: they are answered, and with the same words. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/dataset.h"
#include "tests/support/training.h"
#include "tests/support/visual.h"

enum { CLIENTS = 6, ROUNDS = 4 };

static captiond *server;
static photo cat;

static int start(void **state)
{
    if (captiond_setup(state))
        return -1;
    cat = visual_photo();
    return 0;
}

static int end(void **state)
{
    photo_free(&cat);
    return captiond_teardown(state);
}

static char *caption(void)
{
    reply r = visual_post(server, &cat, NULL, "/v1/caption");
    client_expect_captions(&r, 1);
    char *text = strdup(reply_string(&r, "captions/0/text"));
    reply_free(&r);
    return text;
}

static void captions_are_answered_while_a_dream_goes_on(void **state)
{
    (void)state;
    server = captiond_serve(NULL);
    char *alone = caption();
    long long id = visual_submit(server, &cat, "/v1/dream?octaves=8&steps=100");
    visual_wait_step(server, id, 1);
    for (int i = 0; i < 8; i++) {
        char *beside = caption();
        assert_string_equal(alone, beside);
        free(beside);
    }
    reply r = dataset_ask(server, "DELETE", "/v1/jobs/%lld", id);
    assert_int_equal(r.status, 200); /* it was still running */
    reply_free(&r);
    free(alone);
    captiond_stop(server);
}

/* Each client asks for a caption or a map, in turn; every answer is what it is without the others. */
static void captions_and_saliency_share_the_workers(const char *workers)
{
    static const char *const paths[] = {"/v1/caption", "/v1/saliency?size=7", "/v1/saliency?size=7&word=0"};
    enum { PATHS = 3 };
    cJSON *alone[PATHS];
    asking *clients[CLIENTS];
    server = captiond_serve((const char *[]){"--workers", workers, NULL});
    for (int i = 0; i < PATHS; i++) {
        reply r = visual_post(server, &cat, NULL, "%s", paths[i]);
        assert_int_equal(r.status, 200);
        alone[i] = cJSON_DetachItemFromObject(r.json, i ? "saliency" : "captions");
        reply_free(&r);
    }
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < CLIENTS; i++)
            clients[i] = client_begin(
                server,
                &(request){.path = paths[i % PATHS], .type = "image/jpeg", .body = cat.bytes, .size = cat.size});
        for (int i = 0; i < CLIENTS; i++) {
            reply r = client_end(clients[i]);
            assert_int_equal(r.status, 200);
            const cJSON *part = cJSON_GetObjectItem(r.json, i % PATHS ? "saliency" : "captions");
            if (i % PATHS)
                assert_true(cJSON_Compare(alone[i % PATHS], part, 1));
            else
                assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(part->child, "text")),
                                    cJSON_GetStringValue(cJSON_GetObjectItem(alone[0]->child, "text")));
            reply_free(&r);
        }
    }
    for (int i = 0; i < PATHS; i++)
        cJSON_Delete(alone[i]);
    captiond_stop(server);
}

static void one_worker_does_both(void **state)
{
    (void)state;
    captions_and_saliency_share_the_workers("1");
}

static void several_workers_do_both(void **state)
{
    (void)state;
    captions_and_saliency_share_the_workers("3");
}

/* A map that takes long. */
static asking *begin_map(void)
{
    return client_begin(server, &(request){.path = "/v1/saliency?method=smoothgrad&samples=16&size=7",
                                           .type = "image/jpeg",
                                           .body = cat.bytes,
                                           .size = cat.size});
}

/* Maps that take long occupy all workers but one, however many are asked for: a caption asked for last is answered
 * while maps still wait. */
static void maps_leave_a_worker_for_captions(void **state)
{
    asking *maps[CLIENTS];
    (void)state;
    server = captiond_serve((const char *[]){"--workers", "2", "--deadline-ms", "3600000", NULL});
    for (int i = 0; i < CLIENTS; i++)
        maps[i] = begin_map();
    captiond_wait_log(server, "event=queued", CLIENTS);
    char *text = caption();
    free(text);
    int answered = captiond_count_log(server, "path=/v1/saliency status=200");
    assert_true(answered < CLIENTS - 2); /* with no worker left over it would wait until all maps are in hand */
    for (int i = 0; i < CLIENTS; i++) {
        reply r = client_end(maps[i]);
        assert_int_equal(r.status, 200);
        reply_free(&r);
    }
    captiond_stop(server);
}

/* They may fill half of the queue: here one is at work, two wait, and the others are refused. */
static void maps_leave_room_for_captions(void **state)
{
    asking *maps[CLIENTS];
    (void)state;
    server = captiond_serve((const char *[]){"--workers", "1", "--queue", "4", "--batch", "1", "--max-parts", "1",
                                             "--deadline-ms", "3600000", NULL});
    for (int i = 0; i < CLIENTS; i++)
        maps[i] = begin_map();
    while (captiond_count_log(server, "event=queued") + captiond_count_log(server, "status=503") < CLIENTS)
        usleep(1000);
    char *text = caption();
    free(text);
    int served = 0;
    for (int i = 0; i < CLIENTS; i++) {
        reply r = client_end(maps[i]);
        served += r.status == 200;
        if (r.status != 200)
            client_expect_problem(&r, 503, "queue-full");
        reply_free(&r);
    }
    assert_true(served >= 2);
    captiond_stop(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(captions_are_answered_while_a_dream_goes_on),
        cmocka_unit_test(one_worker_does_both),
        cmocka_unit_test(several_workers_do_both),
        cmocka_unit_test(maps_leave_a_worker_for_captions),
        cmocka_unit_test(maps_leave_room_for_captions),
    };
    return cmocka_run_group_tests(tests, start, end);
}
