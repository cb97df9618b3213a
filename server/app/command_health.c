/* command_health.c: `captiond health` asks a daemon on this machine how it is: for the health checks of containers,
 * which have no curl. It reads the same CAPTIOND_LISTEN, CAPTIOND_HOST and CAPTIOND_PORT as the daemon it stands
 * beside. */
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "model/error.h"
#include "server/app/commands.h"
#include "server/base/clock.h"
#include "server/base/options.h"
#include "server/http/listen.h"

enum { ANSWER_BYTES = 1024 };

typedef struct health {
    const char *listen; /* NULL: host and port */
    const char *host, *path;
    int port, timeout_ms;
    double deadline; /* clock_ms */
} health;

/* Waits until the socket can do what `events` says; 0, or CAPTION_EIO. */
static int wait_for(const health *h, int fd, short events, caption_error *err)
{
    struct pollfd p = {.fd = fd, .events = events};
    int n;
    do {
        double left = h->deadline - clock_ms();
        n = poll(&p, 1, left > 0 ? (int)left + 1 : 0);
    } while (n < 0 && errno == EINTR);
    if (n > 0)
        return CAPTION_OK;
    return caption_fail(err, CAPTION_EIO, n ? strerror(errno) : "no answer within %d ms", h->timeout_ms);
}

/* 0 when the connection stands, else *err says why not. */
static int finish_connect(const health *h, int fd, const struct addrinfo *address, caption_error *err)
{
    int fault = 0;
    socklen_t size = sizeof fault;
    if (connect(fd, address->ai_addr, address->ai_addrlen) == 0)
        return CAPTION_OK;
    if (errno != EINPROGRESS)
        return caption_fail(err, CAPTION_EIO, "%s", strerror(errno));
    int status = wait_for(h, fd, POLLOUT, err);
    if (!status && getsockopt(fd, SOL_SOCKET, SO_ERROR, &fault, &size) == 0 && fault)
        status = caption_fail(err, CAPTION_EIO, "%s", strerror(fault));
    return status;
}

/* The socket, or -1. */
static int connect_to(const health *h, const struct addrinfo *address, caption_error *err)
{
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        caption_fail(err, CAPTION_EIO, "%s", strerror(errno));
    if (fd < 0 || finish_connect(h, fd, address, err) == CAPTION_OK)
        return fd;
    close(fd);
    return -1;
}

/* A socket to the first address of the host that answers the call, or -1. "0.0.0.0" and "::" lead to this machine. */
static int open_connection(const health *h, caption_error *err)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found;
    char service[16];
    int fd = -1;
    snprintf(service, sizeof service, "%d", h->port);
    int code = getaddrinfo(h->host, service, &hints, &found);
    if (code) {
        caption_fail(err, CAPTION_EIO, "%s", gai_strerror(code));
        return -1;
    }
    for (const struct addrinfo *address = found; address && fd < 0; address = address->ai_next)
        fd = connect_to(h, address, err);
    freeaddrinfo(found);
    return fd;
}

/* Reads until the answer's end, or as much as there is room for: its first line is what matters. */
static int read_answer(const health *h, int fd, char answer[ANSWER_BYTES], caption_error *err)
{
    size_t used = 0;
    ssize_t n = 1;
    while (n > 0 && used < ANSWER_BYTES - 1) {
        int status = wait_for(h, fd, POLLIN, err);
        if (status)
            return status;
        n = recv(fd, answer + used, ANSWER_BYTES - 1 - used, 0);
        if (n < 0)
            return caption_fail(err, CAPTION_EIO, "%s", strerror(errno));
        used += (size_t)n;
    }
    answer[used] = '\0';
    return CAPTION_OK;
}

static int ask(const health *h, char answer[ANSWER_BYTES], caption_error *err)
{
    char question[256];
    int status = CAPTION_OK, fd = h->listen ? listen_connect_unix(h->listen) : open_connection(h, err);
    if (fd < 0)
        return h->listen ? caption_fail(err, CAPTION_EIO, "%s", strerror(errno)) : CAPTION_EIO;
    int length =
        snprintf(question, sizeof question, "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", h->path);
    if (send(fd, question, (size_t)length, MSG_NOSIGNAL) != length) /* a new socket has room for so little */
        status = caption_fail(err, CAPTION_EIO, "%s", strerror(errno));
    if (!status)
        status = read_answer(h, fd, answer, err);
    close(fd);
    return status;
}

int command_health(int argc, char **argv)
{
    health h = {.host = "127.0.0.1", .path = "/readyz", .port = 8080, .timeout_ms = 3000};
    const option table[] = {
        {"listen", OPTION_TEXT, &h.listen, 0, 0, "unix:PATH",
         "Unix socket of the daemon, if it does not listen on TCP"},
        {"host", OPTION_TEXT, &h.host, 0, 0, "ADDRESS", "address that the daemon listens on"},
        {"port", OPTION_INTEGER, &h.port, 1, 65535, "N", "its TCP port"},
        {"path", OPTION_CHOICE, &h.path, 0, 0, "/readyz|/healthz", "readiness or liveness"},
        {"timeout-ms", OPTION_INTEGER, &h.timeout_ms, 1, 3600000, "N", "time to wait for the answer"},
        {0},
    };
    const options_usage usage = {"health", "", "Checks a running daemon; exit status 0: healthy.", table, 0, 0};
    char answer[ANSWER_BYTES] = "";
    caption_error err;
    int status, code = 0;
    if (!options_parse(&usage, &argc, &argv, &status))
        return status;
    const char *fault = h.listen ? listen_fault(h.listen) : NULL;
    if (fault)
        return options_refuse("health", "--listen: \"%.200s\" %s", h.listen, fault);
    h.deadline = clock_ms() + h.timeout_ms;
    if (ask(&h, answer, &err)) {
        if (h.listen)
            fprintf(stderr, "captiond health: %s: %s\n", h.listen, err.message);
        else
            fprintf(stderr, "captiond health: %s port %d: %s\n", h.host, h.port, err.message);
        return 1;
    }
    sscanf(answer, "HTTP/1.%*1[01] %3d", &code);
    const char *body = strstr(answer, "\r\n\r\n");
    fprintf(code == 200 ? stdout : stderr, "%d %s\n", code, body ? body + 4 : "");
    return code != 200;
}
