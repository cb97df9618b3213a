/* Files of captions as the field keeps them: recognised by what they hold, divided as they say, and whatever is wrong
 * names the record. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "server/store/caption_file.h"
#include "tests/support/scratch.h"

static int open_part(caption_dataset **out, const char *text, caption_part part, int *divided, caption_error *err)
{
    char path[512];
    strcpy(path, scratch_write("captions", text, strlen(text)));
    return caption_file_open(out, scratch_path("."), path, part, divided, err);
}

/* The captions as "1.jpg: a dog; a cat | 2.jpg: ...". */
static void expect_part(const char *text, caption_part part, const char *wanted)
{
    char all[1024] = "";
    caption_error err;
    caption_dataset *d;
    if (open_part(&d, text, part, NULL, &err) != CAPTION_OK)
        fail_msg("%s: %s", text, err.message);
    for (size_t i = 0; i < caption_dataset_size(d); i++) {
        const caption_dataset_image *image = caption_dataset_at(d, i);
        sprintf(all + strlen(all), "%s%s", i ? " | " : "", image->file);
        for (size_t k = 0; k < image->n_captions; k++)
            sprintf(all + strlen(all), "%s%s", k ? "; " : ": ", image->captions[k]);
    }
    assert_string_equal(all, wanted);
    caption_dataset_free(d);
}

static void expect(const char *text, const char *wanted)
{
    expect_part(text, CAPTION_PART_ALL, wanted);
}

static void expect_refused(const char *text, const char *reason)
{
    caption_error err;
    caption_dataset *d;
    assert_int_equal(open_part(&d, text, CAPTION_PART_TRAIN, NULL, &err), CAPTION_EFORMAT);
    assert_null(d);
    if (!strstr(err.message, reason))
        fail_msg("\"%s\" does not say \"%s\"", err.message, reason);
}

static const char both[] = "1.jpg: a dog; a brown dog | 2.jpg: two cats";

static void lines_of_every_kind_are_read(void **state)
{
    (void)state;
    expect("1.jpg\tA dog.\n2.jpg\tTwo cats\n1.jpg\tA brown dog\n", both);
    expect("1.jpg#0\tA dog .\r\n1.jpg#1\tA brown dog\r\n2.jpg#0\tTwo cats\r\n", both);
    expect("1.jpg|0|A dog\n1.jpg|1|A brown dog\n2.jpg|0|Two cats\n", both);
    expect("image_name| comment_number| comment\n1.jpg| 0| A dog\n1.jpg| 1   A brown dog\n2.jpg| 0| Two cats\n", both);
    expect("image,caption\n1.jpg,A dog .\n1.jpg,\"A \"\"brown\"\", dog\"\n2.jpg,Two cats\n", both);
    expect("1.jpg,0,A dog\n1.jpg,1,\"A brown, dog\"\n2.jpg,0,Two cats\n", both);
    expect("\xEF\xBB\xBF"
           "image,caption\n1.jpg,A dog\n1.jpg,A brown dog\n\n2.jpg,Two cats\n",
           both);
    expect("sub/3.jpg#0\tA bird\n1.jpg.jpg.1#0\tnowhere\n", "sub/3.jpg: a bird");
}

static void json_of_coco_is_read(void **state)
{
    (void)state;
    expect(" {\"info\":{},\"annotations\":[{\"image_id\":7,\"id\":1,\"caption\":\"A dog.\\n\"},"
           "{\"image_id\":9,\"id\":2,\"caption\":\"Two cats\"},{\"image_id\":7,\"id\":3,\"caption\":\"A brown dog\"}],"
           "\"images\":[{\"id\":9,\"file_name\":\"2.jpg\"},{\"id\":7,\"file_name\":\"1.jpg\"}]}",
           both);
}

static const char karpathy[] =
    "{\"dataset\":\"coco\",\"images\":["
    "{\"filename\":\"1.jpg\",\"split\":\"train\",\"sentences\":[{\"raw\":\"A dog\",\"tokens\":[\"a\"]},"
    "{\"raw\":\"A brown dog\"}]},"
    "{\"filename\":\"2.jpg\",\"split\":\"restval\",\"sentences\":[{\"raw\":\"Two cats\"}]},"
    "{\"filename\":\"3.jpg\",\"filepath\":\"sub\",\"split\":\"val\",\"sentences\":[{\"raw\":\"A bird\"}]},"
    "{\"filename\":\"4.jpg\",\"split\":\"test\",\"sentences\":[{\"raw\":\"A fish\"}]}]}";

