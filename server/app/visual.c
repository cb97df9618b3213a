/* visual.c: options, photo, PNG files and progress of the commands that show pictures (visual.h). */
#include "server/app/visual.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/file.h"

enum { MAX_OPTIONS = 40, MAX_MORE = 8, PATH_BYTES = 4096 };

/* ---- options ----------------------------------------------------------------------------------------------------- */

static size_t add(option *table, size_t n, const option *rows, size_t count)
{
    memcpy(table + n, rows, count * sizeof *rows);
    return n + count;
}

static size_t add_numbers(option *table, size_t n, visual_command *c)
{
    const caption_option *number;
    for (size_t i = 0; (number = caption_visual_option_at(c->view, i)); i++)
        table[n++] = option_of(number, &c->options);
    return n;
}

static void list_options(visual_command *c, const option *more, option table[MAX_OPTIONS])
{
    const option all[] = {
        {"out", OPTION_TEXT, &c->out, 0, 0, "FILE", "PNG file to write (needed)"},
        {"seed", OPTION_SEED, &c->options.seed, 0, 0, "N", "of everything random"},
        {"max-pixels", OPTION_INTEGER, &c->max_pixels, 1, INT_MAX, "N", "images with more pixels are refused"},
        CAGE_OPTIONS(&c->decoding),
        WEIGHTS_OPTIONS(&c->place),
    };
    const option previews = {"previews", OPTION_TEXT, &c->previews, 0, 0, "DIR", "directory for preview images"};
    size_t n = add(table, 0, all, sizeof all / sizeof *all), count = 0;
    while (more[count].name && count < MAX_MORE)
        count++;
    n = add(table, n, more, count);
    if (c->view != CAPTION_SALIENCY)
        n = add(table, n, &previews, 1);
    n = add_numbers(table, n, c);
    table[n] = (option){0};
}

int visual_parse(visual_command *c, const option *more, const char *summary, int has_photo, int argc, char **argv,
                 const char **photo, int *status)
{
    option table[MAX_OPTIONS];
    const options_usage usage = {c->name, has_photo ? "PHOTO" : "", summary, table, has_photo, has_photo};
    c->decoding = cage_defaults();
    c->max_pixels = 64000000;
    list_options(c, more, table);
    if (!options_parse(&usage, &argc, &argv, status))
        return 0;
    *photo = has_photo ? argv[0] : NULL;
    if (!c->out)
        *status = options_refuse(c->name, "--out is needed");
    else if (c->class_name && c->word)
        *status = options_refuse(c->name, "--class and --word exclude each other");
    return !*status;
}

/* ---- weights and names ------------------------------------------------------------------------------------------- */

/* A few digits are the index of a word. */
static void name_word(const visual_command *c, caption_target *target)
{
    const size_t digits = strspn(c->word, "0123456789");
    const int is_index = c->view == CAPTION_SALIENCY && digits == strlen(c->word) && digits > 0 && digits <= 4;
    target->model = c->captioner;
    target->word = is_index ? NULL : c->word;
    target->index = is_index ? atoi(c->word) : 0;
}

static int say_progress(void *context, const caption_visual_progress *p);

int visual_open(visual_command *c, caption_target *target, caption_error *err)
{
    *target = (caption_target){.class_index = CAPTION_TOP_CLASS};
    c->options.progress = say_progress;
    c->options.context = c;
    int status = weights_open_encoder(&c->place, &c->encoder, err);
    if (status == CAPTION_OK)
        status = cage_open(&c->cage, &c->decoding, err);
    if (status == CAPTION_OK && c->word)
        status = weights_open_model(&c->place, c->model, &c->captioner, err);
    if (status != CAPTION_OK)
        return status;
    if (c->word)
        name_word(c, target);
    if (c->class_name)
        target->class_index = caption_encoder_class(c->encoder, c->class_name);
    if (c->class_name && target->class_index < 0)
        return caption_fail(err, CAPTION_EINVAL, "--class: there is no class \"%.100s\"", c->class_name);
    if (c->layer)
        c->options.layer = caption_layer_index(c->layer);
    if (c->layer && c->options.layer < 0)
        return caption_fail(err, CAPTION_EINVAL,
                            "--layer: \"%.40s\" is neither stem, shallow, middle, deep, head nor 0..%d", c->layer,
                            CAPTION_LAYERS - 1);
    return CAPTION_OK;
}

void visual_close(visual_command *c)
{
    cage_close(c->cage);
    caption_model_release(c->captioner);
    caption_encoder_release(c->encoder);
}

/* ---- pictures ---------------------------------------------------------------------------------------------------- */

int visual_photo(const visual_command *c, const char *path, caption_image *image, caption_picture *picture,
                 int max_side, caption_error *err)
{
    cage_work work = {
        .limits = {.max_pixels = (size_t)c->max_pixels}, .image = image, .picture = picture, .max_side = max_side};
    unsigned char *bytes = NULL;
    caption_error reason;
    int status = file_read(path, (size_t)c->decoding.file_mb << 20, &bytes, &work.size, &reason);
    work.file = bytes;
    if (status == CAPTION_OK)
        status = cage_decode(c->cage, &work, &reason);
    free(bytes);
    return status ? caption_fail(err, status, "%.256s: %.200s", path, reason.message) : CAPTION_OK;
}

int visual_write(const char *path, const caption_picture *picture, caption_error *err)
{
    unsigned char *png;
    size_t size;
    int status = caption_picture_png(picture, &png, &size, err);
    if (status != CAPTION_OK)
        return status;
    FILE *file = fopen(path, "wb");
    int written = file && fwrite(png, 1, size, file) == size;
    written = (!file || fclose(file) == 0) && written;
    free(png);
    return written ? CAPTION_OK : caption_fail(err, CAPTION_EIO, "%.256s: %s", path, strerror(errno));
}

static int say_progress(void *context, const caption_visual_progress *p)
{
    const visual_command *c = context;
    if (!p->preview)
        return 0;
    fprintf(stderr, "%s, step %d/%d: %s %.4g\n", p->stage, p->step, p->steps, p->name, p->value);
    if (!c->previews)
        return 0;
    char path[PATH_BYTES];
    caption_error err;
    snprintf(path, sizeof path, "%s/preview-%04d.png", c->previews, p->step);
    if (visual_write(path, p->preview, &err) == CAPTION_OK)
        return 0;
    fprintf(stderr, "captiond %s: %s\n", c->name, err.message);
    return 1;
}

int visual_end(visual_command *c, int status, const caption_error *err)
{
    visual_close(c);
    if (status == CAPTION_OK)
        return 0;
    fprintf(stderr, "captiond %s: %s\n", c->name, err->message);
    return status == CAPTION_EINVAL ? OPTIONS_WRONG : 1;
}
