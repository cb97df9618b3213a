/* keys_file.c: reads the key file, as keys.h shows it, and the options that are a key each. */
#include <ctype.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/file.h"
#include "server/base/names.h"
#include "server/http/keys.h"

enum { MAX_KEYS = 1000, MAX_KEY_BYTES = 256, MAX_FILE_BYTES = 1 << 20 };

typedef struct reading {
    key_definition *all;
    size_t n;
} reading;

void key_digest(const char *text, uint8_t out[KEY_DIGEST_BYTES])
{
    struct sha256_ctx sha;
    sha256_init(&sha);
    sha256_update(&sha, strlen(text), (const uint8_t *)text);
    sha256_digest(&sha, KEY_DIGEST_BYTES, out);
}

/* ---- a key --------------------------------------------------------------------------------------------------------
 */

/* Why a key cannot be used, or NULL. */
static const char *key_fault(const char *key)
{
    if (strlen(key) > MAX_KEY_BYTES)
        return "is longer than 256 characters";
    for (; *key; key++)
        if (*key <= ' ' || *key > '~')
            return "contains a space or a character that is not ASCII: it could not be sent in a header";
    return NULL;
}

static int hex_digit(char c)
{
    return isdigit((unsigned char)c) ? c - '0' : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10 : -1;
}

/* The key itself, or its digest behind "sha256:". Returns what is wrong, or NULL. */
static const char *read_key(const char *text, uint8_t out[KEY_DIGEST_BYTES])
{
    static const char mark[] = "sha256:";
    const char *fault = key_fault(text);
    if (fault || strncmp(text, mark, sizeof mark - 1) != 0) {
        key_digest(text, out);
        return fault;
    }
    text += sizeof mark - 1;
    if (strlen(text) != 2 * KEY_DIGEST_BYTES)
        return "has not 64 hexadecimal digits behind sha256:";
    for (int i = 0; i < KEY_DIGEST_BYTES; i++) {
        int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return "has not 64 hexadecimal digits behind sha256:";
        out[i] = (uint8_t)(high * 16 + low);
    }
    return NULL;
}

static int add(reading *r, const key_definition *new, const char *called, caption_error *err)
{
    for (size_t i = 0; i < r->n; i++) {
        if (strcmp(r->all[i].name, new->name) == 0)
            return caption_fail(err, CAPTION_EINVAL, "%s: there is a key called %s already", called, new->name);
        if (memcmp(r->all[i].digest, new->digest, KEY_DIGEST_BYTES) == 0)
            return caption_fail(err, CAPTION_EINVAL, "%s: %s has the key that %s has", called, new->name,
                                r->all[i].name);
    }
    if (r->n == MAX_KEYS)
        return caption_fail(err, CAPTION_ELIMIT, "%s: there are more than %d keys", called, MAX_KEYS);
    key_definition *more = realloc(r->all, (r->n + 1) * sizeof *more);
    if (!more)
        return caption_fail(err, CAPTION_ENOMEM, "out of memory for keys");
    r->all = more;
    r->all[r->n++] = *new;
    return CAPTION_OK;
}

static int add_option(reading *r, const char *called, const char *name, int is_admin, const char *text,
                      caption_error *err)
{
    key_definition new = {.is_admin = is_admin};
    const char *fault = text ? key_fault(text) : NULL;
    if (!text)
        return CAPTION_OK;
    if (fault)
        return caption_fail(err, CAPTION_EINVAL, "%s: the key %s", called, fault);
    strcpy(new.name, name);
    key_digest(text, new.digest);
    return add(r, &new, called, err);
}

/* ---- a line of the file --------------------------------------------------------------------------------------------
 */

/* "60/m" */
static const char *read_rate(const char *text, key_definition *out)
{
    static const struct {
        const char *name;
        double ms;
    } periods[] = {{"s", 1e3}, {"m", 60e3}, {"h", 3600e3}, {"d", 86400e3}};
    char *end;
    long n = strtol(text, &end, 10);
    for (size_t i = 0; isdigit((unsigned char)*text) && i < sizeof periods / sizeof *periods; i++)
        if (*end == '/' && strcmp(end + 1, periods[i].name) == 0 && n >= 1 && n <= 1000000000) {
            out->burst = (double)n;
            out->period_ms = periods[i].ms;
            return NULL;
        }
    return "rate= must be a number from 1 on, and /s, /m, /h or /d behind it: rate=60/m";
}

