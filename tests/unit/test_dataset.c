/* Reading captions.tsv: what a good file becomes, and each kind of bad line with its number and reason. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "model/caption.h"
#include "model/dataset.h"
#include "tests/support/scratch.h"

static int open_text(caption_dataset **out, const char *text, size_t size, caption_error *err)
{
    char tsv[512];
    strcpy(tsv, scratch_write("captions.tsv", text, size));
    return caption_dataset_open(out, scratch_path("."), tsv, err);
}

static void check_refused(const char *text, size_t size, const char *reason)
{
    caption_error err;
    caption_dataset *dataset = (caption_dataset *)&err;
    assert_int_equal(open_text(&dataset, text, size, &err), CAPTION_EFORMAT);
    if (!strstr(err.message, reason))
        fail_msg("\"%s\" does not say \"%s\"", err.message, reason);
    assert_non_null(strstr(err.message, "captions.tsv: "));
    assert_null(dataset);
}

static void captions_are_gathered_by_image_in_order_of_first_appearance(void **state)
{
    (void)state;
    static const char text[] = "b.jpg\tA black Dog .\n"
                               "a b.png\tTwo cats !\r\n"
                               "b.jpg\tThe dog\truns\n"
                               "b.jpg\tA black Dog ."; /* no newline at the end */
    caption_dataset *dataset;
    assert_int_equal(open_text(&dataset, text, sizeof text - 1, NULL), CAPTION_OK);
    assert_int_equal(caption_dataset_size(dataset), 2);
    assert_int_equal(caption_dataset_captions(dataset), 4);
    assert_string_equal(caption_dataset_directory(dataset), scratch_path("."));
    const caption_dataset_image *b = caption_dataset_at(dataset, 0), *a = caption_dataset_at(dataset, 1);
    assert_string_equal(b->file, "b.jpg");
    assert_int_equal(b->n_captions, 3);
    assert_string_equal(b->captions[0], "a black dog");
    assert_string_equal(b->captions[1], "the dog runs");
    assert_string_equal(b->captions[2], "a black dog");
    assert_string_equal(a->file, "a b.png");
    assert_int_equal(a->n_captions, 1);
    assert_string_equal(a->captions[0], "two cats");
    caption_dataset_free(dataset);
}

static void many_images_keep_their_order(void **state)
{
    (void)state;
    char text[40 * 64] = "", name[16];
    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof name, "%d.jpg", i * 7 % 40);
        scratch_write(name, "", 0);
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s\timage number %d\n", name, i);
    }
    caption_dataset *dataset;
    assert_int_equal(open_text(&dataset, text, strlen(text), NULL), CAPTION_OK);
    assert_int_equal(caption_dataset_size(dataset), 40);
    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof name, "%d.jpg", i * 7 % 40);
        assert_string_equal(caption_dataset_at(dataset, (size_t)i)->file, name);
    }
    caption_dataset_free(dataset);
}

