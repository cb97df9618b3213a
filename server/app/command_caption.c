/* command_caption.c: `captiond caption PATH...` captions files, directories and archives: a line a photo
 * (caption_lines.h), from as many threads as there are processors (caption_batch.h). --attention writes where it looked
 * in one photo for each word.
 *
 * Exit status: 0, all went well; 3, some photos failed; 1, nothing worked; 2, it was called wrongly; 128 + the signal's
 * number if it was interrupted. */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "model/caption.h"
#include "server/app/caption_batch.h"
#include "server/app/caption_done.h"
#include "server/app/caption_lines.h"
#include "server/app/commands.h"
#include "server/app/xmp_sidecar.h"
#include "server/base/file.h"
#include "server/base/options.h"
#include "server/decode/cage.h"
#include "server/engine/attention_picture.h"
#include "server/engine/weights.h"

enum { STATUS_NOTHING = 1, STATUS_SOME = 3, STATUS_SIGNAL = 128, MAX_JOBS = 1024 };

typedef struct captioner {
    caption_encoder *encoder;
    caption_model *model;
    caption_session **sessions; /* [jobs] */
    int jobs;
    caption_options options;
    caption_image_limits limits;
    cage_limits decoding;
    cage *cage;
    caption_lines lines;
    const char *attention; /* a PNG to write; NULL: none */
    const char *language;  /* of sidecars; NULL: none are written */
    int xmp_begun;         /* the XMP library was started */
    pthread_mutex_t sidecars;
} captioner;

/* What the command line says besides. */
typedef struct caption_command {
    weights_place place;
    const char *model, *format, *files_from, *resume, *shard, *language;
    int recursive, jobs, xmp, max_pixels;
    caption_options decode;
    photo_shard part;
} caption_command;

static int processors(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0 ? CPU_COUNT(&set) : 1;
}

/* ---- weights and memory ------------------------------------------------------------------------------------------ */

static int open_captioner(captioner *c, const caption_command *o, caption_error *err)
{
    int status = caption_reserve(c->jobs, err);
    if (!status)
        status = weights_open_encoder(&o->place, &c->encoder, err);
    if (!status)
        status = weights_open_model(&o->place, o->model, &c->model, err);
    if (!status && c->attention && !caption_model_positions(c->model))
        status = caption_fail(err, CAPTION_EINVAL, "--attention: %s does not look at places of the photo", o->model);
    if (!status && c->options.concepts && !caption_model_concepts(c->model))
        status = caption_fail(err, CAPTION_EINVAL, "--concepts: %s predicts none", o->model);
    if (!status && !(c->sessions = calloc((size_t)c->jobs, sizeof *c->sessions)))
        status = caption_fail(err, CAPTION_ENOMEM, "out of memory for %d sessions", c->jobs);
    for (int i = 0; i < c->jobs && !status; i++)
        status = caption_session_new(&c->sessions[i], c->encoder, 1, err);
    if (!status)
        status = cage_open(&c->cage, &c->decoding, err);
    if (!status && c->language)
        c->xmp_begun = (status = xmp_sidecar_begin(err)) == CAPTION_OK;
    return status;
}

static void close_captioner(captioner *c)
{
    cage_close(c->cage);
    for (int i = 0; c->sessions && i < c->jobs; i++)
        caption_session_free(c->sessions[i]);
    free(c->sessions);
    caption_model_release(c->model);
    caption_encoder_release(c->encoder);
    if (c->xmp_begun)
        xmp_sidecar_end();
}

/* ---- one photo --------------------------------------------------------------------------------------------------- */

static int write_png(const char *path, const caption_picture *picture, caption_error *err)
{
    unsigned char *png = NULL;
    size_t size;
    int status = caption_picture_png(picture, &png, &size, err);
    FILE *file = status ? NULL : fopen(path, "wb");
    if (!status && (!file || fwrite(png, 1, size, file) != size || fflush(file)))
        status = caption_fail(err, CAPTION_EIO, "%s cannot be written", path);
    if (file)
        fclose(file);
    free(png);
    return status;
}

static int write_attention(const captioner *c, const caption_picture *photo, const caption_result *result,
                           caption_error *err)
{
    caption_picture strip = {0};
    int status = attention_strip(&strip, result, photo, err);
    if (!status)
        status = write_png(c->attention, &strip, err);
    caption_picture_free(&strip);
    return status;
}

static int write_sidecar(captioner *c, const char *path, const char *text, caption_error *err)
{
    pthread_mutex_lock(&c->sidecars);
    int status = xmp_sidecar_write(path, c->language, text, err);
    pthread_mutex_unlock(&c->sidecars);
    return status;
}

