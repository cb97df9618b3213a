/* connection_answer.c: see connection_answer.h. */
#include "server/http/connection_answer.h"

#include <microhttpd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "server/base/log.h"

static void log_answer(const framing *f, const problem *p, const char *id)
{
    log_line line;
    log_begin(&line, LOG_LEVEL_INFO, "refused");
    log_text(&line, "id", id);
    log_text(&line, "path", f->path);
    log_integer(&line, "status", problem_status(p));
    log_text(&line, "reason", problem_name(p));
    log_text(&line, "detail", p->detail);
    log_end(&line);
}

void connection_answer(int fd, const framing *f, const problem *p)
{
    char head[512], id[24] = "", retry[48] = "";
    uint64_t random = 0;
    (void)!getrandom(&random, sizeof random, GRND_NONBLOCK);
    snprintf(id, sizeof id, "%016llx", (unsigned long long)random);
    log_answer(f, p, id);
    char *json = problem_json(p, PROBLEM_PLAIN, f->path, id);
    if (!json)
        return;
    if (p->retry_after > 0)
        snprintf(retry, sizeof retry, "Retry-After: %d\r\n", p->retry_after);
    int status = problem_status(p);
    size_t json_bytes = strlen(json);
    json[json_bytes++] = '\n'; /* for terminals */
    int length = snprintf(head, sizeof head,
                          "HTTP/1.1 %d %s\r\nContent-Type: application/problem+json\r\nContent-Length: %zu\r\n"
                          "X-Request-Id: %s\r\nCache-Control: no-store\r\n%sConnection: close\r\n\r\n",
                          status, MHD_get_reason_phrase_for((unsigned)status), json_bytes, id, retry);
    if (send(fd, head, (size_t)length, MSG_DONTWAIT | MSG_NOSIGNAL | (f->is_head ? 0 : MSG_MORE)) == length &&
        !f->is_head)
        (void)!send(fd, json, json_bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
    free(json);
}
