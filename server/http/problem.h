/* problem.h: everything that can be wrong with a request, in one table: its name, status and title; and the one JSON
 * shape in which it is told (RFC 9457, application/problem+json):
 *
 *     {"type":"urn:captiond:problem:queue-full","title":"The queue is full","status":503,
 *      "detail":"64 images are waiting","instance":"/v1/caption","request_id":"5f0c21aa-1f"}
 *
 * Whoever finds the fault fills a `problem`; nobody rewrites it later. Clients of other protocols look for the reason
 * in a member `error`; on their routes it is there too, as RFC 9457 allows. */
#ifndef SERVER_PROBLEM_H
#define SERVER_PROBLEM_H

typedef enum problem_kind {
    PROBLEM_NONE,
    PROBLEM_BAD_REQUEST,
    PROBLEM_EMPTY_BODY,
    PROBLEM_BAD_JSON,
    PROBLEM_BAD_MULTIPART,
    PROBLEM_BAD_BASE64,
    PROBLEM_REMOTE_IMAGE,
    PROBLEM_MISSING_IMAGE,
    PROBLEM_MISSING_CAPTION,
    PROBLEM_UNKNOWN_OPTION,
    PROBLEM_BAD_OPTION,
    PROBLEM_OVER_BUDGET,
    PROBLEM_BAD_NAME,
    PROBLEM_UNAUTHORIZED,
    PROBLEM_FORBIDDEN,
    PROBLEM_NOT_FOUND,
    PROBLEM_UNKNOWN_MODEL,
    PROBLEM_UNKNOWN_DATASET,
    PROBLEM_UNKNOWN_ITEM,
    PROBLEM_UNKNOWN_JOB,
    PROBLEM_UNKNOWN_PICTURE,
    PROBLEM_METHOD_NOT_ALLOWED,
    PROBLEM_TOO_SLOW,
    PROBLEM_SELFTEST_BUSY,
    PROBLEM_LIMIT_REACHED,
    PROBLEM_DATASET_TOO_SMALL,
    PROBLEM_NAME_TAKEN,
    PROBLEM_JOB_ENDED,
    PROBLEM_MODEL_IN_USE,
    PROBLEM_DATASET_IN_USE,
    PROBLEM_BODY_TOO_LARGE,
    PROBLEM_IMAGE_TOO_LARGE,
    PROBLEM_TOO_MANY_IMAGES,
    PROBLEM_URI_TOO_LONG,
    PROBLEM_UNSUPPORTED_MEDIA,
    PROBLEM_UNSUPPORTED_IMAGE,
    PROBLEM_DAMAGED_IMAGE,
    PROBLEM_DECODING_STOPPED,
    PROBLEM_BAD_CAPTION,
    PROBLEM_DAMAGED_MODEL,
    PROBLEM_TOO_MANY_REQUESTS,
    PROBLEM_HEADERS_TOO_LARGE,
    PROBLEM_CLIENT_GONE,
    PROBLEM_INTERNAL,
    PROBLEM_NOT_IMPLEMENTED,
    PROBLEM_QUEUE_FULL,
    PROBLEM_MEMORY_FULL,
    PROBLEM_CONNECTIONS_FULL,
    PROBLEM_LOADING,
    PROBLEM_DRAINING,
    PROBLEM_BROKEN_MODEL,
    PROBLEM_NO_DATA_DIRECTORY,
    PROBLEM_STORE_BUSY,
    PROBLEM_DEADLINE,
    PROBLEM_HTTP_VERSION,
    PROBLEM_DISK_FULL,
    PROBLEM_KINDS
} problem_kind;

typedef struct problem {
    problem_kind kind;
    int retry_after; /* seconds for Retry-After; 0: no such header */
    char detail[512];
} problem;

/* Fills *p and returns 1, so that a refusal is one line: return problem_set(p, PROBLEM_BAD_JSON, "..."); Bytes of the
 * detail that are not printable ASCII become '?', because a client may have sent them. Of absolute paths only the last
 * part is told (paths.h): where files are is nobody's business but the operator's. problem_echo leaves them, for
 * details that repeat what the client asked. */
int problem_echo(problem *p, problem_kind kind, const char *format, ...) __attribute__((format(printf, 3, 4)));
int problem_set(problem *p, problem_kind kind, const char *format, ...) __attribute__((format(printf, 3, 4)));

int problem_status(const problem *p);
const char *problem_name(const problem *p); /* "queue-full" */

typedef enum problem_dialect {
    PROBLEM_PLAIN,
    PROBLEM_ERROR_TEXT,   /* and "error": "the detail": Open Inference Protocol, Hugging Face, Ollama */
    PROBLEM_ERROR_OBJECT, /* and "error": {"message", "type", "param", "code"}: OpenAI */
} problem_dialect;

/* The JSON text, malloc'd; NULL when out of memory. */
char *problem_json(const problem *p, problem_dialect dialect, const char *instance, const char *request_id);

#endif
