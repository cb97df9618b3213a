/* Images are decoded in a cage: whatever a decoder does costs that image a 422, is counted, and captions go on. Runs
 * captiond-faulty, whose decoder does what an image's last bytes name (decode_faults.h). */
#include <dirent.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/decode/lockdown.h"
#include "tests/support/bomb.h"
#include "tests/support/dataset.h"
#include "tests/support/decode_faults.h"
#include "tests/support/scratch.h"
#include "tests/support/served.h"

static int start(void **state)
{
    captiond_program = "captiond-faulty";
    return served_start(state, photo_make("png", 50, 40, 1),
                        (const char *[]){"--workers", "2", "--picture-ms", "1500", NULL});
}

/* ---- images that misbehave --------------------------------------------------------------------------------------- */

static photo with_fault(const char *name)
{
    photo p = {.size = served_photo.size + strlen(DECODE_FAULT_MARK) + strlen(name)};
    p.bytes = malloc(p.size + 1);
    assert_non_null(p.bytes);
    memcpy(p.bytes, served_photo.bytes, served_photo.size);
    sprintf((char *)p.bytes + served_photo.size, "%s%s", DECODE_FAULT_MARK, name);
    return p;
}

static reply ask_with_fault(const captiond *c, const char *path, const char *name)
{
    photo p = with_fault(name);
    reply r = client_ask(c, &(request){.path = path, .body = p.bytes, .size = p.size});
    photo_free(&p);
    return r;
}

static void expect_good(const captiond *c)
{
    reply r = client_ask(c, &(request){.path = "/v1/caption", .body = served_photo.bytes, .size = served_photo.size});
    client_expect_captions(&r, 1);
    reply_free(&r);
}

static double look(const captiond *c, const char *sample)
{
    reply r = client_ask(c, &(request){.path = "/metrics"});
    const char *line = strstr(r.body, sample);
    assert_non_null(line);
    const double value = strtod(line + strlen(sample), NULL);
    reply_free(&r);
    return value;
}

static double stopped(const captiond *c, const char *reason)
{
    char sample[96];
    snprintf(sample, sizeof sample, "\ncaptiond_images_stopped_total{reason=\"%s\"}", reason);
    return look(c, sample);
}

static void pause_ms(int ms)
{
    const struct timespec pause = {ms / 1000, ms % 1000 * 1000000L};
    nanosleep(&pause, NULL);
}

/* All helpers run, again. */
static void wait_until_running(const captiond *c, int n)
{
    while (look(c, "\ncaptiond_decoders ") < n)
        pause_ms(5);
}

/* The image with that fault is refused in these words, counted for that reason, and nothing else happens. */
static void expect_stopped(const char *fault, const char *words, const char *reason)
{
    const double before = stopped(served, reason), started = look(served, "\ncaptiond_decoders_started_total ");
    reply r = ask_with_fault(served, "/v1/caption", fault);
    client_expect_refused(&r, 422, "decoding-stopped", words);
    assert_true(stopped(served, reason) == before + 1);
    expect_good(served);
    wait_until_running(served, 2);
    assert_true(look(served, "\ncaptiond_decoders_started_total ") == started + 1);
}

/* Without the filter of system calls there is nothing to see. */
static void need_filter(void)
{
    if (lockdown_left_out()) {
        print_message("%s\n", lockdown_left_out());
        skip();
    }
}

static void a_decoder_that_crashes(void **state)
{
    (void)state;
    expect_stopped("crash", lockdown_left_out() ? "crashed" : "crashed (Segmentation fault)", "crash");
    expect_stopped("abort", "crashed", "crash");
    expect_stopped("exit", "crashed", "crash");
}

static void a_decoder_that_loops(void **state)
{
    (void)state;
    expect_stopped("loop", "after 1500 ms of processor time", "time");
}

static void a_decoder_that_breaks_out(void **state)
{
    static const char *const tries[] = {"open", "create", "connect", "exec", "kill", "ptrace", "code", "limit"};
    (void)state;
    need_filter();
    for (size_t i = 0; i < sizeof tries / sizeof *tries; i++)
        expect_stopped(tries[i], "may not do", "forbidden");
    assert_int_not_equal(access("/tmp/captiond-was-here", F_OK), 0);
}

static void a_decoder_that_wants_a_process_does_without(void **state)
{
    (void)state;
    need_filter();
    reply r = ask_with_fault(served, "/v1/caption", "fork");
    client_expect_captions(&r, 1);
    reply_free(&r);
}

