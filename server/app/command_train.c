/* command_train.c: `captiond train` learns a captioner from a directory of images and a file of captions.
 *
 * The numbers that decide a run come from the library's own table (train.h), so that their names, ranges and defaults
 * are written down once. Progress goes to stderr; the first SIGINT or SIGTERM stops the run behind a checkpoint.
 * Processes that mpirun started learn together, and the first one speaks for all. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model/train.h"
#include "server/app/commands.h"
#include "server/base/options.h"
#include "server/decode/cage.h"
#include "server/engine/weights.h"
#include "server/store/caption_file.h"

enum { MOST_OPTIONS = 64, DURATION = 24, WHY = 128 };

static volatile sig_atomic_t stop_wanted;

static void want_stop(int signal)
{
    (void)signal;
    stop_wanted = 1;
}

/* The second signal kills, as people expect. */
static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = want_stop, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

static int stop(void *context)
{
    (void)context;
    return stop_wanted;
}

/* "1h02m", "3m20s", "12s" */
static const char *duration(double seconds, char out[DURATION])
{
    long s = (long)(seconds + 0.5);
    if (s >= 3600)
        snprintf(out, DURATION, "%ldh%02ldm", s / 3600 % 1000, s / 60 % 60);
    else if (s >= 60)
        snprintf(out, DURATION, "%ldm%02lds", s / 60, s % 60);
    else
        snprintf(out, DURATION, "%lds", s);
    return out;
}

/* What the last line tells. */
typedef struct outcome {
    int best_epoch, scored;
    double cider, low, high, base;
    char why[WHY];
} outcome;

static void note_outcome(outcome *o, const caption_train_progress *p)
{
    *o = (outcome){p->best_epoch, p->dev != NULL, p->best_cider, p->best_low, p->best_high, p->base_cider, ""};
    snprintf(o->why, sizeof o->why, "%s", p->why);
}

/* "mine.safetensors: epoch 7, dev CIDEr 0.5120 (95 % interval 0.43 to 0.60), base 0.4810; ended: all 10 epochs are
 * done" */
static void print_outcome(const outcome *o, const char *file)
{
    fprintf(stderr, "%s: epoch %d", file, o->best_epoch);
    if (o->scored)
        fprintf(stderr, ", dev CIDEr %.4f (95 %% interval %.2f to %.2f)", o->cider, o->low, o->high);
    else
        fprintf(stderr, ", not scored");
    if (o->base >= 0)
        fprintf(stderr, ", base %.4f%s", o->base, o->best_epoch == 0 ? ": no epoch was better, the base is kept" : "");
    fprintf(stderr, "; ended: %s\n", o->why);
}

static int print_progress(void *context, const caption_train_progress *p)
{
    char left[DURATION], reward[DURATION] = "";
    if (p->last)
        note_outcome(context, p);
    duration(p->seconds_left, left);
    if (p->reward > 0)
        snprintf(reward, sizeof reward, ", reward %.4f", p->reward);
    if (p->stage == CAPTION_TRAIN_FEATURES)
        fprintf(stderr, "features %ld/%ld, %s left\n", p->done, p->total, left);
    else if (p->dev)
        fprintf(
            stderr,
            "epoch %d/%d%s: dev CIDEr %.4f (95 %% interval %.2f to %.2f), BLEU-4 %.4f, BLEU-1 %.4f, ROUGE-L %.4f%s, "
            "\"%s\"\n",
            p->epoch, p->epochs, p->epoch == 0 ? " (the base)" : "", p->dev->cider, p->low, p->high, p->dev->bleu[3],
            p->dev->bleu[0], p->dev->rouge_l, p->best ? " (best, saved)" : "", p->captions[0]);
    else if (p->captions_per_second > 0) /* else an epoch's report right behind that of its last batch */
        fprintf(stderr, "epoch %d/%d: batch %ld/%ld, loss %.4f%s, rate %.2e, %.0f captions/s, %s left\n", p->epoch,
                p->epochs, p->done, p->total, p->loss, reward, p->learning_rate, p->captions_per_second, left);
    return 0;
}

/* What the command line gives besides the library's options. */
struct files {
    const char *images, *captions, *dev, *dev_images, *base, *objective;
    int from_scratch;
    double dev_fraction;
    weights_place place;
    cage_limits decoding;
};

