/* daemon.c: see daemon.h. */
#include "tests/fuzz/daemon.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "model/caption.h"
#include "server/app/commands.h"

#if __has_include("server/decode/helper.h")
#include "server/decode/helper.h"
#endif

enum { PATIENCE_MS = 120000, ANSWER_BYTES = 1 << 16 };

static char directory[] = "/tmp/fuzz-daemon-XXXXXX";
static char listen_option[128], data_option[128];
static struct sockaddr_un address = {.sun_family = AF_UNIX};

static void *serve(void *context)
{
    char *arguments[] = {"serve",       "--listen", listen_option,   "--data", data_option,
                         "--models",    "rnn",      "--workers",     "1",      "--no-confine",
                         "--log-level", "error",    "--connections", "64",     NULL};
    (void)context;
    command_serve((int)(sizeof arguments / sizeof *arguments) - 1, arguments);
    fprintf(stderr, "the daemon ended\n");
    abort();
}

static int try_connect(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

/* The status of an answer to a GET; 0: none. */
static int status_of(const char *path)
{
    char question[128], answer[64] = "";
    int fd = try_connect(), status = 0;
    if (fd < 0)
        return 0;
    int length = snprintf(question, sizeof question, "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", path);
    if (send(fd, question, (size_t)length, MSG_NOSIGNAL) == length && recv(fd, answer, sizeof answer - 1, 0) > 0)
        sscanf(answer, "HTTP/1.%*1[01] %3d", &status);
    close(fd);
    return status;
}

void daemon_start(int argc, char **argv)
{
    pthread_t thread;
#ifdef HELPER_COMMAND
    if (argc == 2 && strcmp(argv[1], HELPER_COMMAND) == 0) /* the daemon has started this very program again */
        exit(helper_main());
#endif
    (void)argc;
    (void)argv;
    if (!mkdtemp(directory))
        abort();
    snprintf(listen_option, sizeof listen_option, "unix:%s/socket", directory);
    snprintf(data_option, sizeof data_option, "%s/data", directory);
    snprintf(address.sun_path, sizeof address.sun_path, "%s/socket", directory);
    caption_init();
    signal(SIGPIPE, SIG_IGN);
    if (pthread_create(&thread, NULL, serve, NULL))
        abort();
    for (int ms = 0; status_of("/readyz") != 200; ms += 20) {
        if (ms > PATIENCE_MS)
            abort();
        usleep(20000);
    }
}

static void check_answer(const char *answer, size_t size)
{
    static const char start[] = "HTTP/1.";
    if (size == 0)
        return;
    if (size < sizeof start + 5 || memcmp(answer, start, sizeof start - 1) != 0 || memcmp(answer + 9, "500", 3) == 0) {
        fprintf(stderr, "answer: %.*s\n", (int)size, answer);
        abort();
    }
}

void daemon_ask(const void *bytes, size_t size, int silence_ms)
{
    static char answer[ANSWER_BYTES];
    size_t used = 0;
    ssize_t n = 1;
    int fd = try_connect();
    for (int tries = 0; fd < 0 && tries < 1000; tries++) { /* all its connections are taken for a moment */
        usleep(1000);
        fd = try_connect();
    }
    if (fd < 0)
        abort();
    send(fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (n > 0 && used < sizeof answer) {
        struct pollfd look = {.fd = fd, .events = POLLIN};
        if (poll(&look, 1, silence_ms) <= 0)
            break;
        n = recv(fd, answer + used, sizeof answer - used, 0);
        used += n > 0 ? (size_t)n : 0;
    }
    close(fd);
    check_answer(answer, used);
}
