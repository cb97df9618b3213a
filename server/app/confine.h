/* confine.h: what a daemon gives up, so that who takes it over gains little.
 *
 *     confine_core_dumps   a crash leaves no image of memory, with the keys and photos in it
 *     confine_files   before threads are made: of the file system, only what it needs (Landlock); no privileges by
 *                     running another program; no connections to anywhere
 *     confine_calls   when it serves: of the system calls, only those that it needs (seccomp), in all threads
 *
 * Both hold for the processes that it starts, too. What the kernel cannot do is left out, and *left_out says so. */
#ifndef SERVER_CONFINE_H
#define SERVER_CONFINE_H

#include "model/error.h"
#include "server/base/config.h"

void confine_core_dumps(void);

/* data: the data directory, which is made; NULL: there is none. */
int confine_files(const config *c, const char *data, caption_error *left_out);
int confine_calls(caption_error *left_out);

#endif
