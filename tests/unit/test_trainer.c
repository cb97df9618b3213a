/* Training on a handful of generated pictures, with the shipped encoder: it learns them, the same seed gives the same
 * bytes, and a run that was stopped or killed at any point and resumed gives the bytes of an uninterrupted one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "model/train.h"
#include "tests/support/scratch.h"

enum { PICTURES = 6, SIDE = 48 };

static const char *const sentences[PICTURES] = {
    "a red square",           "green stripes go up and down", "a blue board of squares",
    "one white dot at night", "grey fog over nothing at all", "yellow and black stripes lie flat",
};

static caption_encoder *encoder;
static caption_dataset *dataset;

/* ---- pictures --------------------------------------------------------------------------------------------------- */

static void paint(int picture, int x, int y, unsigned char bgr[3])
{
    static const unsigned char colours[PICTURES][2][3] = {
        {{255, 255, 255}, {0, 0, 255}}, {{255, 255, 255}, {0, 160, 0}},     {{255, 240, 240}, {255, 0, 0}},
        {{20, 0, 0}, {255, 255, 255}},  {{128, 128, 128}, {136, 136, 136}}, {{0, 0, 0}, {0, 255, 255}},
    };
    int dx = x - SIDE / 2, dy = y - SIDE / 2;
    const int inked[PICTURES] = {abs(dx) < 14 && abs(dy) < 14, x / 6 % 2,   (x / 8 + y / 8) % 2,
                                 dx * dx + dy * dy < 90,       (x ^ y) & 1, y / 6 % 2};
    memcpy(bgr, colours[picture][inked[picture]], 3);
}

/* 24-bit BMP: 54 bytes of header, rows from the bottom up (SIDE * 3 is a multiple of four). */
static void write_picture(int picture)
{
    unsigned char bmp[54 + SIDE * SIDE * 3] = {
        'B', 'M', [10] = 54, [14] = 40, [18] = SIDE, [22] = SIDE, [26] = 1, [28] = 24};
    char name[16];
    bmp[2] = sizeof bmp & 0xFF, bmp[3] = sizeof bmp >> 8 & 0xFF;
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++)
            paint(picture, x, y, bmp + 54 + ((SIDE - 1 - y) * SIDE + x) * 3);
    snprintf(name, sizeof name, "%d.bmp", picture);
    scratch_write(name, bmp, sizeof bmp);
}

static int make_dataset(void **state)
{
    char text[1024] = "", tsv[512];
    caption_error err;
    caption_init();
    if (scratch_make(state) != 0)
        return -1;
    for (int i = 0; i < PICTURES; i++) {
        write_picture(i);
        for (int k = 0; k < 3; k++)
            snprintf(text + strlen(text), sizeof text - strlen(text), "%d.bmp\t%s\n", i, sentences[i]);
    }
    strcpy(tsv, scratch_write("captions.tsv", text, strlen(text)));
    if (caption_dataset_open(&dataset, scratch_path("."), tsv, &err) != CAPTION_OK ||
        caption_encoder_open(&encoder, "weights/efficientnet-b0.safetensors", &err) != CAPTION_OK) {
        print_error("%s\n", err.message);
        return -1;
    }
    return 0;
}

static int free_dataset(void **state)
{
    caption_dataset_free(dataset);
    caption_encoder_release(encoder);
    return scratch_remove(state);
}

/* ---- runs ------------------------------------------------------------------------------------------------------- */

/* Counts callbacks and stops, or kills the process, at the chosen one. */
struct watcher {
    int calls, stop_at, kill_at; /* 1-based; 0: never */
    int epochs_scored, best_epoch;
    double first_loss, last_loss, cider;
    double first_reward, last_reward; /* sums over the batches of the first and of the last epoch */
    int asked, stop_asked;            /* the same of stop */
};

static int stop_when_asked(void *context)
{
    struct watcher *w = context;
    return ++w->asked == w->stop_asked ? CAPTION_TRAIN_STOP : CAPTION_TRAIN_GO_ON;
}

static int abandon_when_asked(void *context)
{
    struct watcher *w = context;
    return ++w->asked >= w->stop_asked ? CAPTION_TRAIN_ABANDON : CAPTION_TRAIN_GO_ON;
}

