/* daemon.h: the daemon itself, within the fuzzer, so that coverage guides what is sent to it.
 *
 * It listens on a socket in the file system; LLVMFuzzerInitialize calls daemon_start. */
#ifndef TESTS_FUZZ_DAEMON_H
#define TESTS_FUZZ_DAEMON_H

#include <stddef.h>

/* Returns when it answers. Aborts if it does not come to that. */
void daemon_start(int argc, char **argv);

/* Sends bytes on a connection of its own and reads what comes, until the daemon closes it or is silent for so long.
 * Aborts unless that is an answer of HTTP, and not one that tells a fault of the daemon (500). */
void daemon_ask(const void *bytes, size_t size, int silence_ms);

#endif
