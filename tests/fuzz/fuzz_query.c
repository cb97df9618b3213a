/* Any bytes as a path and query: the first chooses the route. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/daemon.h"

enum { SILENCE_MS = 2000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static const char *const routes[] = {
    "POST /v1/caption?",      "POST /v1/score?",
    "POST /v1/saliency?",     "POST /v1/fool?",
    "POST /v1/dream?",        "POST /v1/invert?",
    "POST /v1/visualize?",    "GET /v1/jobs?",
    "GET /v1/datasets?",      "GET /v1/datasets/a/items?",
    "GET /v1/models/",        "GET /v1/jobs/",
    "GET /v1/datasets/",      "POST /models/",
    "POST /v2/models/",       "GET /",
    "PUT /v1/datasets/",      "DELETE /v1/datasets/",
    "GET /v1/jobs/1/events?", "DELETE /v1/jobs/",
};

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    daemon_start(*argc, *argv);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char rest[] = " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx";
    if (size == 0)
        return 0;
    const char *route = routes[data[0] % (sizeof routes / sizeof *routes)];
    size_t length = strlen(route);
    char *request = malloc(length + size + sizeof rest);
    if (!request)
        return 0;
    memcpy(request, route, length);
    memcpy(request + length, data + 1, size - 1);
    for (size_t i = length; i < length + size - 1; i++) /* what ends a request's line is for fuzz_http */
        if (request[i] == '\r' || request[i] == '\n' || request[i] == ' ')
            request[i] = '+';
    memcpy(request + length + size - 1, rest, sizeof rest - 1);
    daemon_ask(request, length + size - 1 + sizeof rest - 1, SILENCE_MS);
    free(request);
    return 0;
}