static int watch(void *context, const caption_train_progress *p)
{
    struct watcher *w = context;
    if (p->stage == CAPTION_TRAIN_FEATURES)
        return 0;
    w->calls++;
    if (p->dev) {
        w->epochs_scored++;
        w->cider = p->dev->cider;
        if (p->best)
            w->best_epoch = p->epoch;
    } else if (p->loss > 0) {
        w->last_loss = p->loss;
        if (w->calls == 1)
            w->first_loss = p->loss;
    }
    w->first_reward += p->epoch == 1 ? p->reward : 0;
    w->last_reward += p->epoch == p->epochs ? p->reward : 0;
    if (w->calls == w->kill_at)
        _exit(0);
    return w->calls == w->stop_at;
}

static caption_train_options options_for(const char *kind, const char *out, struct watcher *watcher)
{
    caption_train_options o = caption_train_defaults(kind);
    o.train = o.dev = dataset;
    o.out = out;
    o.hidden = 24;
    o.words = 12;
    o.minimum_count = o.minimum_captions = 1;
    o.batch = 4; /* 18 captions: 5 batches, the last one of 2 */
    o.epochs = 3;
    o.patience = 0;
    o.learning_rate = 0.01;
    o.report_seconds = 0;
    o.progress = watch;
    o.context = watcher;
    *watcher = (struct watcher){0};
    return o;
}

static void check_trains(const caption_train_options *o)
{
    caption_error err;
    if (caption_train(o, encoder, &err) != CAPTION_OK)
        fail_msg("%s", err.message);
}

/* A path of its own for every call: scratch_path has one buffer. */
static const char *path_of(char buffer[512], const char *name)
{
    return strcpy(buffer, scratch_path(name));
}

static void check_same_file(const char *a, const char *b, int same)
{
    size_t size_a, size_b;
    unsigned char *bytes_a = scratch_read(a, &size_a), *bytes_b = scratch_read(b, &size_b);
    assert_int_equal(size_a == size_b && memcmp(bytes_a, bytes_b, size_a) == 0, same);
    free(bytes_a);
    free(bytes_b);
}

/* ---- it learns -------------------------------------------------------------------------------------------------- */

static void check_captions(const char *weights)
{
    caption_error err;
    caption_model *model;
    caption_session *session;
    caption_image image;
    caption_result result;
    assert_int_equal(caption_model_open(&model, weights, &err), CAPTION_OK);
    assert_int_equal(caption_session_new(&session, encoder, 1, &err), CAPTION_OK);
    for (int i = 0; i < PICTURES; i++) {
        size_t size;
        char name[16];
        snprintf(name, sizeof name, "%d.bmp", i);
        unsigned char *bytes = scratch_read(scratch_path(name), &size);
        assert_int_equal(caption_image_decode(&image, bytes, size, NULL, &err), CAPTION_OK);
        assert_int_equal(caption_encode(session, 1, &image, &err), CAPTION_OK);
        assert_int_equal(caption_generate(session, model, NULL, &result, &err), CAPTION_OK);
        assert_string_equal(result.text, sentences[i]);
        assert_true(result.finished);
        free(bytes);
    }
    assert_non_null(strstr(caption_model_metadata(model, "training"), "hidden=64"));
    assert_non_null(caption_model_metadata(model, "dev_cider"));
    caption_session_free(session);
    caption_model_release(model);
}

static void check_learns(const char *kind)
{
    struct watcher watcher;
    char out[512];
    caption_train_options o = options_for(kind, path_of(out, "learnt.safetensors"), &watcher);
    o.words = 24;
    o.hidden = 64;
    o.epochs = 80;
    o.dropout = 0.1;
    o.label_smoothing = 0;
    o.average = 0.9;
    check_trains(&o);
    assert_true(watcher.first_loss > 2.5); /* about log of the vocabulary */
    assert_true(watcher.last_loss < 0.3);
    assert_true(watcher.cider > 5);
    check_captions(out);
}

static void lstm_learns_the_captions_of_a_few_pictures(void **state)
{
    (void)state;
    check_learns("lstm");
}

static void rnn_learns_the_captions_of_a_few_pictures(void **state)
{
    (void)state;
    check_learns("rnn");
}