static void each_bad_line_is_named_with_its_reason(void **state)
{
    (void)state;
#define CASE(text, reason)                                                                                             \
    {                                                                                                                  \
        text, sizeof text - 1, reason                                                                                  \
    }
    static const struct {
        const char *text;
        size_t size;
        const char *reason;
    } cases[] = {
        CASE("", "holds no captions"),
        CASE("b.jpg\ta dog\nb.jpg a dog\n", "line 2: has no tab"),
        CASE("b.jpg\ta dog\n\nb.jpg\ta dog\n", "line 2: has no tab"),
        CASE("\ta dog\n", "line 1: the image name is empty"),
        CASE("b.jpg\ta dog\nb.jpg\t\n", "line 2: the caption has no words"),
        CASE("b.jpg\ta dog\nb.jpg\t . !\r\n", "line 2: the caption has no words"),
        CASE("b.jpg\ta dog\nb.jpg\ta d\xC3(g\n", "line 2: is not valid UTF-8"),
        CASE("b\xFF.jpg\ta dog\n", "line 1: is not valid UTF-8"),
        CASE("b.jpg\ta\0dog\n", "line 1: contains a NUL byte"),
        CASE("../b.jpg\ta dog\n", "line 1: the image name contains '/'"),
        CASE("b\x1B.jpg\ta dog\n", "line 1: the image name contains '/' or a control character"),
        CASE("b.jpg\ta dog\nb.jpg\tdogs\nmissing.jpg\ta cat\nmissing.jpg\tcats\n", "line 3: image "),
        CASE("missing.jpg\ta cat\n", "missing.jpg: No such file or directory"),
        CASE("..\ta cat\n", "line 1: image "),
        CASE("folder\ta cat\n", "folder: is not a regular file"),
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_refused(cases[i].text, cases[i].size, cases[i].reason);
}

static void missing_tsv_is_an_input_output_error(void **state)
{
    (void)state;
    caption_error err;
    caption_dataset *dataset;
    assert_int_equal(caption_dataset_open(&dataset, "/tmp", "none.tsv", &err), CAPTION_EIO);
    assert_non_null(strstr(err.message, "none.tsv"));
    assert_null(dataset);
}

static int make_images(void **state)
{
    if (scratch_make(state) != 0)
        return -1;
    scratch_write("b.jpg", "", 0);
    scratch_write("a b.png", "", 0);
    return mkdir(scratch_path("folder"), 0700);
}

static void check_caption(const char *caption, size_t length, const char *reason)
{
    caption_error err;
    assert_int_equal(caption_dataset_check(caption, length, &err), reason ? CAPTION_EFORMAT : CAPTION_OK);
    if (reason && !strstr(err.message, reason))
        fail_msg("\"%s\" does not say \"%s\"", err.message, reason);
}

static void a_caption_can_be_checked_before_it_is_written(void **state)
{
    char text[CAPTION_TEXT_BYTES];
    (void)state;
    check_caption("A dog .", 7, NULL);
    check_caption("gr\xC3\xA4ss", 6, NULL);
    check_caption("dog", 0, "no words");
    check_caption("-- !", 4, "no words");
    check_caption("a\tb", 3, "control character");
    check_caption("a\0b", 3, "control character");
    check_caption("a\x7F", 2, "control character");
    check_caption("\xC3", 1, "UTF-8");
    for (int i = 0; i <= CAPTION_MAX_WORDS; i++)
        memcpy(text + 2 * i, "a ", 2);
    check_caption(text, 2 * CAPTION_MAX_WORDS, NULL);
    check_caption(text, 2 * CAPTION_MAX_WORDS + 1, "65 words");
    memset(text, 'a', sizeof text);
    check_caption(text, sizeof text - 1, NULL);
    check_caption(text, sizeof text, "2048 bytes");
}

/* 1 if the image is among those of the dataset. */
static int has(const caption_dataset *dataset, const char *file)
{
    int found = 0;
    for (size_t i = 0; i < caption_dataset_size(dataset); i++)
        found += strcmp(caption_dataset_at(dataset, i)->file, file) == 0;
    return found;
}

static void a_share_is_taken_out_the_same_for_the_same_seed(void **state)
{
    char text[1024] = "", name[16];
    caption_dataset *all[2], *dev[2];
    caption_error err;
    (void)state;
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof name, "%d.jpg", i);
        scratch_write(name, "", 0);
        sprintf(text + strlen(text), "%s\ta dog\n%s\ta cat\n", name, name);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(open_text(&all[i], text, strlen(text), &err), CAPTION_OK);
        assert_int_equal(caption_dataset_divide(all[i], 0.2, 7, &dev[i], &err), CAPTION_OK);
    }
    assert_int_equal(caption_dataset_size(all[0]), 16);
    assert_int_equal(caption_dataset_captions(all[0]), 32);
    assert_int_equal(caption_dataset_size(dev[0]), 4);
    assert_int_equal(caption_dataset_captions(dev[0]), 8);
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof name, "%d.jpg", i);
        assert_int_equal(has(all[0], name) + has(dev[0], name), 1);
        assert_int_equal(has(dev[1], name), has(dev[0], name));
    }
    for (int i = 0; i < 2; i++) {
        caption_dataset_free(dev[i]);
        caption_dataset_free(all[i]);
    }
    assert_int_equal(open_text(&all[0], "1.jpg\ta dog\n", 12, &err), CAPTION_OK);
    assert_int_equal(caption_dataset_divide(all[0], 0.5, 1, &dev[0], &err), CAPTION_EINVAL);
    caption_dataset_free(all[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(captions_are_gathered_by_image_in_order_of_first_appearance),
        cmocka_unit_test(many_images_keep_their_order),
        cmocka_unit_test(each_bad_line_is_named_with_its_reason),
        cmocka_unit_test(missing_tsv_is_an_input_output_error),
        cmocka_unit_test(a_share_is_taken_out_the_same_for_the_same_seed),
        cmocka_unit_test(a_caption_can_be_checked_before_it_is_written),
    };
    return cmocka_run_group_tests(tests, make_images, scratch_remove);
}
