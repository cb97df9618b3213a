/* server.h: what the handlers of a running daemon share. Made by command_serve.c before any thread starts, constant
 * from then on but for what data_start adds when the weights are loaded. */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include "server/engine/registry.h"
#include "server/http/http.h"
#include "server/work/queue.h"

typedef struct server {
    http_server http;
    const config *config;
    registry *registry;
    queue *queue;
    struct cage *cage;         /* decode/cage.h: decodes images for the workers, a helper for each of them */
    struct cage *upload_cage;  /* those that are uploaded to datasets and jobs */
    struct cage *job_cage;     /* those that jobs and features read again, with as little claim to a core as they */
    struct selftest *selftest; /* selftest.h */
    struct store *store;       /* store.h; NULL if the data directory cannot be used: */
    caption_error store_fault; /* why */
    struct features *features; /* features.h */
    struct job_store *job_store;
    struct models *models;
    struct events *events;
    struct jobs *jobs; /* data_start made these four; all are NULL or none, and then there is: */
    caption_error jobs_fault;
} server;

#endif
