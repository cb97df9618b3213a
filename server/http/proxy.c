/* proxy.c: see proxy.h. */
#include "server/http/proxy.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "server/http/http.h"

/* ---- addresses and networks -------------------------------------------------------------------------------------- */

enum { ADDRESS_BYTES = 16, ADDRESS_BITS = 128, V4_BITS = 96 };

/* An IPv4 address as ::ffff:a.b.c.d, so that there is one kind. `text` of `length` bytes. */
static int parse_address(const char *text, size_t length, unsigned char out[ADDRESS_BYTES])
{
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
    char copy[INET6_ADDRSTRLEN];
    if (length == 0 || length >= sizeof copy)
        return 0;
    snprintf(copy, sizeof copy, "%.*s", (int)length, text);
    if (inet_pton(AF_INET, copy, out + sizeof mapped) == 1) {
        memcpy(out, mapped, sizeof mapped);
        return 1;
    }
    return inet_pton(AF_INET6, copy, out) == 1;
}

/* "10.0.0.0/8", "::1"; -1 if it is none, else how many bits count. */
static int parse_network(const char *word, size_t length, unsigned char out[ADDRESS_BYTES])
{
    const char *slash = memchr(word, '/', length);
    size_t address = slash ? (size_t)(slash - word) : length;
    if (!parse_address(word, address, out))
        return -1;
    int base = memchr(word, ':', address) ? 0 : V4_BITS, bits = ADDRESS_BITS - base;
    if (slash) {
        size_t digits = strspn(slash + 1, "0123456789");
        if (digits == 0 || digits > 3 || address + 1 + digits != length || atoi(slash + 1) > bits)
            return -1;
        bits = atoi(slash + 1);
    }
    return base + bits;
}

static int is_within(const unsigned char *address, const unsigned char *network, int bits)
{
    int bytes = bits / 8, rest = bits % 8;
    return memcmp(address, network, (size_t)bytes) == 0 &&
           (rest == 0 || (address[bytes] ^ network[bytes]) >> (8 - rest) == 0);
}

static int is_unix(const char *word, size_t length)
{
    return length == strlen(HTTP_CLIENT_UNIX) && strncmp(word, HTTP_CLIENT_UNIX, length) == 0;
}

static size_t word_length(const char *word)
{
    size_t length = strcspn(word, ",");
    while (length > 0 && isspace((unsigned char)word[length - 1]))
        length--;
    return length;
}

static const char *next_word(const char *word)
{
    const char *comma = strchr(word, ',');
    return comma ? comma + 1 + strspn(comma + 1, " \t") : NULL;
}

const char *proxy_fault(const char *value)
{
    unsigned char network[ADDRESS_BYTES];
    for (const char *word = value + strspn(value, " \t"); word; word = next_word(word))
        if (!is_unix(word, word_length(word)) && parse_network(word, word_length(word), network) < 0)
            return "is neither an address, nor a network as 10.0.0.0/8, nor unix";
    return NULL;
}

static int is_trusted(const config *c, const char *client)
{
    unsigned char address[ADDRESS_BYTES], network[ADDRESS_BYTES];
    int known = parse_address(client, strlen(client), address);
    for (int i = 0; i < c->trusted_proxies.n; i++)
        for (const char *word = c->trusted_proxies.values[i]; word; word = next_word(word)) {
            word += strspn(word, " \t");
            size_t length = word_length(word);
            if (is_unix(word, length) ? is_unix(client, strlen(client))
                                      : known && is_within(address, network, parse_network(word, length, network)))
                return 1;
        }
    return 0;
}

int proxy_trusts(const config *c, const struct sockaddr *a)
{
    char text[INET6_ADDRSTRLEN] = HTTP_CLIENT_UNIX;
    if (a->sa_family == AF_INET)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)a)->sin_addr, text, sizeof text);
    else if (a->sa_family == AF_INET6)
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)a)->sin6_addr, text, sizeof text);
    return is_trusted(c, text);
}

/* ---- what it says ------------------------------------------------------------------------------------------------ */

/* The last element before `end` of a list, blanks and a port apart: where it begins, and its length. */
static const char *last_element(const char *list, const char *end, size_t *length)
{
    const char *begin = end;
    while (begin > list && begin[-1] != ',')
        begin--;
    const char *c = begin + strspn(begin, " \t");
    while (end > c && isspace((unsigned char)end[-1]))
        end--;
    *length = (size_t)(end > c ? end - c : 0);
    return c;
}

/* "192.0.2.1:1234" and "[2001:db8::1]:1234" without brackets and port. */
static void strip_port(const char **address, size_t *length)
{
    if (*length > 0 && **address == '[') {
        const char *end = memchr(*address, ']', *length);
        ++*address;
        *length = end ? (size_t)(end - *address) : 0;
        return;
    }
    const char *colon = memchr(*address, ':', *length);
    if (colon && !memchr(colon + 1, ':', (size_t)(*address + *length - colon - 1)))
        *length = (size_t)(colon - *address);
}

/* From the last to the first, as each proxy adds whom it was asked by: those that are trusted are believed in turn.
 * What is no address ends it, as nobody can say who wrote it. */
static void read_client(http_request *r)
{
    const char *list = http_header(r, "X-Forwarded-For"), *end = list ? list + strlen(list) : NULL;
    while (list && is_trusted(r->http->config, r->client)) {
        unsigned char address[ADDRESS_BYTES];
        size_t length;
        const char *element = last_element(list, end, &length), *text = element;
        strip_port(&text, &length);
        if (!parse_address(text, length, address))
            return;
        snprintf(r->client, sizeof r->client, "%.*s", (int)length, text);
        while (element > list && *element != ',')
            element--;
        if (element == list)
            return;
        end = element;
    }
}

/* The last of several: the one that the nearest proxy added. */
static void copy_last(const char *list, char *out, size_t room, const char *also)
{
    size_t length;
    const char *text = list ? last_element(list, list + strlen(list), &length) : NULL;
    if (!text || length == 0 || length >= room)
        return;
    for (size_t i = 0; i < length; i++)
        if (!isalnum((unsigned char)text[i]) && !strchr(also, text[i]))
            return;
    snprintf(out, room, "%.*s", (int)length, text);
}

/* "/captions", without the slash that may end it; nothing that could be taken for another host ("//evil") or leave it.
 */
static void read_prefix(http_request *r)
{
    char prefix[HTTP_PREFIX_BYTES] = "";
    copy_last(http_header(r, "X-Forwarded-Prefix"), prefix, sizeof prefix, "/-._~");
    size_t length = strlen(prefix);
    while (length > 0 && prefix[length - 1] == '/')
        prefix[--length] = '\0';
    if (*prefix == '/' && !strstr(prefix, "//") && !strstr(prefix, "/."))
        strcpy(r->prefix, prefix);
}

void proxy_read(http_request *r)
{
    char scheme[HTTP_SCHEME_BYTES] = "";
    if (!is_trusted(r->http->config, r->client))
        return;
    copy_last(http_header(r, "X-Forwarded-Host"), r->host, sizeof r->host, "-._:[]");
    copy_last(http_header(r, "X-Forwarded-Proto"), scheme, sizeof scheme, "");
    if (strcasecmp(scheme, "http") == 0 || strcasecmp(scheme, "https") == 0)
        strcpy(r->scheme, scheme[4] ? "https" : "http");
    read_prefix(r);
    read_client(r);
}