/* What was decoded: the image, and the picture of it, empty without --attention. */
static int caption_image_of(captioner *c, int thread, const source_photo *p, const caption_image *image,
                            const caption_picture *picture, FILE *lines, caption_error *err)
{
    caption_session *session = c->sessions[thread];
    caption_result results[CAPTION_MAX_BEAM];
    int status = caption_encode(session, 1, image, err);
    if (!status)
        status = caption_generate(session, c->model, &c->options, results, err);
    if (!status && c->attention)
        status = write_attention(c, picture, results, err);
    if (!status && c->language && !p->bytes)
        status = write_sidecar(c, p->name, results[0].text, err);
    if (!status)
        caption_lines_result(&c->lines, lines, p->name, c->options.n, results);
    return status;
}

static size_t max_bytes(const captioner *c)
{
    return (size_t)c->decoding.file_mb << 20;
}

static int caption_photo(void *context, int thread, const source_photo *p, FILE *lines, caption_error *err)
{
    captioner *c = context;
    unsigned char *bytes = NULL;
    caption_image image;
    caption_picture picture = {0};
    cage_work work = {
        .file = p->bytes, .size = p->size, .limits = c->limits, .image = &image, .max_side = ATTENTION_SIDE};
    work.picture = c->attention ? &picture : NULL;
    int status = p->bytes ? CAPTION_OK : file_read(p->name, max_bytes(c), &bytes, &work.size, err);
    if (bytes)
        work.file = bytes;
    if (!status)
        status = cage_decode(c->cage, &work, err);
    free(bytes);
    if (!status)
        status = caption_image_of(c, thread, p, &image, &picture, lines, err);
    caption_picture_free(&picture);
    return status;
}

static void fail_photo(void *context, const source_photo *p, const char *message, FILE *lines)
{
    const captioner *c = context;
    caption_lines_error(&c->lines, lines, p->name, message);
}

/* ---- all of them ------------------------------------------------------------------------------------------------- */

static int complain(const caption_error *err)
{
    fprintf(stderr, "captiond caption: %s\n", err->message);
    return STATUS_NOTHING;
}

/* What is to be said at the end, and the exit status. */
static int conclude(const caption_command *o, const photo_source *source, const caption_batch_end *end)
{
    const long skipped = photo_source_skipped(source);
    if (end->lost) {
        fprintf(stderr, "captiond caption: %s: %s\n", o->resume ? o->resume : "standard output", strerror(end->lost));
        return STATUS_NOTHING;
    }
    if (end->signal) {
        fprintf(stderr, "captiond caption: interrupted; %ld photos have their lines. ",
                end->done + end->failed + skipped);
        if (o->resume)
            fprintf(stderr, "The same command goes on (--resume %s)\n", o->resume);
        else
            fputs("With --resume FILE, FILE being what was written, the same command goes on\n", stderr);
        return STATUS_SIGNAL + end->signal;
    }
    if (end->done + end->failed + skipped == 0 && !o->shard) {
        fputs("captiond caption: there are no photos\n", stderr);
        return STATUS_NOTHING;
    }
    return end->failed == 0 ? 0 : end->done + skipped > 0 ? STATUS_SOME : STATUS_NOTHING;
}

static int write_head(const captioner *c, int out)
{
    FILE *head = fdopen(dup(out), "w");
    if (!head)
        return errno;
    caption_lines_head(&c->lines, head);
    return fclose(head) == 0 ? 0 : errno;
}

static int caption_source(captioner *c, const caption_command *o, photo_source *source, const caption_done *done)
{
    const caption_batch batch = {.source = source,
                                 .threads = c->jobs,
                                 .out = done ? done->fd : STDOUT_FILENO,
                                 .progress = isatty(STDERR_FILENO) && (done || !isatty(STDOUT_FILENO)),
                                 .caption = caption_photo,
                                 .fail = fail_photo,
                                 .context = c};
    caption_batch_end end = {0};
    caption_error err;
    if (!done || done->empty)
        end.lost = write_head(c, batch.out);
    if (!end.lost && caption_batch_run(&batch, &end, &err) != CAPTION_OK)
        return complain(&err);
    return conclude(o, source, &end);
}

static int caption_paths(captioner *c, const caption_command *o, char **paths, int n, caption_done *done)
{
    const photo_source_options options = {.recursive = o->recursive,
                                          .files_from = o->files_from,
                                          .shard = o->part,
                                          .skip = done ? caption_done_has : NULL,
                                          .context = done,
                                          .max_bytes = max_bytes(c)};
    photo_source *source;
    caption_error err;
    int status;
    if (photo_source_open(&source, &options, paths, n, &err) != CAPTION_OK)
        status = complain(&err);
    else if (c->attention && photo_source_count(source) != 1)
        status = options_refuse("caption", "--attention is for one photo");
    else if (open_captioner(c, o, &err) != CAPTION_OK)
        status = complain(&err);
    else
        status = caption_source(c, o, source, done);
    photo_source_close(source);
    close_captioner(c);
    return status;
}

static int run(captioner *c, const caption_command *o, char **paths, int n)
{
    caption_done done;
    caption_error err;
    caption_batch_catch_signals();
    if (!o->resume)
        return caption_paths(c, o, paths, n, NULL);
    if (caption_done_open(&done, o->resume, &c->lines, &err) != CAPTION_OK)
        return complain(&err);
    int status = caption_paths(c, o, paths, n, &done);
    caption_done_close(&done);
    return status;
}

