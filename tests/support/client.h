/* client.h: HTTP requests with libcurl, and what the tests expect of every answer.
 *
 *     reply r = client_ask(c, &(request){.path = "/v1/caption", .type = "image/png", .body = png, .size = size});
 *     client_expect_problem(&r, 422, "damaged-image");
 *     reply_free(&r);
 */
#ifndef TESTS_SUPPORT_CLIENT_H
#define TESTS_SUPPORT_CLIENT_H

#include <cjson/cJSON.h>
#include <curl/curl.h>

#include "tests/support/captiond.h"

typedef struct request {
    const char *path;
    const char *method; /* NULL: GET, with a body POST */
    const char *type;   /* Content-Type; NULL: none is sent */
    const void *body;
    size_t size;
    const char *const *headers; /* NULL-terminated; NULL: none */
    int chunked;                /* send the body without announcing its size */
    int expect;                 /* ask first: Expect: 100-continue */
} request;

typedef struct reply {
    CURLcode error; /* CURLE_OK: an answer came */
    long status;
    char *headers; /* as received */
    char *body;
    size_t size;
    cJSON *json; /* NULL if the body is no JSON */
} reply;

/* Sends on a connection of its own. */
reply client_ask(const captiond *c, const request *what);

/* Sends on the connection that `curl` may still hold. */
reply client_ask_with(CURL *curl, const captiond *c, const request *what);
void reply_free(reply *r);

/* In a thread of its own. */
typedef struct asking asking;
asking *client_begin(const captiond *c, const request *what); /* *what is copied, its body is not */
reply client_end(asking *a);

/* A bare connection, for what libcurl would never send; client_send sends all of it, strlen(bytes) if size is 0. */
int client_connect(const captiond *c);
void client_send(int fd, const void *bytes, size_t size);

/* The value of a header, or NULL. Static buffer. */
const char *reply_header(const reply *r, const char *name);

/* A string or number inside the JSON by path, "captions/0/text"; fails the test if it is not there. */
const char *reply_string(const reply *r, const char *path);
double reply_number(const reply *r, const char *path);

/* The answer is this problem in the one shape of all problems. */
void client_expect_problem(const reply *r, long status, const char *name);

/* The same, and `named` stands in the detail: the option, say, that is wrong. Frees the answer. */
void client_expect_refused(reply *r, long status, const char *name, const char *named);

/* The answer is 202 with a job of this kind, whose id is returned. Frees the answer. */
long long client_expect_job(reply *r, const char *kind);

/* The answer is 200 with `n` captions in the shape of the contract. */
void client_expect_captions(const reply *r, int n);

#endif
