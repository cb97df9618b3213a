/* listen.c: our own bind instead of libmicrohttpd's, because it can say what is wrong. */
#include "server/http/listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
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

int listen_open(const char *host, int port, const char *option, int *out, int *bound, caption_error *err)
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
        return caption_fail(err, CAPTION_EIO, "cannot listen on %.200s port %d: %s%s%s", host, port, strerror(code),
                            code == EADDRINUSE ? "; choose another one: " : "", code == EADDRINUSE ? option : "");
    *bound = bound_port(*out);
    return CAPTION_OK;
}

/* ---- in the file system ------------------------------------------------------------------------------------------ */

static const char *path_of(const char *name)
{
    return name + strlen(LISTEN_UNIX);
}

const char *listen_fault(const char *name)
{
    static const struct sockaddr_un address;
    if (strncmp(name, LISTEN_UNIX, strlen(LISTEN_UNIX)) != 0 || !*path_of(name))
        return "is not unix:PATH (TCP has --host and --port)";
    return strlen(path_of(name)) < sizeof address.sun_path ? NULL : "is longer than a socket's path can be";
}

static struct sockaddr_un address_of(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path_of(name));
    return address;
}

int listen_connect_unix(const char *name)
{
    const struct sockaddr_un address = address_of(name);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    int code = errno;
    if (fd >= 0)
        close(fd);
    errno = code;
    return -1;
}

/* Makes room for the socket. */
static int remove_dead(const char *name, caption_error *err)
{
    struct stat file;
    if (lstat(path_of(name), &file))
        return CAPTION_OK;
    if (!S_ISSOCK(file.st_mode))
        return caption_fail(err, CAPTION_EIO, "--listen %.200s: there is a file that is no socket", name);
    int fd = listen_connect_unix(name);
    if (fd >= 0 || errno != ECONNREFUSED) {
        if (fd >= 0)
            close(fd);
        return caption_fail(err, CAPTION_EIO, "--listen %.200s: %s", name,
                            fd >= 0 ? "another daemon listens there" : strerror(errno));
    }
    unlink(path_of(name));
    return CAPTION_OK;
}

int listen_open_unix(const char *name, int *out, caption_error *err)
{
    const struct sockaddr_un address = address_of(name);
    int status = remove_dead(name, err);
    if (status)
        return status;
    *out = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (*out >= 0 && bind(*out, (const struct sockaddr *)&address, sizeof address) == 0 &&
        chmod(path_of(name), S_IRUSR | S_IWUSR | S_IRGRP | S_IWGRP) == 0 && listen(*out, SOMAXCONN) == 0)
        return CAPTION_OK;
    status = caption_fail(err, CAPTION_EIO, "--listen %.200s: %s", name, strerror(errno));
    if (*out >= 0)
        close(*out);
    return status;
}

void listen_remove_unix(const char *name)
{
    unlink(path_of(name));
}
