/* embedded.h: files that the binary carries, so that it needs no directory of them beside it. The Makefile's EMBEDDED
 * lists them; a file's name here is its path with _ for every other character.
 *
 *     EMBEDDED(server_api_openapi_json);
 *     ... embedded_server_api_openapi_json, EMBEDDED_SIZE(server_api_openapi_json) ...
 *
 * The bytes are constant, and a NUL follows them. */
#ifndef SERVER_EMBEDDED_H
#define SERVER_EMBEDDED_H

#include <stddef.h>

#define EMBEDDED(name) extern const char embedded_##name[], embedded_##name##_end[]
#define EMBEDDED_SIZE(name) ((size_t)(embedded_##name##_end - embedded_##name))

#endif
