/* captiond.h: the real program under test, spawned, its log read, ended.
 *
 *     captiond *c = captiond_serve((const char *[]){"--queue", "4", NULL});
 *     ... requests to c->url (client.h) ...
 *     captiond_wait_log(c, "event=dropped", 1);
 *     captiond_stop(c);
 *
 * The binary is the one that stands beside the tests' own directory, so each build tests itself. Nothing here depends
 * on how fast the machine is: waiting ends when the thing waited for is there, and only fails after a very long time.
 */
#ifndef TESTS_SUPPORT_CAPTIOND_H
#define TESTS_SUPPORT_CAPTIOND_H

#include <stddef.h>
#include <sys/types.h>

typedef struct captiond {
    char url[64]; /* "http://127.0.0.1:PORT" */
    int port;
    pid_t pid;
    struct captiond_log *log;
} captiond;

/* For cmocka: group setup and teardown. Makes the scratch directory (scratch.h) and two small captioners of random
 * weights in it, tiny.safetensors (lstm) and other.safetensors (rnn). */
int captiond_setup(void **state);
int captiond_teardown(void **state);

/* Starts `captiond serve` on a free port with the small captioners and these options (NULL-terminated), and waits until
 * it is ready. Fails the test if it does not get there. Its background threads are like others, since on a busy machine
 * they might never get on; deadline and idle timeout are an hour. */
captiond *captiond_serve(const char *const *options);

/* The same without waiting for readiness: it listens, or the test fails. */
captiond *captiond_serve_loading(const char *const *options);

/* Starts `captiond ARGUMENTS...`, any command, and reads its stderr as the log. */
captiond *captiond_start(const char *const *arguments);

/* Waits until `text` stands `times` times in the log. For one thread at a time, as all that reads the log. */
void captiond_wait_log(captiond *c, const char *text, int times);

/* All of it, until it is next read. */
const char *captiond_log_text(captiond *c);

/* Waits for it or for the process to end; 1 if it stands there. */
int captiond_wait_log_or_end(captiond *c, const char *text);

/* How often it stands there now. What the process wrote before it answered counts, but an answer's own line
 * (event=request) is written after it. */
int captiond_count_log(captiond *c, const char *text);

/* Waits, and it must not stand there more often. */
void captiond_expect_log(captiond *c, const char *text, int times);

void captiond_signal(captiond *c, int number);

/* Waits for the end; returns the exit status, or 128 + the signal's number. Frees c. */
int captiond_wait(captiond *c);

/* SIGKILL: it has no time to say or save anything. */
void captiond_kill(captiond *c);

/* SIGTERM, and the exit status must be 0: nothing leaked, no sanitizer complained. */
void captiond_stop(captiond *c);

typedef struct captiond_output {
    int status;      /* exit status, or 128 + the signal's number */
    char *out, *err; /* stdout and stderr, NUL-terminated */
} captiond_output;

/* Runs `captiond ARGUMENTS...` to its end, with NAME=VALUE variables added to the environment and `input` on stdin;
 * both may be NULL. */
captiond_output captiond_run(const char *const *arguments, const char *const *variables, const char *input);
void captiond_output_free(captiond_output *o);

/* Which program is run, "captiond" unless a test says otherwise. */
extern const char *captiond_program;

/* Where the shipped encoder stands. */
extern const char captiond_encoder[];

#endif
