/* test_encoder_photos.c: real photos, from their bytes to a class: the cat is a cat, the espresso an espresso.
 *
 * The photos are not committed; tests/photos.sh fetches them, and `make test` calls it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/caption.h"
#include "model/storage/file_bytes.h"

static const char *const cats[] = {"tabby, tabby cat", "tiger cat", "Egyptian cat", NULL};
static const char *const coffees[] = {"espresso", NULL};

static caption_encoder *encoder;
static caption_session *session;

static int open_encoder(void **state)
{
    (void)state;
    caption_error err;
    caption_init();
    if (caption_encoder_open(&encoder, "weights/efficientnet-b0.safetensors", &err) ||
        caption_session_new(&session, encoder, 1, &err)) {
        print_error("%s\n", err.message);
        return -1;
    }
    return 0;
}

static int close_encoder(void **state)
{
    (void)state;
    caption_session_free(session);
    caption_encoder_release(encoder);
    return 0;
}

/* The name of the likeliest class of the photo, or a skipped test if it is not there. */
static const char *classify(const char *path)
{
    static caption_image image; /* too large for a stack */
    float logits[CAPTION_CLASSES];
    caption_error err;
    file_bytes file;
    if (file_bytes_read(&file, path, &err) != CAPTION_OK) {
        print_message("# %s; tests/photos.sh fetches it\n", err.message);
        skip();
    }
    int status = caption_image_decode(&image, file.bytes, file.size, NULL, &err);
    file_bytes_free(&file);
    if (status != CAPTION_OK || caption_classify(session, &image, logits, &err) != CAPTION_OK)
        fail_msg("%s: %s", path, err.message);
    int best = 0;
    for (int i = 1; i < CAPTION_CLASSES; i++)
        best = logits[i] > logits[best] ? i : best;
    return caption_encoder_label(encoder, best);
}

static void expect_one_of(const char *const *names, const char *found)
{
    for (; *names; names++)
        if (strcmp(*names, found) == 0)
            return;
    fail_msg("it is taken for: %s", found);
}

static void the_cat_is_a_cat(void **state)
{
    (void)state;
    expect_one_of(cats, classify("build/photos/chelsea.png"));
}

static void the_espresso_is_an_espresso(void **state)
{
    (void)state;
    expect_one_of(coffees, classify("build/photos/coffee.png"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_cat_is_a_cat),
        cmocka_unit_test(the_espresso_is_an_espresso),
    };
    return cmocka_run_group_tests(tests, open_encoder, close_encoder);
}