static void rewards_improve_what_examples_began(void **state)
{
    (void)state;
    struct watcher watcher;
    char begun[512], out[512];
    caption_error err;
    caption_train_options o = options_for("lstm", path_of(begun, "begun.safetensors"), &watcher);
    o.hidden = 64;
    o.words = 24;
    o.epochs = 5; /* a beginning */
    o.dropout = o.label_smoothing = 0;
    check_trains(&o);
    o = options_for("lstm", path_of(out, "rewarded.safetensors"), &watcher);
    assert_int_equal(caption_train_base(&o, begun, &err), CAPTION_OK);
    o.samples = 6;
    o.batch = 18;
    o.epochs = 60;
    o.learning_rate = 0.005;
    check_trains(&o);
    assert_true(watcher.last_reward > 1.5 * watcher.first_reward);
}

/* ---- it is reproducible ----------------------------------------------------------------------------------------- */

static void same_seed_gives_the_same_bytes(void **state)
{
    (void)state;
    struct watcher watcher;
    char a[512], b[512], c[512];
    caption_train_options o = options_for("lstm", path_of(a, "a.safetensors"), &watcher);
    check_trains(&o);
    o.out = path_of(b, "b.safetensors");
    check_trains(&o);
    check_same_file(a, b, 1);
    o.seed++;
    o.out = path_of(c, "c.safetensors");
    check_trains(&o);
    check_same_file(a, c, 0);
}

/* Stops a run that makes `calls` reports after each of them. */
static void check_resumes(caption_train_options o, struct watcher *watcher, int calls)
{
    char whole[512], parts[512], checkpoint[512];
    o.out = path_of(whole, "whole.safetensors");
    check_trains(&o);
    assert_int_equal(watcher->calls, calls);
    path_of(checkpoint, "parts.safetensors.checkpoint");
    for (int stop = 1; stop < calls; stop++) {
        caption_error err;
        o.out = path_of(parts, "parts.safetensors");
        remove(parts);
        *watcher = (struct watcher){.stop_at = stop};
        o.resume = 0;
        assert_int_equal(caption_train(&o, encoder, &err), CAPTION_ECANCELLED);
        assert_non_null(strstr(err.message, "stopped after epoch"));
        assert_int_equal(access(checkpoint, F_OK), 0);
        *watcher = (struct watcher){0};
        o.resume = 1;
        check_trains(&o);
        assert_int_equal(watcher->calls, calls - stop);
        check_same_file(whole, parts, 1);
        assert_int_not_equal(access(checkpoint, F_OK), 0);
    }
}

static void stopped_and_resumed_equals_uninterrupted(void **state)
{
    /* Three epochs of five batches: a report after every batch and one after every epoch. */
    (void)state;
    struct watcher watcher;
    check_resumes(options_for("lstm", NULL, &watcher), &watcher, 3 * (5 + 1));
}

/* Wherever in a batch: before any of its products. */
static void stopped_within_a_batch_and_resumed_equals_uninterrupted(void **state)
{
    enum { BATCHES = 3 * 5, PRODUCTS = 10, STRIDE = 29 };
    (void)state;
    struct watcher watcher;
    caption_error err;
    char whole[512], parts[512];
    caption_train_options o = options_for("lstm", path_of(whole, "whole.safetensors"), &watcher);
    o.stop = stop_when_asked;
    check_trains(&o);
    int asked = watcher.asked;
    assert_true(asked > BATCHES * PRODUCTS);
    o.out = path_of(parts, "parts.safetensors");
    for (int stop = 1; stop < asked; stop += STRIDE) {
        watcher = (struct watcher){.stop_asked = stop};
        o.resume = 0;
        assert_int_equal(caption_train(&o, encoder, &err), CAPTION_ECANCELLED);
        watcher = (struct watcher){0};
        o.resume = 1;
        check_trains(&o);
        check_same_file(whole, parts, 1);
    }
}

static void an_abandoned_run_leaves_no_checkpoint(void **state)
{
    (void)state;
    struct watcher watcher;
    caption_error err;
    char out[512];
    caption_train_options o = options_for("lstm", path_of(out, "abandoned.safetensors"), &watcher);
    o.stop = abandon_when_asked;
    watcher.stop_asked = 50;
    assert_int_equal(caption_train(&o, encoder, &err), CAPTION_ECANCELLED);
    assert_int_not_equal(access(scratch_path("abandoned.safetensors.checkpoint"), F_OK), 0);
}

static void resuming_holds_for_learning_from_rewards_too(void **state)
{
    /* Batches of two images with two samples each: three an epoch. */
    (void)state;
    struct watcher watcher;
    caption_train_options o = options_for("rnn", NULL, &watcher);
    o.samples = 2;
    o.epochs = 2;
    check_resumes(o, &watcher, 2 * (3 + 1));
}