static void a_decoder_that_devours_memory(void **state)
{
    (void)state;
    need_filter();
    captiond *c = captiond_serve((const char *[]){"--picture-mb", "64", NULL});
    reply r = ask_with_fault(c, "/v1/caption", "devour");
    client_expect_refused(&r, 422, "decoding-stopped", "64 MB");
    assert_true(stopped(c, "memory") == 1);
    expect_good(c);
    captiond_stop(c);
}

/* Its coefficients, 128 bytes per block of 64 pixels, take 32 MB. The header says so, so no helper is killed. */
static void an_image_that_needs_more_memory_is_refused_by_its_header(void **state)
{
    (void)state;
    captiond *c = captiond_serve((const char *[]){"--picture-mb", "16", NULL});
    photo image = bomb_progressive(4000, 4000);
    reply r =
        client_ask(c, &(request){.path = "/v1/caption", .type = "image/jpeg", .body = image.bytes, .size = image.size});
    client_expect_refused(&r, 413, "image-too-large", "the limit of 16 MB");
    assert_int_equal(stopped(c, "memory"), 0);
    photo_free(&image);
    captiond_stop(c);
}

static void a_decoder_that_lies(void **state)
{
    static const char *const paths[] = {"/v1/caption", "/v1/caption?attention=overlay"};
    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        reply r = ask_with_fault(served, "/v1/caption", "lie");
        client_expect_refused(&r, 422, "decoding-stopped", "nonsense");
    }
    expect_good(served);
}

/* ---- budgets ----------------------------------------------------------------------------------------------------- */

static photo form_of(const photo *image, int n)
{
    photo form = {0};
    for (int i = 0; i < n; i++)
        photo_form_add(&form, "image", image->bytes, image->size);
    photo_form_end(&form);
    return form;
}

static reply ask_form(const captiond *c, const photo *form)
{
    return client_ask(
        c, &(request){.path = "/v1/caption", .type = PHOTO_FORM_TYPE, .body = form->bytes, .size = form->size});
}

/* Each takes a tenth of its own budget, and more than a third of the request's. */
static void images_of_a_request_share_a_budget(void **state)
{
    (void)state;
    captiond *c = captiond_serve((const char *[]){"--request-ms", "400", NULL});
    photo slow = with_fault("dawdle"), one = form_of(&slow, 1), four = form_of(&slow, 4);
    reply r = ask_form(c, &one);
    client_expect_captions(&r, 1);
    reply_free(&r);
    r = ask_form(c, &four);
    client_expect_refused(&r, 422, "decoding-stopped", "all of its 400 ms");
    expect_good(c);
    captiond_stop(c);
    photo_free(&slow);
    photo_free(&one);
    photo_free(&four);
}

static atomic_int bombs_are_over;

typedef struct captions {
    pthread_t thread;
    int good, bad;
} captions;

static void *go_on(void *context)
{
    captions *c = context;
    const request what = {.path = "/v1/caption", .body = served_photo.bytes, .size = served_photo.size};
    do {
        reply r = client_ask(served, &what);
        *(r.status == 200 ? &c->good : &c->bad) += 1;
        reply_free(&r);
    } while (!atomic_load(&bombs_are_over));
    return NULL;
}

/* The form is refused in these words, and meanwhile captions are written. */
static void expect_captions_beside(const photo *form, const char *words)
{
    captions others = {0};
    atomic_store(&bombs_are_over, 0);
    const double before = stopped(served, "time");
    pthread_create(&others.thread, NULL, go_on, &others);
    reply r = ask_form(served, form);
    client_expect_refused(&r, 422, "decoding-stopped", words);
    atomic_store(&bombs_are_over, 1);
    pthread_join(others.thread, NULL);
    assert_int_equal(others.bad, 0);
    assert_true(others.good > 0);
    assert_in_range((int)(stopped(served, "time") - before), 1, 2); /* a worker each, not sixteen */
}

static void sixteen_bombs_in_one_request(void **state)
{
    (void)state;
    photo bomb = with_fault("loop"), form = form_of(&bomb, 16);
    expect_captions_beside(&form, "of 16: decoding it was stopped after 1500 ms");
    photo_free(&bomb);
    photo_free(&form);
}

/* A small file of 64 million pixels, each refined in 99 scans: it must not hold a worker longer than its budget. */
static void a_jpeg_of_99_scans(void **state)
{
    (void)state;
    captiond *c = captiond_serve((const char *[]){"--picture-ms", "100", NULL});
    photo bomb = bomb_progressive(8000, 8000);
    assert_true(bomb.size < 200000);
    reply r = client_ask(c, &(request){.path = "/v1/caption", .body = bomb.bytes, .size = bomb.size});
    client_expect_refused(&r, 422, "decoding-stopped", "after 100 ms");
    expect_good(c);
    captiond_stop(c);
    photo_free(&bomb);
}

