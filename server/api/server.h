/* server.h: what the parts of a running daemon share. Made by command_serve.c before any thread starts; the members
 * that change are atomic, the rest is constant. */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include <stdatomic.h>
#include <stdint.h>

#include "server/base/config.h"
#include "server/engine/registry.h"
#include "server/http/linger.h"
#include "server/work/queue.h"

typedef enum server_state { SERVER_LOADING, SERVER_READY, SERVER_DRAINING } server_state;

typedef struct server {
    const config *config;
    registry *registry;
    queue *queue;
    linger_set *linger;
    struct disk *disk;         /* disk.h */
    struct selftest *selftest; /* selftest.h */
    struct store *store;       /* store.h; NULL if the data directory cannot be used: */
    caption_error store_fault; /* why */
    struct features *features; /* features.h */
    struct job_store *job_store;
    struct models *models;
    struct events *events;
    struct jobs *jobs; /* data_start made these four; all are NULL or none, and then there is: */
    caption_error jobs_fault;
    uint32_t id_prefix;      /* random: request ids of two runs differ */
    _Atomic uint32_t ids;    /* requests so far */
    _Atomic int state;       /* server_state */
    _Atomic int in_flight;   /* requests begun and not completed */
    _Atomic int answering;   /* those of them that came in whole */
    _Atomic size_t buffered; /* bytes of all bodies being held */
} server;

#endif