static void killed_and_resumed_equals_uninterrupted(void **state)
{
    (void)state;
    struct watcher watcher;
    char whole[512], killed[512];
    caption_train_options o = options_for("rnn", path_of(whole, "whole.safetensors"), &watcher);
    check_trains(&o);
    o.out = path_of(killed, "killed.safetensors");
    o.checkpoint_minutes = 1e-9; /* after every batch */
    o.resume = 1;
    for (int round = 0; round < 5; round++) { /* each process gets a few batches further, then dies without a word */
        int status;
        pid_t child = fork();
        if (child == 0) {
            watcher = (struct watcher){.kill_at = 4};
            _exit(caption_train(&o, encoder, NULL) + 1);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        if (WEXITSTATUS(status) != 0) { /* finished before it was killed */
            assert_int_equal(WEXITSTATUS(status), 1);
            break;
        }
    }
    watcher = (struct watcher){0};
    if (access(scratch_path("killed.safetensors.checkpoint"), F_OK) == 0)
        check_trains(&o);
    check_same_file(whole, killed, 1);
}

/* ---- it refuses ------------------------------------------------------------------------------------------------- */

static void check_refused(const caption_train_options *o, int code, const char *reason)
{
    caption_error err = {""};
    assert_int_equal(caption_train(o, encoder, &err), code);
    if (!strstr(err.message, reason))
        fail_msg("\"%s\" does not say \"%s\"", err.message, reason);
}

static void checkpoints_of_other_runs_and_damaged_ones_are_refused(void **state)
{
    (void)state;
    struct watcher watcher;
    char out[512], checkpoint[512];
    caption_train_options o = options_for("lstm", path_of(out, "refused.safetensors"), &watcher);
    path_of(checkpoint, "refused.safetensors.checkpoint");
    watcher.stop_at = 8;
    check_refused(&o, CAPTION_ECANCELLED, "stopped after epoch 1, batch 2");
    watcher = (struct watcher){0};
    o.resume = 1;
    o.dropout = 0.25;
    check_refused(&o, CAPTION_EINVAL, "belongs to a run with other options");
    o.dropout = 0.5;

    size_t size;
    unsigned char *bytes = scratch_read(checkpoint, &size);
    remove(out);
    check_refused(&o, CAPTION_EIO, "refused.safetensors: the best weights of the run to resume");
    scratch_write("refused.safetensors.checkpoint", bytes, size / 2);
    check_refused(&o, CAPTION_EFORMAT, "refused.safetensors.checkpoint");
    scratch_write("refused.safetensors.checkpoint", "not a checkpoint", 16);
    check_refused(&o, CAPTION_EFORMAT, "refused.safetensors.checkpoint");
    assert_int_equal(watcher.calls, 0);
    remove(checkpoint);
    free(bytes);
}

static void options_out_of_range_are_refused_by_name(void **state)
{
    (void)state;
    struct watcher watcher;
    char out[512];
    const caption_train_options good = options_for("lstm", path_of(out, "never.safetensors"), &watcher);
    caption_train_options o = good;
    o.kind = "gru";
    check_refused(&o, CAPTION_EINVAL, "kind: there is no captioner of kind \"gru\"");
    for (size_t i = 0; caption_train_option_at(i); i++) {
        const caption_option *option = caption_train_option_at(i);
        char *member = (char *)&o + option->offset;
        o = good;
        if (option->type == CAPTION_OPTION_REAL)
            *(double *)(void *)member = option->minimum - 1;
        else
            *(int *)(void *)member = (int)option->minimum - 1;
        check_refused(&o, CAPTION_EINVAL, option->name);
    }
    o = good;
    o.samples = 1;
    check_refused(&o, CAPTION_EINVAL, "samples: 1 is neither 0 nor between 2 and the batch of 4");
    o.samples = 5;
    check_refused(&o, CAPTION_EINVAL, "samples: 5");
    o = good;
    o.threads = 0;
    check_refused(&o, CAPTION_EINVAL, "threads");
    assert_int_not_equal(access(out, F_OK), 0);
}

static void image_that_cannot_be_read_is_named(void **state)
{
    (void)state;
    struct watcher watcher;
    char out[512], tsv[512];
    caption_dataset *broken;
    scratch_write("broken.bmp", "BM but no picture", 17);
    strcpy(tsv, scratch_write("broken.tsv", "0.bmp\ta square\nbroken.bmp\tnothing\n", 34));
    assert_int_equal(caption_dataset_open(&broken, scratch_path("."), tsv, NULL), CAPTION_OK);
    caption_train_options o = options_for("lstm", path_of(out, "never.safetensors"), &watcher);
    o.train = broken;
    check_refused(&o, CAPTION_EFORMAT, "broken.bmp");
    o.threads = 3;
    check_refused(&o, CAPTION_EFORMAT, "broken.bmp");
    caption_dataset_free(broken);
}

/* ---- when it stops ---------------------------------------------------------------------------------------------- */

/* Cuts the feature cache short at the first report of a batch, as another program might. */
static int cut_cache(void *context, const caption_train_progress *p)
{
    char *cache = context;
    if (p->stage != CAPTION_TRAIN_FEATURES && *cache) {
        assert_int_equal(truncate(cache, 128), 0);
        *cache = '\0';
    }
    return 0;
}

/* And not of the process, which a mapped file would end. */
static void a_shrunken_feature_cache_is_a_failure_of_the_run(void **state)
{
    static const char *const kinds[] = {"lstm", "attention"};
    char out[512], cache[512], name[64];
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct watcher watcher;
        caption_error err;
        caption_train_options o = options_for(kinds[i], path_of(out, "cut.safetensors"), &watcher);
        snprintf(name, sizeof name, "%.16s-%d.features", caption_encoder_sha256(encoder),
                 CAPTION_FEATURES + CAPTION_MAP);
        o.progress = cut_cache;
        o.context = cache;
        path_of(cache, name);
        assert_int_equal(caption_train(&o, encoder, &err), CAPTION_EIO);
        if (!strstr(err.message, "cut short"))
            fail_msg("%s", err.message);
    }
}

