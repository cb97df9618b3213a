/* client.c: see client.h. */
#include "tests/support/client.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include <cmocka.h>

enum { PATIENCE_S = 300 };

/* ---- asking ---------------------------------------------------------------------------------------------------- */

typedef struct text {
    char *bytes;
    size_t size;
} text;

static size_t append(char *piece, size_t one, size_t n, void *context)
{
    text *t = context;
    char *larger = realloc(t->bytes, t->size + one * n + 1);
    if (!larger)
        return 0;
    t->bytes = larger;
    memcpy(t->bytes + t->size, piece, one * n);
    t->size += one * n;
    t->bytes[t->size] = '\0';
    return one * n;
}

typedef struct source {
    const char *bytes;
    size_t left;
} source;

static size_t give(char *out, size_t one, size_t n, void *context)
{
    source *s = context;
    size_t size = one * n < s->left ? one * n : s->left;
    memcpy(out, s->bytes, size);
    s->bytes += size;
    s->left -= size;
    return size;
}

static struct curl_slist *make_headers(const request *what)
{
    char type[256];
    struct curl_slist *list = NULL;
    snprintf(type, sizeof type, "Content-Type:%s%s", what->type ? " " : "", what->type ? what->type : "");
    list = curl_slist_append(list, type);
    list = curl_slist_append(list, what->expect ? "Expect: 100-continue" : "Expect:");
    if (what->chunked)
        list = curl_slist_append(list, "Transfer-Encoding: chunked");
    for (int i = 0; what->headers && what->headers[i]; i++)
        list = curl_slist_append(list, what->headers[i]);
    return list;
}

static void set_body(CURL *curl, const request *what, source *s)
{
    curl_easy_setopt(curl, CURLOPT_POST, 1L);
    if (what->chunked) {
        curl_easy_setopt(curl, CURLOPT_READFUNCTION, give);
        curl_easy_setopt(curl, CURLOPT_READDATA, s);
    } else {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)what->size);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, what->size ? what->body : "");
    }
}

reply client_ask_with(CURL *curl, const captiond *c, const request *what)
{
    char url[1024];
    text headers = {0}, body = {0};
    source s = {what->body, what->size};
    struct curl_slist *list = make_headers(what);
    reply r = {0};
    curl_easy_reset(curl);
    snprintf(url, sizeof url, "%s%s", c->url, what->path);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)PATIENCE_S);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, list);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, append);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &body);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, append);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, &headers);
    if (what->body || what->chunked)
        set_body(curl, what, &s);
    if (what->method && strcmp(what->method, "HEAD") == 0)
        curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    else if (what->method)
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, what->method);
    r.error = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &r.status);
    curl_slist_free_all(list);
    r.headers = headers.bytes;
    r.body = body.bytes;
    r.size = body.size;
    r.json = body.bytes ? cJSON_Parse(body.bytes) : NULL;
    return r;
}

reply client_ask(const captiond *c, const request *what)
{
    CURL *curl = curl_easy_init();
    reply r = client_ask_with(curl, c, what);
    curl_easy_cleanup(curl);
    return r;
}

void reply_free(reply *r)
{
    free(r->headers);
    free(r->body);
    cJSON_Delete(r->json);
    *r = (reply){0};
}

struct asking {
    pthread_t thread;
    const captiond *c;
    request what;
    reply answer;
};

static void *ask(void *context)
{
    asking *a = context;
    a->answer = client_ask(a->c, &a->what);
    return NULL;
}

asking *client_begin(const captiond *c, const request *what)
{
    asking *a = calloc(1, sizeof *a);
    assert_non_null(a);
    a->c = c;
    a->what = *what;
    assert_int_equal(pthread_create(&a->thread, NULL, ask, a), 0);
    return a;
}

reply client_end(asking *a)
{
    pthread_join(a->thread, NULL);
    reply r = a->answer;
    free(a);
    return r;
}

/* ---- without libcurl ------------------------------------------------------------------------------------------- */

int client_connect(const captiond *c)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)c->port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

void client_send(int fd, const void *bytes, size_t size)
{
    if (size == 0)
        size = strlen(bytes);
    assert_int_equal(send(fd, bytes, size, MSG_NOSIGNAL), size);
}

/* ---- looking at answers ------------------------------------------------------------------------------------------ */