/* ---- helpers ----------------------------------------------------------------------------------------------------- */

/* The children of a process that are helpers; returns how many there are. */
static int find_helpers(pid_t parent, pid_t *out, int most)
{
    DIR *all = opendir("/proc");
    int n = 0;
    assert_non_null(all);
    for (struct dirent *each; (each = readdir(all)) != NULL;) {
        char path[300], name[32];
        int pid, of;
        snprintf(path, sizeof path, "/proc/%s/stat", each->d_name);
        FILE *file = fopen(path, "r");
        if (file && fscanf(file, "%d (%31[^)]) %*c %d", &pid, name, &of) == 3 && of == (int)parent && n < most &&
            strcmp(name, "captiond-decode") == 0)
            out[n++] = pid;
        if (file)
            fclose(file);
    }
    closedir(all);
    return n;
}

/* A zombie is gone: nobody in a container may be there to bury it. */
static int is_gone(pid_t pid)
{
    char path[64], state = 'Z';
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "r");
    if (file && fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
        state = 'Z';
    if (file)
        fclose(file);
    return state == 'Z' || state == 'X';
}

static void helpers_that_are_killed_while_idle_cost_nobody_anything(void **state)
{
    pid_t helpers[8];
    (void)state;
    wait_until_running(served, 2);
    const double before = stopped(served, "killed"), started = look(served, "\ncaptiond_decoders_started_total ");
    assert_int_equal(find_helpers(served->pid, helpers, 8), 2);
    for (int i = 0; i < 2; i++)
        assert_int_equal(kill(helpers[i], SIGKILL), 0);
    expect_good(served);
    while (look(served, "\ncaptiond_decoders_started_total ") < started + 2)
        pause_ms(5);
    wait_until_running(served, 2);
    assert_true(stopped(served, "killed") == before);
}

/* As service managers and terminals do, who signal the whole group. */
static void helpers_live_until_the_daemon_has_finished(void **state)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
    pid_t helpers[8];
    (void)state;
    wait_until_running(served, 2);
    const double started = look(served, "\ncaptiond_decoders_started_total ");
    const int n = find_helpers(served->pid, helpers, 8);
    for (int i = 0; i < n; i++)
        for (size_t k = 0; k < sizeof signals / sizeof *signals; k++)
            assert_int_equal(kill(helpers[i], signals[k]), 0);
    expect_good(served);
    expect_good(served);
    assert_true(look(served, "\ncaptiond_decoders_started_total ") == started);
}

static void helpers_end_with_a_daemon_that_is_killed(void **state)
{
    pid_t helpers[8];
    (void)state;
    captiond *c = captiond_serve((const char *[]){"--workers", "2", "--picture-ms", "3600000", NULL});
    wait_until_running(c, 2);
    photo bomb = with_fault("loop");
    const int n = find_helpers(c->pid, helpers, 8);
    assert_int_equal(n, 2);
    asking *a = client_begin(c, &(request){.path = "/v1/caption", .body = bomb.bytes, .size = bomb.size});
    while (look(c, "\ncaptiond_workers_busy ") < 1)
        pause_ms(5);
    captiond_kill(c);
    reply r = client_end(a);
    reply_free(&r);
    for (int i = 0; i < n; i++)
        while (!is_gone(helpers[i]))
            pause_ms(5);
    photo_free(&bomb);
}

/* Which would wait an hour for its image. Not under a sanitizer, to which such a thread is a leak. */
static void a_thread_that_does_not_end_does_not_hold_up_the_end(void **state)
{
    (void)state;
    need_filter();
    captiond *c = captiond_serve((const char *[]){"--workers", "1", "--picture-ms", "3600000", "--request-ms",
                                                  "3600000", "--drain-ms", "100", NULL});
    wait_until_running(c, 1);
    photo bomb = with_fault("loop");
    asking *a = client_begin(c, &(request){.path = "/v1/caption", .body = bomb.bytes, .size = bomb.size});
    while (look(c, "\ncaptiond_workers_busy ") < 1)
        pause_ms(5);
    captiond_signal(c, SIGTERM);
    reply r = client_end(a);
    assert_int_equal(captiond_wait(c), 0);
    reply_free(&r);
    photo_free(&bomb);
}

