/* Any bytes as a JSON body: the first chooses the route. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/daemon.h"

enum { SILENCE_MS = 2000, HEAD_BYTES = 256 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static const char *const routes[] = {
    "/v1/caption",
    "/v1/score",
    "/v1/saliency",
    "/v1/fool",
    "/v1/dream",
    "/v1/invert",
    "/v1/visualize",
    "/v1/train",
    "/models/rnn",
    "/v2/models/rnn/infer",
    "/v1/chat/completions",
    "/v1/datasets/a/items",
    "/model/predict",
};

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    daemon_start(*argc, *argv);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const char *route = routes[data[0] % (sizeof routes / sizeof *routes)];
    char *request = malloc(HEAD_BYTES + size);
    if (!request)
        return 0;
    int length =
        snprintf(request, HEAD_BYTES,
                 "POST %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n"
                 "Content-Length: %zu\r\n\r\n",
                 route, size - 1);
    memcpy(request + length, data + 1, size - 1);
    daemon_ask(request, (size_t)length + size - 1, SILENCE_MS);
    free(request);
    return 0;
}