static void json_of_karpathy_is_divided_as_it_says(void **state)
{
    caption_dataset *train, *dev;
    caption_error err;
    char path[512], images[512];
    (void)state;
    expect_part(karpathy, CAPTION_PART_TRAIN, both);
    expect_part(karpathy, CAPTION_PART_DEV, "sub/3.jpg: a bird");
    expect_part(karpathy, CAPTION_PART_TEST, "4.jpg: a fish");
    strcpy(path, scratch_write("captions", karpathy, strlen(karpathy)));
    strcpy(images, scratch_path("."));
    assert_int_equal(caption_file_open_both(&train, &dev, images, path, images, NULL, 0.1, 1, &err), CAPTION_OK);
    assert_int_equal(caption_dataset_size(train), 2);
    assert_string_equal(caption_dataset_at(dev, 0)->file, "sub/3.jpg");
    caption_dataset_free(dev);
    caption_dataset_free(train);
}

static void json_lists_are_read(void **state)
{
    (void)state;
    expect("[{\"image\":\"1.jpg\",\"caption\":[\"A dog\",\"A brown dog\"]},{\"image\":\"2.jpg\",\"caption\":\"Two "
           "cats\"}]",
           both);
}

static void whatever_is_wrong_names_the_record(void **state)
{
    (void)state;
    static const struct {
        const char *text, *reason;
    } cases[] = {
        {"1.jpg#0\tA dog\n5.jpg#0\tA cow\n", "line 2: image "},
        {"1.jpg#0\tA dog\n1.jpg A dog\n", "line 2: has no tab"},
        {"1.jpg#0\tA dog\n1.jpg#1\t...\n", "line 2: the caption has no words"},
        {"1.jpg|0|A dog\n../1.jpg|0|A dog\n", "line 2: the image name leads out"},
        {"1.jpg|0|A dog\n/etc/passwd|0|A dog\n", "line 2: the image name leads out"},
        {"image,caption\n1.jpg,\"A dog\n", "line 2: a quotation mark does not close"},
        {"image,caption\n", "holds no captions"},
        {"{\"images\":[{\"id\":1}],\"annotations\":[]}", "image 1: needs a number id and a file_name"},
        {"{\"images\":[],\"annotations\":[{\"image_id\":5,\"caption\":\"a dog\"}]}",
         "annotation 1: image_id 5 is the id of none"},
        {"{\"images\":[{\"id\":1,\"file_name\":\"1.jpg\"}],\"annotations\":[{\"image_id\":1,\"caption\":\"a dog\"},"
         "{\"image_id\":1,\"bbox\":[]}]}",
         "annotation 2: needs a number image_id and a caption"},
        {"{\"images\":[{\"id\":1,\"file_name\":\"../1.jpg\"}],\"annotations\":[{\"image_id\":1,\"caption\":\"a "
         "dog\"}]}",
         "annotation 1: the image name leads out"},
        {"{\"images\":[{\"filename\":\"1.jpg\",\"split\":\"train\"}]}", "image 1: needs a filename and an array"},
        {"{\"images\":[{\"filename\":\"1.jpg\",\"split\":\"holiday\",\"sentences\":[]}]}", "image 1: split is none of"},
        {"{\"images\":[{\"filename\":\"1.jpg\",\"sentences\":[{\"raw\":7}]}]}", "image 1: a caption is no string"},
        {"[{\"image\":\"1.jpg\",\"caption\":\"a dog\"},{\"image\":\"1.jpg\"}]",
         "record 2: needs an image and its caption"},
        {"[7]", "record 1: needs an image"},
        {"{\"a\":\n1,\n]", "line 3: is not valid JSON"},
        {"{\"dogs\":[]}", "JSON of captions is COCO's"},
        {"{\"images\":[{\"filename\":\"1.jpg\",\"split\":\"val\",\"sentences\":[{\"raw\":\"a dog\"}]}]}",
         "holds no captions to learn from"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_refused(cases[i].text, cases[i].reason);
}

static int make_images(void **state)
{
    if (scratch_make(state) != 0)
        return -1;
    scratch_write("1.jpg", "", 0);
    scratch_write("2.jpg", "", 0);
    scratch_write("4.jpg", "", 0);
    mkdir(scratch_path("sub"), 0700);
    scratch_write("sub/3.jpg", "", 0);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_of_every_kind_are_read),           cmocka_unit_test(json_of_coco_is_read),
        cmocka_unit_test(json_of_karpathy_is_divided_as_it_says), cmocka_unit_test(json_lists_are_read),
        cmocka_unit_test(whatever_is_wrong_names_the_record),
    };
    return cmocka_run_group_tests(tests, make_images, scratch_remove);
}