/* ---- the command line -------------------------------------------------------------------------------------------- */

/* "2/8": 0/8 to 7/8, or, for who counts from 1, 1/8 to 8/8, which is another name for 0/8. */
static int parse_shard(const char *text, photo_shard *out)
{
    char *slash, *end;
    const long index = strtol(text, &slash, 10);
    const long count = *slash == '/' ? strtol(slash + 1, &end, 10) : 0;
    if (slash == text || count < 1 || count > INT_MAX || *end || index < 0 || index > count)
        return 0;
    *out = (photo_shard){(int)index, (int)count};
    return 1;
}

/* What does not go together. */
static int refuse(const caption_command *o, char **paths, int n)
{
    if (n == 0 && !o->files_from)
        return options_refuse("caption", "usage: captiond caption [options] PATH...");
    for (int i = 0; i < n; i++)
        if (strcmp(paths[i], "-") == 0 && (o->xmp || (o->files_from && strcmp(o->files_from, "-") == 0)))
            return options_refuse("caption", "standard input is no photo with %s", o->xmp ? "--xmp" : "--files-from -");
    return 0;
}

static int parse(caption_command *o, captioner *c, int *argc, char ***argv, int *status)
{
    const option named[] = {
        WEIGHTS_OPTIONS(&o->place),
        {"model", OPTION_TEXT, &o->model, 0, 0, "MODEL",
         "captioner: NAME.safetensors in the weights directory or here, or a file"},
        {"recursive", OPTION_FLAG, &o->recursive, 0, 1, NULL, "include subdirectories"},
        {"files-from", OPTION_TEXT, &o->files_from, 0, 0, "FILE",
         "file with more paths, one per line (-: standard input)"},
        {"format", OPTION_CHOICE, &o->format, 0, 0, CAPTION_LINES_CHOICES, "output format"},
        {"jobs", OPTION_INTEGER, &o->jobs, 1, MAX_JOBS, "N", "images processed at a time"},
        {"resume", OPTION_TEXT, &o->resume, 0, 0, "FILE", "append to FILE, and skip images that have a line there"},
        {"shard", OPTION_TEXT, &o->shard, 0, 0, "I/N",
         "process every N-th image, beginning with the I-th (one of N machines)"},
        {"xmp", OPTION_FLAG, &o->xmp, 0, 1, NULL, "also write the caption to the XMP sidecar IMAGE.xmp"},
        {"xmp-language", OPTION_TEXT, &o->language, 0, 0, "LANGUAGE", "language of the captions, for --xmp"},
        {"logprobs", OPTION_FLAG, &c->lines.logprobs, 0, 1, NULL,
         "add the log-probabilities of the caption and its words"},
        {"attention", OPTION_TEXT, &c->attention, 0, 0, "FILE",
         "PNG file for the attention weights of each word (one image)"},
        {"max-pixels", OPTION_INTEGER, &o->max_pixels, 1, INT_MAX, "N", "images with more pixels are refused"},
        CAGE_OPTIONS(&c->decoding),
    };
    option table[sizeof named / sizeof *named + MAX_DECODE_OPTIONS];
    memcpy(table, named, sizeof named);
    options_of(caption_option_at, &o->decode, table + sizeof named / sizeof *named);
    const options_usage usage = {
        "caption",
        "PATH...",
        "Prints a line with the caption of each image (JPEG, PNG, WebP, HEIC, AVIF, TIFF, GIF, BMP): files, "
        "directories and tar files;\n- is standard input. Exit status: 0, success; "
        "3, some images failed; 1, all failed; 2, wrong usage.",
        table,
        0,
        INT_MAX};
    caption_error err;
    if (!options_parse(&usage, argc, argv, status))
        return 0;
    *status = caption_options_check(&o->decode, &err) ? options_refuse("caption", "--%s", err.message) : 0;
    return !*status;
}

int command_caption(int argc, char **argv)
{
    int status;
    caption_command o = {.model = WEIGHTS_DEFAULT_MODEL,
                         .decode = caption_defaults(),
                         .format = "tsv",
                         .language = "en",
                         .jobs = processors(),
                         .max_pixels = 64000000};
    captioner c = {.decoding = cage_defaults(), .sidecars = PTHREAD_MUTEX_INITIALIZER};
    if (!parse(&o, &c, &argc, &argv, &status))
        return status;
    if (o.shard && !parse_shard(o.shard, &o.part))
        return options_refuse("caption", "--shard: \"%s\" is no share I/N, I from 0 to N", o.shard);
    if ((status = refuse(&o, argv, argc)))
        return status;
    c.options = o.decode;
    c.lines.concepts = c.options.concepts > 0;
    c.limits.max_pixels = (size_t)o.max_pixels;
    c.jobs = c.decoding.helpers = o.jobs;
    c.lines.format = caption_lines_parse(o.format);
    c.language = o.xmp ? o.language : NULL;
    return run(&c, &o, argv, argc);
}