/* Writes the whole table: the named rows, then the library's numbers. */
static void list_options(caption_train_options *o, struct files *f, option table[MOST_OPTIONS])
{
    const option named[] = {
        {"images", OPTION_TEXT, &f->images, 0, 0, "DIR", "directory of the images (needed)"},
        {"captions", OPTION_TEXT, &f->captions, 0, 0, "FILE",
         "captions: TSV of image name and caption, Flickr's, COCO's or Karpathy's (needed)"},
        {"text", OPTION_TEXT, &o->text, 0, 0, "FILE", "captions without images, one a line, to learn from besides"},
        {"out", OPTION_TEXT, &o->out, 0, 0, "FILE", "weight file to write (needed)"},
        {"kind", OPTION_CHOICE, &o->kind, 0, 0, "rnn|lstm|attention",
         "captioner to go on from, else, from scratch, to make; decides defaults"},
        {"objective", OPTION_CHOICE, &f->objective, 0, 0, "words|cider", "what it is to be good at; decides defaults"},
        {"base", OPTION_TEXT, &f->base, 0, 0, "MODEL",
         "captioner to go on from, else that of --kind or " WEIGHTS_DEFAULT_MODEL "; gives kind, hidden and words"},
        {"from-scratch", OPTION_FLAG, &f->from_scratch, 0, 1, NULL, "go on from no captioner but from random weights"},
        {"dev", OPTION_TEXT, &f->dev, 0, 0, "FILE", "captions that each epoch is scored on; the best epoch is kept"},
        {"dev-fraction", OPTION_REAL, &f->dev_fraction, 0, 0.9, "X",
         "without --dev: share of the images that is not learnt from but scores each epoch"},
        {"dev-images", OPTION_TEXT, &f->dev_images, 0, 0, "DIR", "its images, if not in --images"},
        {"cache", OPTION_TEXT, &o->cache, 0, 0, "DIR", "directory of the feature cache, else that of --out"},
        {"checkpoint", OPTION_TEXT, &o->checkpoint, 0, 0, "FILE", "checkpoint, else --out with .checkpoint added"},
        {"resume", OPTION_FLAG, &o->resume, 0, 1, NULL, "go on from the checkpoint if there is one"},
        {"threads", OPTION_INTEGER, &o->threads, 1, 64, "N", "threads that encode images"},
        {"report-seconds", OPTION_REAL, &o->report_seconds, 0, 86400, "X", "between lines of progress"},
        {"checkpoint-minutes", OPTION_REAL, &o->checkpoint_minutes, 0, 1e6, "X", "between checkpoints in an epoch"},
        {"seed", OPTION_SEED, &o->seed, 0, 0, "N", "of everything random"},
        WEIGHTS_OPTIONS(&f->place),
        CAGE_OPTIONS(&f->decoding),
    };
    memcpy(table, named, sizeof named);
    options_of(caption_train_option_at, o, table + sizeof named / sizeof *named);
}

/* Refuses a base that cannot be used. path: room for its file's name, which the options keep. */
static int apply_base(caption_train_options *o, const struct files *f, const char *base, char path[PATH_MAX])
{
    char name[WEIGHTS_NAME_BYTES];
    caption_error err;
    if (!base)
        return 0;
    if (weights_model_file(&f->place, base, path, name, &err) || caption_train_base(o, path, &err))
        return options_refuse("train", "--base: %s%s", err.message,
                              f->base ? "" : "; name another one, or begin without one: --from-scratch");
    return 0;
}

/* Before anything is computed: is there a place for the weights, and would they replace no device or directory? */
static int check_out(const char *out)
{
    struct stat there;
    char directory[PATH_MAX];
    const char *slash = strrchr(out, '/');
    int length = slash ? (int)(slash - out) + (slash == out) : 1;
    snprintf(directory, sizeof directory, "%.*s", length, slash ? out : ".");
    if (stat(out, &there) == 0 && !S_ISREG(there.st_mode))
        return options_refuse("train", "--out %s: that is no regular file", out);
    if (stat(directory, &there) != 0 || !S_ISDIR(there.st_mode))
        return options_refuse("train", "--out %s: there is no directory %s", out, directory);
    return 0;
}

