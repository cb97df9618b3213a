/* test_visual.c: the five views do what they say, on the shipped encoder and captioners.
 *
 * The two-object picture is half a cat and half an espresso, CC0 photos that tests/photos.sh fetches. Bounds are about
 * two thirds of what was measured, or those of CS231n's exercises. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/storage/file_bytes.h"
#include "model/visualize.h"

enum { SIDE = CAPTION_IMAGE_SIDE, EGYPTIAN_CAT = 285, TOASTER = 859, ESPRESSO = 967, GOLDFISH = 1 };

static caption_encoder *encoder;
static caption_session *session;
static caption_image photo; /* generated: a red disc before a green gradient */

static int open_encoder(void **state)
{
    (void)state;
    caption_init();
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            unsigned char *pixel = photo.rgb + 3 * (y * SIDE + x);
            const int inside = (y - 112) * (y - 112) + (x - 100) * (x - 100) < 60 * 60;
            pixel[0] = (unsigned char)(inside ? 220 : x / 2);
            pixel[1] = (unsigned char)(inside ? 40 + y / 4 : 60 + y / 2);
            pixel[2] = (unsigned char)(inside ? 30 : 90);
        }
    return caption_encoder_open(&encoder, "weights/efficientnet-b0.safetensors", NULL) ||
           caption_session_new(&session, encoder, 1, NULL);
}

static int close_encoder(void **state)
{
    (void)state;
    caption_session_free(session);
    caption_encoder_release(encoder);
    return 0;
}

static caption_picture read_photo(const char *path)
{
    caption_picture picture;
    caption_error err;
    file_bytes file;
    if (file_bytes_read(&file, path, &err) != CAPTION_OK) {
        print_message("# %s; tests/photos.sh fetches it\n", err.message);
        skip();
    }
    assert_int_equal(caption_picture_decode(&picture, file.bytes, file.size, NULL, 0, &err), CAPTION_OK);
    file_bytes_free(&file);
    return picture;
}

/* ---- pictures ---------------------------------------------------------------------------------------------------- */

static void a_png_gives_back_its_pixels(void **state)
{
    (void)state;
    unsigned char rgb[7 * 5 * 3], *png;
    size_t size;
    caption_picture back, from = {7, 5, rgb};
    for (size_t i = 0; i < sizeof rgb; i++)
        rgb[i] = (unsigned char)(i * i);
    assert_int_equal(caption_picture_png(&from, &png, &size, NULL), CAPTION_OK);
    assert_int_equal(caption_picture_decode(&back, png, size, NULL, 0, NULL), CAPTION_OK);
    assert_int_equal(back.width, 7);
    assert_int_equal(back.height, 5);
    assert_memory_equal(back.rgb, rgb, sizeof rgb);
    caption_picture_free(&back);
    assert_int_equal(caption_picture_decode(&back, png, size, NULL, 3, NULL), CAPTION_OK);
    assert_int_equal(back.width, 3);
    assert_int_equal(back.height, 2);
    caption_picture_free(&back);
    free(png);
}

static void heat_becomes_colour_where_it_is_hot(void **state)
{
    (void)state;
    const float heat[4] = {0, 1, 0, NAN};
    caption_picture alone;
    assert_int_equal(caption_heat_picture(&alone, heat, 2, 2, NULL, 40, 20, NULL), CAPTION_OK);
    assert_int_equal(alone.width, 40);
    assert_int_equal(alone.height, 20);
    assert_true(alone.rgb[39 * 3] > 200);           /* upper right: hot */
    assert_true(alone.rgb[0] < 5);                  /* upper left: cold */
    assert_true(alone.rgb[(19 * 40 + 39) * 3] < 5); /* not a number: cold */
    caption_picture over;
    assert_int_equal(caption_heat_picture(&over, heat, 2, 2, &alone, 0, 0, NULL), CAPTION_OK);
    assert_int_equal(over.width, 40);
    caption_picture_free(&over);
    caption_picture_free(&alone);
    assert_int_equal(caption_heat_picture(&over, heat, 2, 2, NULL, 0, 20, NULL), CAPTION_EINVAL);
    assert_null(over.rgb);
}

