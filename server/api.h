/* api.h: the handlers named in routes.c. Each answers its request, at once or after http_suspend. */
#ifndef SERVER_API_H
#define SERVER_API_H

#include "server/http.h"

void api_index(http_request *request);
void api_healthz(http_request *request);
void api_readyz(http_request *request);
void api_models(http_request *request);
void api_caption(http_request *request);

#endif
