/* Any bytes to the daemon's socket. */
#include <stdint.h>

#include "tests/fuzz/daemon.h"

enum { SILENCE_MS = 4 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    daemon_start(*argc, *argv);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    daemon_ask(data, size, SILENCE_MS);
    return 0;
}
