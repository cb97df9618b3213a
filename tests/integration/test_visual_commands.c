/* The commands that show what the network sees write PNG files, and refuse what they cannot do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/storage/file_bytes.h"
#include "model/visualize.h"
#include "tests/support/client.h"
#include "tests/support/photo.h"
#include "tests/support/scratch.h"

static char good[256], out[256], tiny[256];

static int start(void **state)
{
    if (captiond_setup(state))
        return -1;
    photo picture = photo_make("jpeg", 90, 60, 4);
    snprintf(good, sizeof good, "%s", scratch_write("good.jpg", picture.bytes, picture.size));
    snprintf(out, sizeof out, "%s", scratch_path("out.png"));
    snprintf(tiny, sizeof tiny, "%s", scratch_path("tiny.safetensors"));
    photo_free(&picture);
    return 0;
}

/* Runs `captiond COMMAND --encoder E --out OUT` and these up to six arguments; the exit status must be `status`, and
 * `said` stand in what it says. */
static void run(int status, const char *said, const char *command, const char *const more[])
{
    const char *arguments[16] = {command, "--encoder", captiond_encoder, "--out", out};
    for (int i = 0; more[i]; i++)
        arguments[5 + i] = more[i];
    captiond_output o = captiond_run(arguments, NULL, NULL);
    if (o.status != status || !(strstr(o.out, said) || strstr(o.err, said)))
        fail_msg("%s: exit status %d, out: %s, err: %s", command, o.status, o.out, o.err);
    captiond_output_free(&o);
}

#define RUN(status, said, command, ...) run(status, said, command, (const char *const[]){__VA_ARGS__, NULL})

static void expect_png(int width, int height)
{
    file_bytes file;
    caption_picture picture;
    assert_int_equal(file_bytes_read(&file, out, NULL), CAPTION_OK);
    assert_string_equal(caption_image_type(file.bytes, file.size), "image/png");
    assert_int_equal(caption_picture_decode(&picture, file.bytes, file.size, NULL, 0, NULL), CAPTION_OK);
    assert_int_equal(picture.width, width);
    assert_int_equal(picture.height, height);
    caption_picture_free(&picture);
    file_bytes_free(&file);
    remove(out);
}

static void every_command_writes_a_png(void **state)
{
    (void)state;
    RUN(0, "class ", "saliency", "--method", "gradcam", good);
    expect_png(90, 60);
    RUN(0, "word 0", "saliency", "--model", tiny, "--word", "0", "--view", "heat", good);
    expect_png(90, 60);
    RUN(1, "not fooled after 1 steps", "fool", "--class", "goldfish", "--steps", "1", good);
    expect_png(224, 224);
    RUN(0, "score ", "visualize", "--class", "1", "--steps", "1", "--octaves", "1");
    expect_png(224, 224);
    RUN(0, "layer 1: loss ", "invert", "--layer", "1", "--steps", "1", good);
    expect_png(224, 224);
    RUN(0, "octave 2 of 2", "dream", "--octaves", "2", "--steps", "1", "--preview-every", "1", good);
    expect_png(90, 60);
}

static void pictures_on_the_way_are_kept_where_wanted(void **state)
{
    (void)state;
    char path[512], directory[256];
    snprintf(directory, sizeof directory, "%s", scratch_path("."));
    RUN(0, "", "dream", "--steps", "2", "--octaves", "1", "--preview-every", "2", "--previews", directory, good);
    snprintf(path, sizeof path, "%s", scratch_path("preview-0002.png"));
    assert_int_equal(remove(path), 0);
    remove(out);
}

static void what_makes_no_sense_is_refused(void **state)
{
    (void)state;
    RUN(2, "--class is needed", "fool", good);
    RUN(2, "there is no class \"unicorn\"", "fool", "--class", "unicorn", good);
    RUN(2, "--steps: \"100\" is not a whole number from 1 to 99", "fool", "--class", "1", "--steps", "100", good);
    RUN(2, "--class or --word is needed", "visualize", "--steps", "1");
    RUN(2, "exclude each other", "visualize", "--class", "1", "--word", "dog");
    RUN(2, "--layer: \"18\"", "invert", "--layer", "18", good);
    RUN(2, "--caption needs --word", "saliency", "--caption", "a dog", good);
    RUN(2, "\"a dog\" has no word 2", "saliency", "--model", tiny, "--word", "2", "--caption", "A dog!", good);
    RUN(2, "has no word 64", "saliency", "--model", tiny, "--word", "64", good);
    RUN(2, "--octaves: \"9\"", "dream", "--octaves", "9", good);
    RUN(1, "/nowhere/cat.jpg: No such file", "dream", "/nowhere/cat.jpg");
    assert_int_not_equal(remove(out), 0); /* nothing was written */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_command_writes_a_png),
        cmocka_unit_test(pictures_on_the_way_are_kept_where_wanted),
        cmocka_unit_test(what_makes_no_sense_is_refused),
    };
    return cmocka_run_group_tests(tests, start, captiond_teardown);
}
