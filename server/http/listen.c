/* listen.c: our own bind instead of libmicrohttpd's, because it can say what is wrong. */
#include "server/http/listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Returns the socket, or -1 with errno. */
static int listen_on(const struct addrinfo *address)
{
    const int on = 1;
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        bind(fd, address->ai_addr, address->ai_addrlen) == 0 && listen(fd, SOMAXCONN) == 0)
        return fd;
    int code = errno;
    close(fd);
    errno = code;
    return -1;
}

static int bound_port(int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address;
    socklen_t length = sizeof address;
    if (getsockname(fd, &address.any, &length))
        return 0;
    return ntohs(address.any.sa_family == AF_INET6 ? address.v6.sin6_port : address.v4.sin_port);
}

int listen_open(const char *host, int port, int *out, int *bound, caption_error *err)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found;
    char service[16];
    snprintf(service, sizeof service, "%d", port);
    int code = getaddrinfo(host, service, &hints, &found);
    if (code)
        return caption_fail(err, CAPTION_EIO, "--host %.200s: %s", host, gai_strerror(code));
    *out = -1;
    for (const struct addrinfo *address = found; address && *out < 0; address = address->ai_next)
        *out = listen_on(address);
    code = errno;
    freeaddrinfo(found);
    if (*out < 0)
        return caption_fail(err, CAPTION_EIO, "cannot listen on %.200s port %d: %s", host, port, strerror(code));
    *bound = bound_port(*out);
    return CAPTION_OK;
}
