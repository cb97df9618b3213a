/* lockdown.h: what a helper gives up before it sees the first image. */
#ifndef SERVER_DECODE_LOCKDOWN_H
#define SERVER_DECODE_LOCKDOWN_H

#include <stddef.h>

#include "model/error.h"

/* From here on the process can compute, take up to so many bytes more of address space, read and write `socket`, ask
 * for the time, and end; anything else ends it with SIGSYS. Signals that are meant for the daemon are ignored. */
int lockdown(int socket, size_t memory, caption_error *err);

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define LOCKDOWN_SANITIZED 1
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define LOCKDOWN_SANITIZED 1
#endif

/* Why this build leaves out the limit of memory and the filter of system calls; NULL: it does not. */
static inline const char *lockdown_left_out(void)
{
#ifdef LOCKDOWN_SANITIZED
    return "built with a sanitizer, which maps terabytes and opens files to report";
#else
    return NULL;
#endif
}

#endif