static void helpers_know_no_keys(void **state)
{
    pid_t helpers[8];
    char path[64], text[4096];
    (void)state;
    setenv("CAPTIOND_ADMIN_KEY", "0123456789abcdef0123456789abcdef", 1);
    captiond *c = captiond_serve((const char *[]){"--workers", "1", NULL});
    unsetenv("CAPTIOND_ADMIN_KEY");
    wait_until_running(c, 1);
    assert_int_equal(find_helpers(c->pid, helpers, 8), 1);
    snprintf(path, sizeof path, "/proc/%d/environ", (int)helpers[0]);
    FILE *file = fopen(path, "r");
    const size_t n = file ? fread(text, 1, sizeof text - 1, file) : 0; /* not even to be read, but by root */
    for (size_t i = 0; i < n; i++)
        text[i] = text[i] ? text[i] : '\n';
    text[n] = '\0';
    assert_null(strstr(text, "0123456789abcdef"));
    if (file)
        fclose(file);
    captiond_stop(c);
}

/* ---- everybody's images ------------------------------------------------------------------------------------------ */

static void every_route_decodes_in_the_cage(void **state)
{
    static const char *const paths[] = {
        "/v1/caption",
        "/v1/caption?attention=overlay&model=tiny",
        "/v1/score?caption=dog%20runs",
        "/v1/saliency?class=toaster",
        "/v1/fool?class=toaster",
        "/v1/invert?layer=deep",
        "/v1/dream?layer=deep",
        "/models/tiny",
    };
    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        reply r = ask_with_fault(served, paths[i], "exit");
        if (r.status == 400) /* the tiny captioner looks at no places */
            client_expect_refused(&r, 400, "bad-option", "attention");
        else
            client_expect_refused(&r, 422, "decoding-stopped", "crashed");
    }
    photo p = with_fault("exit");
    dataset_make(served, "caged");
    reply r = dataset_add(served, "caged", &p, (const char *const[]){"a dog runs", NULL});
    client_expect_refused(&r, 422, "decoding-stopped", "crashed");
    photo_free(&p);
}

static void the_command_line_decodes_in_the_cage(void **state)
{
    char model[300], good[300], bad[300];
    photo p = with_fault("exit");
    (void)state;
    snprintf(model, sizeof model, "%s", scratch_path("tiny.safetensors"));
    snprintf(good, sizeof good, "%s", scratch_write("good.png", served_photo.bytes, served_photo.size));
    snprintf(bad, sizeof bad, "%s", scratch_write("bad.png", p.bytes, p.size));
    captiond_output o = captiond_run((const char *[]){"caption", "--model", model, bad, good, NULL}, NULL, NULL);
    assert_int_equal(o.status, 3); /* some could not be captioned */
    assert_non_null(strstr(o.err, "bad.png: its decoder crashed"));
    assert_non_null(strstr(o.out, "good.png\t"));
    captiond_output_free(&o);
    o = captiond_run((const char *[]){"features", bad, NULL}, NULL, NULL);
    assert_int_equal(o.status, 1);
    assert_non_null(strstr(o.err, "its decoder crashed"));
    captiond_output_free(&o);
    static const char lines[] = "good.png\ta dog\nbad.png\ta cat\n";
    char *slash = strrchr(bad, '/'), tsv[300], out[300];
    *slash = '\0';
    snprintf(tsv, sizeof tsv, "%s", scratch_write("bad.tsv", lines, strlen(lines)));
    snprintf(out, sizeof out, "%s", scratch_path("out.safetensors"));
    o = captiond_run((const char *[]){"train", "--images", bad, "--captions", tsv, "--out", out, NULL}, NULL, NULL);
    assert_int_equal(o.status, 1);
    assert_non_null(strstr(o.err, "bad.png: its decoder crashed"));
    captiond_output_free(&o);
    photo_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_decoder_that_crashes),
        cmocka_unit_test(a_decoder_that_loops),
        cmocka_unit_test(a_decoder_that_breaks_out),
        cmocka_unit_test(a_decoder_that_wants_a_process_does_without),
        cmocka_unit_test(a_decoder_that_devours_memory),
        cmocka_unit_test(an_image_that_needs_more_memory_is_refused_by_its_header),
        cmocka_unit_test(a_decoder_that_lies),
        cmocka_unit_test(images_of_a_request_share_a_budget),
        cmocka_unit_test(sixteen_bombs_in_one_request),
        cmocka_unit_test(a_jpeg_of_99_scans),
        cmocka_unit_test(helpers_that_are_killed_while_idle_cost_nobody_anything),
        cmocka_unit_test(helpers_live_until_the_daemon_has_finished),
        cmocka_unit_test(helpers_end_with_a_daemon_that_is_killed),
        cmocka_unit_test(a_thread_that_does_not_end_does_not_hold_up_the_end),
        cmocka_unit_test(helpers_know_no_keys),
        cmocka_unit_test(every_route_decodes_in_the_cage),
        cmocka_unit_test(the_command_line_decodes_in_the_cage),
    };
    return cmocka_run_group_tests(tests, start, served_end);
}
