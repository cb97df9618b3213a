/* Many clients at once, good and bad requests mixed: every request gets exactly one answer, and the right one. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/client.h"
#include "tests/support/photo.h"

enum { CLIENTS = 16, REQUESTS = 12, PHOTOS = 4 };

static captiond *server;
static photo photos[PHOTOS];
static char captions[PHOTOS][2048]; /* of each photo, asked alone */

static int start(void **state)
{
    if (captiond_setup(state))
        return -1;
    server = captiond_serve((const char *[]){"--queue", "256", "--deadline-ms", "3600000", NULL});
    for (unsigned i = 0; i < PHOTOS; i++) {
        photos[i] = photo_make(i % 2 ? "jpeg" : "png", 60 + 20 * (int)i, 80, i);
        reply r =
            client_ask(server, &(request){.path = "/v1/caption", .body = photos[i].bytes, .size = photos[i].size});
        client_expect_captions(&r, 1);
        snprintf(captions[i], sizeof captions[i], "%s", reply_string(&r, "captions/0/text"));
        reply_free(&r);
    }
    return 0;
}

static int end(void **state)
{
    captiond_stop(server);
    for (int i = 0; i < PHOTOS; i++)
        photo_free(&photos[i]);
    return captiond_teardown(state);
}

typedef struct client {
    pthread_t thread;
    int number, wrong;
} client;

/* Not reply_string: outside the main thread an assertion cannot fail a test. */
static int says(const reply *r, const char *text)
{
    const cJSON *first = cJSON_GetArrayItem(cJSON_GetObjectItem(r->json, "captions"), 0);
    const char *said = cJSON_GetStringValue(cJSON_GetObjectItem(first, "text"));
    return said && strcmp(said, text) == 0;
}

/* What the k-th request of a client is, and what it must be answered. */
static int ask_one(CURL *curl, int k)
{
    const photo *p = &photos[k % PHOTOS];
    request what = {.path = "/v1/caption", .body = p->bytes, .size = p->size};
    long status = 200;
    switch (k % 6) {
    case 1:
        what.size /= 2;
        status = 422;
        break;
    case 3:
        what.path = "/v1/caption?model=nobody";
        status = 404;
        break;
    case 5:
        what.body = "no image";
        what.size = 8;
        status = 415;
        break;
    }
    reply r = client_ask_with(curl, server, &what);
    int right = r.error == CURLE_OK && r.status == status && r.json;
    if (right && status == 200)
        right = says(&r, captions[k % PHOTOS]);
    reply_free(&r);
    return right;
}

static void *ask_many(void *context)
{
    client *c = context;
    CURL *curl = curl_easy_init();
    for (int k = 0; k < REQUESTS; k++)
        c->wrong += !ask_one(curl, c->number + k);
    curl_easy_cleanup(curl);
    return NULL;
}

static void no_request_is_lost_or_mixed_up(void **state)
{
    (void)state;
    client clients[CLIENTS] = {{0}};
    for (int i = 0; i < CLIENTS; i++) {
        clients[i].number = i;
        assert_int_equal(pthread_create(&clients[i].thread, NULL, ask_many, &clients[i]), 0);
    }
    for (int i = 0; i < CLIENTS; i++) {
        pthread_join(clients[i].thread, NULL);
        assert_int_equal(clients[i].wrong, 0);
    }
    captiond_expect_log(server, "event=request", PHOTOS + CLIENTS * REQUESTS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(no_request_is_lost_or_mixed_up)};
    return cmocka_run_group_tests_name("load", tests, start, end);
}
