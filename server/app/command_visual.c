/* command_visual.c: `captiond saliency | fool | visualize | invert | dream` write what the network sees as PNG files.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/app/commands.h"
#include "server/app/visual.h"
#include "server/engine/weights.h"

static visual_command command_of(const char *name, caption_visual view)
{
    return (visual_command){
        .name = name, .view = view, .options = caption_visual_defaults(view), .model = WEIGHTS_DEFAULT_MODEL};
}

/* ---- saliency ---------------------------------------------------------------------------------------------------- */

typedef struct saliency_request {
    visual_command command;
    caption_target target;
    caption_saliency_method method;
    int overlay;
} saliency_request;

static void print_saliency(const visual_command *c, const caption_saliency_map *map)
{
    if (map->class_index >= 0)
        printf("class %d, %s: score %.3f, largest gradient %.3g\n", map->class_index,
               caption_encoder_label(c->encoder, map->class_index), map->score, map->maximum);
    else
        printf("word %d of \"%s\": log-probability %.3f, largest gradient %.3g\n", map->word, map->caption, map->score,
               map->maximum);
}

static int draw_saliency(const saliency_request *r, const char *path, caption_saliency_map *map, caption_error *err)
{
    const visual_command *c = &r->command;
    caption_picture photo = {0}, drawn = {0};
    caption_image image;
    caption_session *session = NULL;
    int status = visual_photo(c, path, &image, &photo, 0, err);
    if (status == CAPTION_OK)
        status = caption_session_new(&session, c->encoder, 1, err);
    if (status == CAPTION_OK)
        status = caption_saliency(session, &image, &r->target, r->method, &c->options, map, err);
    if (status == CAPTION_OK)
        status = caption_saliency_picture(&drawn, map, r->overlay ? &photo : NULL, photo.width, photo.height, err);
    if (status == CAPTION_OK)
        status = visual_write(c->out, &drawn, err);
    caption_session_free(session);
    caption_picture_free(&photo);
    caption_picture_free(&drawn);
    return status;
}

int command_saliency(int argc, char **argv)
{
    saliency_request r = {.command = command_of("saliency", CAPTION_SALIENCY)};
    visual_command *c = &r.command;
    const char *photo, *caption = NULL, *method = "gradient", *view = "overlay";
    const option more[] = {
        {"class", OPTION_TEXT, &c->class_name, 0, 0, "CLASS",
         "index or name of a class; default: the image's top class"},
        {"word", OPTION_TEXT, &c->word, 0, 0, "WORD", "a word of the caption, or its position from 0"},
        {"caption", OPTION_TEXT, &caption, 0, 0, "TEXT",
         "caption that contains the word; default: the captioner's own"},
        {"model", OPTION_TEXT, &c->model, 0, 0, "MODEL", "captioner, for --word"},
        {"method", OPTION_CHOICE, &method, 0, 0, "gradient|smoothgrad|gradcam", "method"},
        {"view", OPTION_CHOICE, &view, 0, 0, "heat|overlay", "the map alone, or over the image"},
        {0},
    };
    int status;
    if (!visual_parse(c, more, "Computes a saliency map of a class or a word.", 1, argc, argv, &photo, &status))
        return status;
    if (caption && !c->word)
        return options_refuse("saliency", "--caption needs --word");
    caption_error err;
    caption_saliency_map *map = malloc(sizeof *map);
    caption_saliency_method_parse(method, &r.method);
    r.overlay = strcmp(view, "overlay") == 0;
    status = map ? visual_open(c, &r.target, &err) : caption_fail(&err, CAPTION_ENOMEM, "out of memory");
    r.target.caption = caption;
    if (status == CAPTION_OK)
        status = draw_saliency(&r, photo, map, &err);
    if (status == CAPTION_OK)
        print_saliency(c, map);
    free(map);
    return visual_end(c, status, &err);
}

/* ---- fool -------------------------------------------------------------------------------------------------------- */

static void print_fooled(const visual_command *c, const caption_fooled *f)
{
    printf("%s after %d steps; %s: %.2f -> %.2f; %s: %.2f -> %.2f; largest change %d of 255, mean %.2f\n",
           f->reached ? "fooled" : "not fooled", f->steps, caption_encoder_label(c->encoder, f->from), f->from_before,
           f->from_after, caption_encoder_label(c->encoder, f->to), f->to_before, f->to_after, f->largest_change,
           f->mean_change);
}

static int fool(const visual_command *c, const char *photo, int to, const char *difference, int *reached,
                caption_error *err)
{
    caption_image image;
    caption_fooled fooled = {0};
    int status = visual_photo(c, photo, &image, NULL, 0, err);
    if (status == CAPTION_OK)
        status = caption_fool(c->encoder, &image, to, &c->options, &fooled, err);
    if (status == CAPTION_OK)
        status = visual_write(c->out, &fooled.picture, err);
    if (status == CAPTION_OK && difference)
        status = visual_write(difference, &fooled.difference, err);
    if (status == CAPTION_OK)
        print_fooled(c, &fooled);
    *reached = fooled.reached;
    caption_fooled_free(&fooled);
    return status;
}

