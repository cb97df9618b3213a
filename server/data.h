/* data.h: the directory in which the daemon keeps what users teach it with, and what it learned.
 *
 * It is --data (CAPTIOND_DATA) if given, else $XDG_DATA_HOME/captiond, else $HOME/.local/share/captiond. If it cannot
 * be used the daemon serves captions all the same, and the routes that need it say why. */
#ifndef SERVER_DATA_H
#define SERVER_DATA_H

#include "server/http.h"

/* Opens server->store, or logs and keeps the reason in server->store_fault. */
void data_open(server *s);

/* 1 with *p set while nothing can be read or stored: http_not_ready, or there is no store. */
int data_not_ready(const http_request *request, problem *p);

#endif
