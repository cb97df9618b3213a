/* keys.h: the keys that clients may have, by name.
 *
 *     # name   kind      key                        limits, both optional
 *     alice    caption   5f0c21aa9e1b44d7           rate=60/m concurrency=4
 *     backup   caption   sha256:9f86d081884c7d65...
 *     ops      admin     Zx81-Spectrum-48K
 *
 * A line of the key file (--key-file) is a key; --admin-key and --caption-key are two more, called admin and caption.
 * keys_reload reads the file again, as SIGHUP asks for: all of it is taken, or none. A key that keeps its name keeps
 * its count of requests. What needs a key from the start on goes on needing one, also when the last such key has gone.
 *
 * Keys are compared as SHA-256 digests, each with every one, in constant time, so that neither their bytes nor their
 * length nor which of them nearly fits leaks through timing. */
#ifndef SERVER_KEYS_H
#define SERVER_KEYS_H

#include <stdint.h>
#include <stdio.h>

#include "model/error.h"
#include "server/base/config.h"
#include "server/http/problem.h"

enum { KEY_NAME_BYTES = 65, KEY_DIGEST_BYTES = 32 };

typedef struct keys keys;
typedef struct named_key named_key;

/* Reads the options and the file; the message names the option or the line at fault, and never a key. */
int keys_new(keys **out, const config *c, caption_error *err);
void keys_free(keys *k);

/* CAPTION_OK with the file's keys instead of those before, which stay if there is an error. */
int keys_reload(keys *k, caption_error *err);

/* 1 if an operator's key is needed, or one for captions; NULL: none is. */
int keys_need_admin(const keys *k);
int keys_need_caption(const keys *k);

/* The key that this is, or NULL; lives until keys_free. */
named_key *keys_find(keys *k, const char *given, int *is_admin);
const char *key_name(const named_key *it);

/* A request with the key begins, and is over. key_begin returns 0, or 1 with *p set, 429: more than its limits allow;
 * then there is no key_end. */
int key_begin(keys *k, named_key *it, problem *p);
void key_end(keys *k, named_key *it);

void keys_metrics(FILE *out, void *context);

/* ---- for keys.c: keys_file.c ------------------------------------------------------------------------------------- */

typedef struct key_definition {
    char name[KEY_NAME_BYTES];
    int is_admin;
    uint8_t digest[KEY_DIGEST_BYTES];
    double burst, period_ms; /* so many requests in so long; 0: any number */
    int concurrency;         /* at once; 0: any number */
} key_definition;

/* *all (malloc'd) becomes the keys of the options and of the file, *n of them. */
int keys_read(const config *c, key_definition **all, size_t *n, caption_error *err);
void key_digest(const char *text, uint8_t out[KEY_DIGEST_BYTES]);

#endif
