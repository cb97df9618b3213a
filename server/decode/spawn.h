/* spawn.h: the processes of helpers: started, measured, ended. */
#ifndef SERVER_DECODE_SPAWN_H
#define SERVER_DECODE_SPAWN_H

#include <sys/types.h>
#include <time.h>

#include "server/decode/helper.h"

typedef struct helper_process {
    pid_t pid;
    int socket;
    clockid_t clock; /* of the processor time that it took */
} helper_process;

/* Starts this program again as a helper with that shared memory, and waits until it has locked itself up. The helper
 * ends with the calling thread. */
int helper_start(helper_process *out, int memory_fd, const helper_memory *memory, caption_error *err);

/* Processor time since it began. */
double helper_cpu_ms(const helper_process *process);

/* Ends it, however it is, and returns what waitpid says of it. */
int helper_end(helper_process *process);

#endif