static void run_without_progress_on_dev_stops_early(void **state)
{
    /* At a rate of 1e-8 nothing changes: the first epoch stays the best, and `patience` more follow. */
    (void)state;
    struct watcher watcher;
    char out[512];
    caption_train_options o = options_for("lstm", path_of(out, "early.safetensors"), &watcher);
    o.learning_rate = 1e-8;
    o.epochs = 50;
    o.patience = 2;
    check_trains(&o);
    assert_int_equal(watcher.epochs_scored, 3);
    assert_int_equal(watcher.best_epoch, 1);
}

static void without_dev_the_last_epoch_is_saved(void **state)
{
    (void)state;
    struct watcher watcher;
    char out[512];
    caption_model *model;
    caption_train_options o = options_for("lstm", path_of(out, "last.safetensors"), &watcher);
    o.dev = NULL;
    o.patience = 1;
    check_trains(&o);
    assert_int_equal(watcher.epochs_scored, 0);
    assert_int_equal(caption_model_open(&model, out, NULL), CAPTION_OK);
    assert_string_equal(caption_model_metadata(model, "epoch"), "3");
    assert_null(caption_model_metadata(model, "dev_cider"));
    caption_model_release(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lstm_learns_the_captions_of_a_few_pictures),
        cmocka_unit_test(rnn_learns_the_captions_of_a_few_pictures),
        cmocka_unit_test(rewards_improve_what_examples_began),
        cmocka_unit_test(same_seed_gives_the_same_bytes),
        cmocka_unit_test(stopped_and_resumed_equals_uninterrupted),
        cmocka_unit_test(stopped_within_a_batch_and_resumed_equals_uninterrupted),
        cmocka_unit_test(an_abandoned_run_leaves_no_checkpoint),
        cmocka_unit_test(resuming_holds_for_learning_from_rewards_too),
        cmocka_unit_test(killed_and_resumed_equals_uninterrupted),
        cmocka_unit_test(checkpoints_of_other_runs_and_damaged_ones_are_refused),
        cmocka_unit_test(options_out_of_range_are_refused_by_name),
        cmocka_unit_test(image_that_cannot_be_read_is_named),
        cmocka_unit_test(a_shrunken_feature_cache_is_a_failure_of_the_run),
        cmocka_unit_test(run_without_progress_on_dev_stops_early),
        cmocka_unit_test(without_dev_the_last_epoch_is_saved),
    };
    return cmocka_run_group_tests(tests, make_dataset, free_dataset);
}