/* ---- saliency ---------------------------------------------------------------------------------------------------- */

/* Grey, with the photo in a square of half the side. */
static void paste_photo(const char *path, int top, int left, caption_image *out)
{
    static caption_image photo_square;
    caption_picture picture = read_photo(path);
    assert_int_equal(caption_picture_square(&photo_square, &picture, NULL), CAPTION_OK);
    for (int y = 0; y < SIDE / 2; y++)
        for (int x = 0; x < SIDE / 2; x++)
            for (int c = 0; c < 3; c++) { /* the mean of 2 x 2 */
                const unsigned char *from = photo_square.rgb + 3 * (2 * y * SIDE + 2 * x) + c;
                out->rgb[3 * ((top + y) * SIDE + left + x) + c] =
                    (unsigned char)((from[0] + from[3] + from[3 * SIDE] + from[3 * SIDE + 3]) / 4);
            }
    caption_picture_free(&picture);
}

/* The cat in the upper left quarter, the coffee in the lower right one: what share of the heat of both is the cat's? */
static double share_of_cat(const caption_image *image, int class_index, caption_saliency_method method)
{
    static caption_saliency_map map;
    const caption_visual_options o = caption_visual_defaults(CAPTION_SALIENCY);
    const caption_target target = {.class_index = class_index};
    caption_error err;
    if (caption_saliency(session, image, &target, method, &o, &map, &err) != CAPTION_OK)
        fail_msg("%s", err.message);
    assert_int_equal(map.class_index, class_index);
    double cat = 0, coffee = 0;
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            const double energy = (double)map.heat[y * SIDE + x] * map.heat[y * SIDE + x];
            cat += y < SIDE / 2 && x < SIDE / 2 ? energy : 0;
            coffee += y >= SIDE / 2 && x >= SIDE / 2 ? energy : 0;
        }
    print_message("# class %d, method %d: %.2f of the heat on the cat\n", class_index, method, cat / (cat + coffee));
    return cat / (cat + coffee);
}

static void saliency_concentrates_on_the_object_asked_for(void **state)
{
    (void)state;
    static const double contrast[] = {0.05, 0.25, 0.25}; /* the plain gradient is a noisy thing */
    static caption_image both;
    memset(both.rgb, 120, sizeof both.rgb);
    paste_photo("build/photos/chelsea.png", 0, 0, &both);
    paste_photo("build/photos/coffee.png", SIDE / 2, SIDE / 2, &both);
    for (int method = CAPTION_GRADIENT; method <= CAPTION_GRADCAM; method++) {
        const double cat = share_of_cat(&both, EGYPTIAN_CAT, (caption_saliency_method)method);
        const double coffee = share_of_cat(&both, ESPRESSO, (caption_saliency_method)method);
        assert_true(cat - coffee > contrast[method]);
    }
}

static void a_word_of_the_caption_has_a_saliency(void **state)
{
    (void)state;
    static caption_saliency_map map, by_index;
    const caption_visual_options o = caption_visual_defaults(CAPTION_SALIENCY);
    caption_model *model;
    caption_error err;
    caption_result caption;
    assert_int_equal(caption_model_open(&model, "weights/lstm.safetensors", &err), CAPTION_OK);
    assert_int_equal(caption_encode(session, 1, &photo, &err), CAPTION_OK);
    assert_int_equal(caption_generate(session, model, NULL, &caption, &err), CAPTION_OK);
    double sum = 0;
    for (int i = 0; i < caption.words; i++) {
        const caption_target target = {.model = model, .index = i};
        assert_int_equal(caption_saliency(session, &photo, &target, CAPTION_GRADIENT, &o, &map, &err), CAPTION_OK);
        assert_string_equal(map.caption, caption.text);
        assert_int_equal(map.word, i);
        assert_true(map.maximum > 0);
        sum += map.score;
    }
    assert_true(sum >= caption.logprob - 1e-3); /* which has the end's share as well */
    char first[CAPTION_TEXT_BYTES];
    snprintf(first, sizeof first, "%.*s", (int)strcspn(caption.text, " "), caption.text);
    const caption_target by_name = {.model = model, .word = first}, at_first = {.model = model};
    assert_int_equal(caption_saliency(session, &photo, &by_name, CAPTION_GRADCAM, &o, &map, &err), CAPTION_OK);
    assert_int_equal(caption_saliency(session, &photo, &at_first, CAPTION_GRADCAM, &o, &by_index, &err), CAPTION_OK);
    assert_memory_equal(map.heat, by_index.heat, sizeof map.heat);

    const caption_target missing = {.model = model, .word = "zebra"}, beyond = {.model = model, .index = 64};
    assert_int_equal(caption_saliency(session, &photo, &missing, CAPTION_GRADIENT, &o, &map, &err), CAPTION_EINVAL);
    assert_int_equal(caption_saliency(session, &photo, &beyond, CAPTION_GRADIENT, &o, &map, &err), CAPTION_EINVAL);
    caption_model_release(model);
}

