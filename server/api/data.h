/* data.h: the directory in which the daemon keeps what users teach it with, and what it learned.
 *
 * It is --data (CAPTIOND_DATA) if given, else $XDG_DATA_HOME/captiond, else $HOME/.local/share/captiond. If it cannot
 * be used the daemon serves captions all the same, and the routes that need it say why. */
#ifndef SERVER_DATA_H
#define SERVER_DATA_H

#include <limits.h>

#include "server/api/server.h"

/* The directory: `given` unless it is NULL. */
int data_directory(const char *given, char out[PATH_MAX], caption_error *err);

/* Opens server->store, or logs and keeps the reason in server->store_fault. */
void data_open(server *s);

/* When the weights are loaded: opens jobs and models there and starts what runs them, or logs and keeps the reason in
 * server->jobs_fault. */
void data_start(server *s);

/* Jobs stop behind a checkpoint, streams of events end. */
void data_begin_stop(server *s);

/* Waits for that up to `ms`; returns 1 if a job is still at work, in which case nothing can be freed. */
int data_stop(server *s, int ms);
void data_close(server *s);

/* 1 with *p set while nothing can be read or stored: http_not_ready, or there is no store. */
int data_not_ready(const http_request *request, problem *p);

/* The same for jobs and models. */
int data_jobs_not_ready(const http_request *request, problem *p);

#endif