int command_fool(int argc, char **argv)
{
    visual_command c = command_of("fool", CAPTION_FOOL);
    const char *photo, *difference = NULL;
    const option more[] = {
        {"class", OPTION_TEXT, &c.class_name, 0, 0, "CLASS", "target class, index or name (needed)"},
        {"difference", OPTION_TEXT, &difference, 0, 0, "FILE", "PNG file for the magnified difference"},
        {0},
    };
    int status, reached = 0;
    if (!visual_parse(&c, more,
                      "Makes a fooling image: an imperceptible change until the image is classified as another class.",
                      1, argc, argv, &photo, &status))
        return status;
    if (!c.class_name)
        return options_refuse("fool", "--class is needed");
    caption_error err;
    caption_target target;
    status = visual_open(&c, &target, &err);
    if (status == CAPTION_OK)
        status = fool(&c, photo, target.class_index, difference, &reached, &err);
    status = visual_end(&c, status, &err);
    return status ? status : !reached;
}

/* ---- visualize --------------------------------------------------------------------------------------------------- */

int command_visualize(int argc, char **argv)
{
    visual_command c = command_of("visualize", CAPTION_VISUALIZE);
    const char *photo, *before = NULL;
    const option more[] = {
        {"class", OPTION_TEXT, &c.class_name, 0, 0, "CLASS", "a class's index or name"},
        {"word", OPTION_TEXT, &c.word, 0, 0, "WORD", "a word of a caption"},
        {"before", OPTION_TEXT, &before, 0, 0, "WORDS", "words before it; default: \"a\""},
        {"model", OPTION_TEXT, &c.model, 0, 0, "MODEL", "captioner, for --word"},
        {0},
    };
    int status;
    if (!visual_parse(&c, more, "Class visualisation: an image that maximises the score of a class or a word.", 0, argc,
                      argv, &photo, &status))
        return status;
    if (!c.class_name && !c.word)
        return options_refuse("visualize", "--class or --word is needed");
    caption_error err;
    caption_target target;
    caption_picture picture = {0};
    double score;
    status = visual_open(&c, &target, &err);
    target.before = before;
    if (status == CAPTION_OK)
        status = caption_visualize(c.encoder, &target, &c.options, &picture, &score, &err);
    if (status == CAPTION_OK)
        status = visual_write(c.out, &picture, &err);
    if (status == CAPTION_OK)
        printf("%s %.3f\n", c.word ? "log-probability" : "score", score);
    caption_picture_free(&picture);
    return visual_end(&c, status, &err);
}

/* ---- invert ------------------------------------------------------------------------------------------------------ */

static int invert(const visual_command *c, const char *photo, caption_error *err)
{
    caption_image image;
    caption_inverted inverted = {0};
    int status = visual_photo(c, photo, &image, NULL, 0, err);
    if (status == CAPTION_OK)
        status = caption_invert(c->encoder, &image, &c->options, &inverted, err);
    if (status == CAPTION_OK)
        status = visual_write(c->out, &inverted.picture, err);
    if (status == CAPTION_OK)
        printf("layer %d: loss %.4g -> %.4g, 1/%.0f\n", c->options.layer, inverted.first_loss, inverted.last_loss,
               inverted.first_loss / inverted.last_loss);
    caption_inverted_free(&inverted);
    return status;
}

int command_invert(int argc, char **argv)
{
    visual_command c = command_of("invert", CAPTION_INVERT);
    const char *photo;
    const option more[] = {
        {"layer", OPTION_TEXT, &c.layer, 0, 0, "LAYER", "stem, shallow, middle, deep, head, or 0..17"},
        {0},
    };
    int status;
    if (!visual_parse(&c, more, "Feature inversion: an image with the same features at a layer.", 1, argc, argv, &photo,
                      &status))
        return status;
    caption_error err;
    caption_target target;
    status = visual_open(&c, &target, &err);
    if (status == CAPTION_OK)
        status = invert(&c, photo, &err);
    return visual_end(&c, status, &err);
}

/* ---- dream ------------------------------------------------------------------------------------------------------- */

int command_dream(int argc, char **argv)
{
    visual_command c = command_of("dream", CAPTION_DREAM);
    const char *path;
    const option more[] = {
        {"layer", OPTION_TEXT, &c.layer, 0, 0, "LAYER", "layer to amplify: as for invert"},
        {0},
    };
    int status;
    if (!visual_parse(&c, more, "DeepDream: amplifies what a layer responds to.", 1, argc, argv, &path, &status))
        return status;
    caption_error err;
    caption_target target;
    caption_picture photo = {0}, dream = {0};
    status = visual_open(&c, &target, &err);
    if (status == CAPTION_OK)
        status = visual_photo(&c, path, NULL, &photo, c.options.max_side, &err);
    if (status == CAPTION_OK)
        status = caption_dream(c.encoder, &photo, &c.options, &dream, &err);
    if (status == CAPTION_OK)
        status = visual_write(c.out, &dream, &err);
    caption_picture_free(&photo);
    caption_picture_free(&dream);
    return visual_end(&c, status, &err);
}