/* ---- the long views ---------------------------------------------------------------------------------------------- */

typedef struct steps_seen {
    int calls, previews, last_step, stop_at;
} steps_seen;

static int notice(void *context, const caption_visual_progress *p)
{
    steps_seen *l = context;
    l->calls++;
    l->previews += p->preview != NULL;
    l->last_step = p->step;
    assert_true(isfinite(p->value) && p->step <= p->steps);
    return l->stop_at && p->step >= l->stop_at;
}

static void a_fooled_picture_is_of_the_class_and_looks_the_same(void **state)
{
    (void)state;
    caption_visual_options o = caption_visual_defaults(CAPTION_FOOL);
    caption_fooled f;
    steps_seen l = {0};
    o.progress = notice;
    o.context = &l;
    assert_int_equal(caption_fool(encoder, &photo, TOASTER, &o, &f, NULL), CAPTION_OK);
    print_message("# fooled in %d steps, largest change %d, mean %.2f\n", f.steps, f.largest_change, f.mean_change);
    assert_true(f.reached && f.steps < 100 && f.to_after > f.from_after && f.to_before < f.from_before);
    assert_true(f.mean_change < 2);
    assert_int_equal(l.calls, f.steps + 1);
    assert_int_equal(l.previews, f.steps / 5 + 1);

    unsigned char *png;
    size_t size;
    static caption_image back;
    float logits[CAPTION_CLASSES];
    assert_int_equal(caption_picture_png(&f.picture, &png, &size, NULL), CAPTION_OK);
    assert_int_equal(caption_image_decode(&back, png, size, NULL, NULL), CAPTION_OK);
    assert_int_equal(caption_classify(session, &back, logits, NULL), CAPTION_OK);
    for (int i = 0; i < CAPTION_CLASSES; i++)
        assert_true(i == TOASTER || logits[i] < logits[TOASTER]);
    free(png);
    caption_fooled_free(&f);
}

static void check_inversion(const caption_image *image, int layer, double factor)
{
    caption_visual_options o = caption_visual_defaults(CAPTION_INVERT);
    caption_inverted v;
    o.layer = layer;
#ifdef __SANITIZE_ADDRESS__ /* the way is the same, and takes three minutes */
    o.steps /= 10;
    factor = 2;
#endif
    assert_int_equal(caption_invert(encoder, image, &o, &v, NULL), CAPTION_OK);
    print_message("# layer %d: loss falls by %.0f\n", layer, v.first_loss / v.last_loss);
    assert_true(v.first_loss / v.last_loss >= factor);
    assert_int_equal(v.picture.width, SIDE);
    caption_inverted_free(&v);
}

static void inversion_comes_as_near_as_the_exercise_wants(void **state)
{
    (void)state;
    static caption_image image;
    caption_picture coffee = read_photo("build/photos/coffee.png"); /* harder than the cat */
    assert_int_equal(caption_picture_square(&image, &coffee, NULL), CAPTION_OK);
    caption_picture_free(&coffee);
    check_inversion(&image, 2, 30);
    check_inversion(&image, 11, 40);
}