const char *reply_header(const reply *r, const char *name)
{
    static char value[256];
    size_t length = strlen(name);
    for (const char *line = r->headers; line && *line; line = strchr(line, '\n') + 1)
        if (strncasecmp(line, name, length) == 0 && line[length] == ':') {
            const char *start = line + length + 1 + strspn(line + length + 1, " ");
            snprintf(value, sizeof value, "%.*s", (int)strcspn(start, "\r\n"), start);
            return value;
        }
    return NULL;
}

/* Follows names and array indices. */
static const cJSON *find(const reply *r, const char *path)
{
    char step[64];
    const cJSON *at = r->json;
    while (at && *path) {
        size_t length = strcspn(path, "/");
        snprintf(step, sizeof step, "%.*s", (int)length, path);
        at = cJSON_IsArray(at) ? cJSON_GetArrayItem(at, atoi(step)) : cJSON_GetObjectItemCaseSensitive(at, step);
        path += length + (path[length] == '/');
    }
    if (!at)
        fprintf(stderr, "no %s in: %s\n", path, r->body ? r->body : "(no body)");
    assert_non_null(at);
    return at;
}

const char *reply_string(const reply *r, const char *path)
{
    const char *value = cJSON_GetStringValue(find(r, path));
    assert_non_null(value);
    return value;
}

double reply_number(const reply *r, const char *path)
{
    const cJSON *number = find(r, path);
    assert_true(cJSON_IsNumber(number));
    return number->valuedouble;
}

static void expect_status(const reply *r, long status)
{
    if (r->error != CURLE_OK)
        fprintf(stderr, "curl: %s\n", curl_easy_strerror(r->error));
    else if (r->status != status)
        fprintf(stderr, "status %ld: %s\n", r->status, r->body ? r->body : "(no body)");
    assert_int_equal(r->error, CURLE_OK);
    assert_int_equal(r->status, status);
}

void client_expect_problem(const reply *r, long status, const char *name)
{
    char type[128];
    expect_status(r, status);
    snprintf(type, sizeof type, "urn:captiond:problem:%s", name);
    assert_string_equal(reply_string(r, "type"), type);
    assert_int_equal(reply_number(r, "status"), status);
    assert_true(strlen(reply_string(r, "title")) > 0);
    assert_true(strlen(reply_string(r, "detail")) > 0);
    assert_int_equal(*reply_string(r, "instance"), '/');
    assert_string_equal(reply_header(r, "Content-Type"), "application/problem+json");
    assert_string_equal(reply_header(r, "X-Request-Id"), reply_string(r, "request_id"));
    if (status == 503)
        assert_true(atoi(reply_header(r, "Retry-After")) >= 1);
}

void client_expect_refused(reply *r, long status, const char *name, const char *named)
{
    client_expect_problem(r, status, name);
    if (!strstr(reply_string(r, "detail"), named))
        fprintf(stderr, "\"%s\" does not name \"%s\"\n", reply_string(r, "detail"), named);
    assert_non_null(strstr(reply_string(r, "detail"), named));
    reply_free(r);
}

long long client_expect_job(reply *r, const char *kind)
{
    char location[64];
    expect_status(r, 202);
    long long id = (long long)reply_number(r, "id");
    snprintf(location, sizeof location, "/v1/jobs/%lld", id);
    assert_string_equal(reply_header(r, "Location"), location);
    assert_string_equal(reply_string(r, "kind"), kind);
    reply_free(r);
    return id;
}

void client_expect_captions(const reply *r, int n)
{
    static const char *const timings[] = {"queue_ms", "decode_ms", "encode_ms", "caption_ms", "total_ms"};
    expect_status(r, 200);
    assert_string_equal(reply_header(r, "Content-Type"), "application/json");
    assert_int_equal(cJSON_GetArraySize(find(r, "captions")), n);
    for (int i = 0; i < n; i++) {
        char path[64];
        snprintf(path, sizeof path, "captions/%d/text", i);
        assert_non_null(reply_string(r, path));
        snprintf(path, sizeof path, "captions/%d/logprob", i);
        assert_true(reply_number(r, path) <= 0);
        snprintf(path, sizeof path, "captions/%d/words", i);
        assert_true(reply_number(r, path) >= 0);
    }
    for (size_t i = 0; i < sizeof timings / sizeof *timings; i++) {
        char path[64];
        snprintf(path, sizeof path, "timing/%s", timings[i]);
        assert_true(reply_number(r, path) >= 0);
    }
    assert_true(strlen(reply_string(r, "model")) > 0);
    assert_string_equal(reply_header(r, "X-Request-Id"), reply_string(r, "request_id"));
}