static int check_needed(const caption_train_options *o, const struct files *f)
{
    const char *missing = !f->images ? "images" : !f->captions ? "captions" : !o->out ? "out" : NULL;
    if (missing)
        return options_refuse("train", "--%s is needed", missing);
    if (f->from_scratch && f->base)
        return options_refuse("train", "--from-scratch: there is a --base to go on from, %s", f->base);
    if (strcmp(f->objective, "cider") == 0 && f->from_scratch)
        return options_refuse("train", "--objective: cider needs a --base, which can write captions already");
    return check_out(o->out);
}

/* Parses twice: the kind, the objective and the base decide the defaults of the rest. base: as apply_base's path. */
static int parse(int argc, char **argv, caption_train_options *o, struct files *f, char base[PATH_MAX], int *status)
{
    option table[MOST_OPTIONS];
    const options_usage usage = {"train", "", "Learns to caption from images and their captions.", table, 0, 0};
    const char *const usual = "lstm", *kind = usual, *start = NULL;
    *f = (struct files){.objective = "words", .dev_fraction = 0.1, .decoding = cage_defaults()};
    for (int pass = 0; pass < 2; pass++) {
        int n = argc;
        char **arguments = argv;
        *o = caption_train_defaults(kind);
        caption_train_objective(o, f->objective, NULL); /* one of the choices */
        if (start && o->samples == 0)
            caption_train_gently(o);
        o->threads = (int)sysconf(_SC_NPROCESSORS_ONLN);
        o->report_seconds = 10;
        *status = apply_base(o, f, start, base);
        list_options(o, f, table);
        if (*status || !options_parse(&usage, &n, &arguments, status))
            return 0;
        start = f->from_scratch ? NULL : f->base ? f->base : o->kind == usual ? WEIGHTS_DEFAULT_MODEL : o->kind;
        kind = o->kind;
        if (pass == 0 && (*status = check_needed(o, f)))
            return 0;
    }
    return 1;
}

static int train(caption_train_options *o, const struct files *f, caption_error *err)
{
    caption_encoder *encoder = NULL;
    cage_limits decoding = f->decoding;
    cage *c = NULL;
    outcome end = {.best_epoch = -1};
    caption_dataset *images = NULL, *dev = NULL;
    int status = caption_reserve(o->threads, err);
    if (status == CAPTION_OK)
        status =
            caption_file_open_both(&images, &dev, f->images, f->captions, f->dev_images ? f->dev_images : f->images,
                                   f->dev, f->dev_fraction, o->seed, err);
    if (status == CAPTION_OK)
        status = weights_open_encoder(&f->place, &encoder, err);
    decoding.helpers = o->threads;
    if (status == CAPTION_OK)
        status = cage_open(&c, &decoding, err);
    if (status == CAPTION_OK) {
        o->decoder = cage_decoder(c);
        o->train = images;
        o->dev = dev;
        o->progress = print_progress;
        o->context = &end;
        o->stop = stop;
        status = caption_ranks_join(&o->ranks, err);
    }
    if (status == CAPTION_OK)
        status = caption_train(o, encoder, err);
    if (status == CAPTION_OK && end.best_epoch >= 0) /* the first process's */
        print_outcome(&end, o->out);
    cage_close(c);
    caption_dataset_free(dev);
    caption_dataset_free(images);
    caption_encoder_release(encoder);
    return status;
}

static void print_failure(int status, const caption_error *err)
{
    const char *more = status == CAPTION_ECANCELLED ? "; --resume goes on from there" : "";
    fprintf(stderr, "captiond train: %s%s\n", err->message, more);
}

int command_train(int argc, char **argv)
{
    caption_train_options options;
    struct files files;
    char base[PATH_MAX];
    caption_error err;
    int status;
    if (!parse(argc, argv, &options, &files, base, &status))
        return status;
    catch_signals();
    status = train(&options, &files, &err);
    if (status != CAPTION_OK && caption_ranks_is_first(options.ranks))
        print_failure(status, &err);
    caption_ranks_leave(options.ranks);
    return status == CAPTION_EINVAL ? OPTIONS_WRONG : status != CAPTION_OK;
}
