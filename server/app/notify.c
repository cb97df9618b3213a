/* notify.c: see notify.h. */
#include "server/app/notify.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Returns the address' length, or 0 if the name is none. */
static socklen_t parse_address(const char *name, struct sockaddr_un *address)
{
    size_t length = strlen(name);
    if ((*name != '/' && *name != '@') || length < 2 || length >= sizeof address->sun_path)
        return 0;
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(address->sun_path, name, length);
    if (*name == '@') /* an abstract name begins with a zero byte and is as long as it is told to be */
        address->sun_path[0] = '\0';
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + (*name == '/'));
}

int notify_send(const char *lines)
{
    const char *name = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address;
    if (!name || !*name)
        return 0;
    socklen_t length = parse_address(name, &address);
    if (!length) {
        errno = EINVAL;
        return -1;
    }
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    ssize_t sent = sendto(fd, lines, strlen(lines), MSG_NOSIGNAL, (struct sockaddr *)&address, length);
    int code = errno;
    close(fd);
    errno = code;
    return sent == (ssize_t)strlen(lines) ? 1 : -1;
}

/* A positive whole number of the environment, or 0. */
static long long read_number(const char *name)
{
    const char *text = getenv(name);
    char *end;
    if (!text || !*text)
        return 0;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    return errno || *end || value < 0 ? 0 : value;
}

int notify_watchdog_ms(void)
{
    long long wanted = read_number("WATCHDOG_USEC") / 2000, pid = read_number("WATCHDOG_PID");
    if (pid && pid != getpid())
        return 0;
    return wanted > INT_MAX ? INT_MAX : (int)wanted;
}