static void a_class_picture_scores_high(void **state)
{
    (void)state;
    caption_visual_options o = caption_visual_defaults(CAPTION_VISUALIZE);
    const caption_target target = {.class_index = GOLDFISH};
    caption_picture first, again;
    double score, same;
    o.steps = 20;
    o.octaves = 2;
    assert_int_equal(caption_visualize(encoder, &target, &o, &first, &score, NULL), CAPTION_OK);
    print_message("# score %.1f\n", score);
    assert_true(score > 12);
    assert_int_equal(caption_visualize(encoder, &target, &o, &again, &same, NULL), CAPTION_OK);
    assert_memory_equal(first.rgb, again.rgb, SIDE * SIDE * 3);
    caption_picture_free(&first);
    caption_picture_free(&again);
}

static void a_word_can_be_pictured(void **state)
{
    (void)state;
    caption_visual_options o = caption_visual_defaults(CAPTION_VISUALIZE);
    caption_model *model;
    caption_picture picture;
    double score = 0, noise = 0;
    assert_int_equal(caption_model_open(&model, "weights/lstm.safetensors", NULL), CAPTION_OK);
    const caption_target dog = {.model = model, .word = "dog"}, unknown = {.model = model, .word = "qwertz"};
    o.octaves = 1;
    o.steps = 1;
    assert_int_equal(caption_visualize(encoder, &dog, &o, &picture, &noise, NULL), CAPTION_OK);
    caption_picture_free(&picture);
    o.steps = 20;
    assert_int_equal(caption_visualize(encoder, &dog, &o, &picture, &score, NULL), CAPTION_OK);
    caption_picture_free(&picture);
    print_message("# log-probability of dog %.3f, at first %.3f\n", score, noise);
    assert_true(score > noise + 0.3); /* how far 20 steps lead differs with how the kernels round */
    assert_int_equal(caption_visualize(encoder, &unknown, &o, &picture, &score, NULL), CAPTION_EINVAL);
    caption_model_release(model);
}

static caption_picture small_photo(int width, int height, unsigned char *rgb)
{
    for (int i = 0; i < width * height * 3; i++)
        rgb[i] = (unsigned char)(128 + 100 * sin(i * 0.01));
    return (caption_picture){width, height, rgb};
}

static void a_dream_has_the_photos_size_and_more_of_the_layer(void **state)
{
    (void)state;
    static unsigned char rgb[300 * 150 * 3];
    const caption_picture from = small_photo(300, 150, rgb);
    caption_visual_options o = caption_visual_defaults(CAPTION_DREAM);
    caption_picture dream;
    steps_seen l = {0};
    o.octaves = 2;
    o.steps = 3;
    o.tile = 128; /* three across */
    o.preview_every = 2;
    o.progress = notice;
    o.context = &l;
    assert_int_equal(caption_dream(encoder, &from, &o, &dream, NULL), CAPTION_OK);
    assert_int_equal(dream.width, 300);
    assert_int_equal(dream.height, 150);
    assert_int_equal(l.calls, 6);
    assert_int_equal(l.previews, 3);
    long change = 0;
    for (int i = 0; i < 300 * 150 * 3; i++)
        change += labs((long)dream.rgb[i] - rgb[i]);
    assert_true(change > 300 * 150 * 3); /* more than a level each */
    caption_picture_free(&dream);
}

static void whoever_listens_may_stop(void **state)
{
    (void)state;
    caption_visual_options o = caption_visual_defaults(CAPTION_INVERT);
    caption_inverted v;
    steps_seen l = {.stop_at = 3};
    o.progress = notice;
    o.context = &l;
    assert_int_equal(caption_invert(encoder, &photo, &o, &v, NULL), CAPTION_ECANCELLED);
    assert_int_equal(l.last_step, 3);
    assert_null(v.picture.rgb);
}