static const char *read_limit(const char *text, key_definition *out)
{
    static const char rate[] = "rate=", concurrency[] = "concurrency=";
    char *end;
    if (strncmp(text, rate, sizeof rate - 1) == 0)
        return out->burst > 0 ? "rate= is given twice" : read_rate(text + sizeof rate - 1, out);
    if (strncmp(text, concurrency, sizeof concurrency - 1) != 0)
        return "behind the key there may be rate= and concurrency=, no more";
    text += sizeof concurrency - 1;
    long n = strtol(text, &end, 10);
    if (!isdigit((unsigned char)*text) || *end || n < 1 || n > 65536)
        return "concurrency= must be a number from 1 to 65536";
    if (out->concurrency)
        return "concurrency= is given twice";
    out->concurrency = (int)n;
    return NULL;
}

/* Returns what is wrong, or NULL. */
static const char *read_line(char *line, key_definition *out)
{
    static const char blanks[] = " \t\r";
    char *rest, *name = strtok_r(line, blanks, &rest), *kind = strtok_r(NULL, blanks, &rest),
                *text = strtok_r(NULL, blanks, &rest);
    if (!text)
        return "a key is NAME caption|admin KEY";
    if (name_fault(name))
        return "the name must be letters, digits, '.', '_' and '-', 64 at most";
    if (strcmp(kind, "admin") != 0 && strcmp(kind, "caption") != 0)
        return "the second word must be caption or admin";
    strcpy(out->name, name);
    out->is_admin = strcmp(kind, "admin") == 0;
    const char *fault = read_key(text, out->digest);
    if (fault)
        return fault;
    for (char *limit; !fault && (limit = strtok_r(NULL, blanks, &rest));)
        fault = read_limit(limit, out);
    return fault;
}

/* ---- the whole -----------------------------------------------------------------------------------------------------
 */

static int read_lines(reading *r, char *text, caption_error *err)
{
    int status = CAPTION_OK, number = 0;
    char *rest = text;
    for (char *line; status == CAPTION_OK && (line = strsep(&rest, "\n"));) {
        char called[32];
        key_definition new = {.burst = 0};
        snprintf(called, sizeof called, "--key-file: line %d", ++number);
        line += strspn(line, " \t\r");
        if (!*line || *line == '#')
            continue;
        const char *fault = read_line(line, &new);
        status = fault ? caption_fail(err, CAPTION_EINVAL, "%s: %s", called, fault) : add(r, &new, called, err);
    }
    return status;
}

/* A file without keys is one that somebody is about to write. */
static int read_file(reading *r, const char *path, caption_error *err)
{
    unsigned char *bytes;
    size_t size, before = r->n;
    caption_error reason;
    int status = strcmp(path, "-") == 0 ? caption_fail(&reason, CAPTION_EINVAL, "it could not be read again")
                                        : file_read(path, MAX_FILE_BYTES, &bytes, &size, &reason);
    if (status)
        return caption_fail(err, (enum caption_status)status, "--key-file %.400s: %.200s", path, reason.message);
    char *text = memchr(bytes, '\0', size) ? NULL : malloc(size + 1);
    if (text) {
        memcpy(text, bytes, size);
        text[size] = '\0';
        status = read_lines(r, text, err);
        explicit_bzero(text, size);
    } else {
        status = caption_fail(err, CAPTION_EFORMAT, "--key-file: it is no text");
    }
    free(text);
    explicit_bzero(bytes, size);
    free(bytes);
    return status || r->n > before ? status : caption_fail(err, CAPTION_EFORMAT, "--key-file: there is no key in it");
}

int keys_read(const config *c, key_definition **all, size_t *n, caption_error *err)
{
    reading r = {.all = NULL};
    int status = add_option(&r, "--admin-key", "admin", 1, c->admin_key, err);
    if (!status)
        status = add_option(&r, "--caption-key", "caption", 0, c->caption_key, err);
    if (!status && c->key_file)
        status = read_file(&r, c->key_file, err);
    if (status) {
        free(r.all);
        return status;
    }
    *all = r.all;
    *n = r.n;
    return CAPTION_OK;
}