static void hostile_parameters_are_refused_by_name(void **state)
{
    (void)state;
    caption_error err;
    for (caption_visual view = CAPTION_SALIENCY; view <= CAPTION_DREAM; view++) {
        const caption_option *option;
        caption_visual_options defaults = caption_visual_defaults(view);
        assert_int_equal(caption_visual_check(view, &defaults, &err), CAPTION_OK);
        for (size_t i = 0; (option = caption_visual_option_at(view, i)); i++)
            for (int above = 0; above < 2; above++) {
                caption_visual_options o = defaults;
                void *member = (char *)&o + option->offset;
                if (option->type == CAPTION_OPTION_REAL)
                    *(double *)member = above ? NAN : option->minimum - 1;
                else
                    *(int *)member = (int)(above ? option->maximum + 1 : option->minimum - 1);
                assert_int_equal(caption_visual_check(view, &o, &err), CAPTION_EINVAL);
                assert_int_equal(strncmp(err.message, option->name, strlen(option->name)), 0);
            }
        defaults.layer = CAPTION_LAYERS;
        assert_int_equal(caption_visual_check(view, &defaults, &err), CAPTION_EINVAL);
    }
}

static void what_cannot_be_done_is_refused(void **state)
{
    (void)state;
    caption_error err;
    static unsigned char rgb[300 * 150 * 3];
    const caption_picture small = small_photo(31, 100, rgb), large = small_photo(300, 150, rgb);
    caption_visual_options fool = caption_visual_defaults(CAPTION_FOOL), dream = caption_visual_defaults(CAPTION_DREAM);
    caption_fooled fooled;
    caption_picture picture;
    dream.max_side = 299;
    assert_int_equal(caption_fool(encoder, &photo, 1000, &fool, &fooled, &err), CAPTION_EINVAL);
    assert_int_equal(caption_fool(encoder, &photo, -1, &fool, &fooled, &err), CAPTION_EINVAL);
    assert_int_equal(caption_dream(encoder, &small, &dream, &picture, &err), CAPTION_EINVAL);
    assert_int_equal(caption_dream(encoder, &large, &dream, &picture, &err), CAPTION_ELIMIT);
}

static void classes_and_layers_have_names(void **state)
{
    (void)state;
    assert_int_equal(caption_encoder_class(encoder, "Egyptian cat"), EGYPTIAN_CAT);
    assert_int_equal(caption_encoder_class(encoder, "TOASTER"), TOASTER);
    assert_int_equal(caption_encoder_class(encoder, "tabby"), 281);
    assert_int_equal(caption_encoder_class(encoder, "967"), ESPRESSO);
    assert_int_equal(caption_encoder_class(encoder, "1000"), -1);
    assert_int_equal(caption_encoder_class(encoder, ""), -1);
    assert_int_equal(caption_encoder_class(encoder, "cat cat"), -1);
    assert_int_equal(caption_layer_index("stem"), 0);
    assert_int_equal(caption_layer_index("deep"), 11);
    assert_int_equal(caption_layer_index("17"), 17);
    assert_int_equal(caption_layer_index("18"), -1);
    assert_int_equal(caption_layer_index("-1"), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_png_gives_back_its_pixels),
        cmocka_unit_test(heat_becomes_colour_where_it_is_hot),
        cmocka_unit_test(saliency_concentrates_on_the_object_asked_for),
        cmocka_unit_test(a_word_of_the_caption_has_a_saliency),
        cmocka_unit_test(a_fooled_picture_is_of_the_class_and_looks_the_same),
        cmocka_unit_test(inversion_comes_as_near_as_the_exercise_wants),
        cmocka_unit_test(a_class_picture_scores_high),
        cmocka_unit_test(a_word_can_be_pictured),
        cmocka_unit_test(a_dream_has_the_photos_size_and_more_of_the_layer),
        cmocka_unit_test(whoever_listens_may_stop),
        cmocka_unit_test(hostile_parameters_are_refused_by_name),
        cmocka_unit_test(what_cannot_be_done_is_refused),
        cmocka_unit_test(classes_and_layers_have_names),
    };
    return cmocka_run_group_tests(tests, open_encoder, close_encoder);
}
