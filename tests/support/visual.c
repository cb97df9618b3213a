/* visual.c: see visual.h. */
#include "tests/support/visual.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "tests/support/dataset.h"
#include "tests/support/picture.h"
#include "tests/support/scratch.h"

enum { PATIENCE_S = 600, LOOK_MS = 20 };

const char visual_cat[] = "Egyptian cat";

/* ---- photos ------------------------------------------------------------------------------------------------------ */

photo visual_photo(void)
{
    photo cat;
    cat.bytes = scratch_read("docs/images/chelsea.jpg", &cat.size);
    return cat;
}

/* For `paint`, which is told nothing but a place. */
static struct scene {
    caption_image cat;
    int left, top, size;
} scene;

static void paint(int x, int y, unsigned char *rgb)
{
    int u = x - scene.left, v = y - scene.top;
    memset(rgb, 128, 3);
    if (u < 0 || v < 0 || u >= scene.size || v >= scene.size)
        return;
    u = u * CAPTION_IMAGE_SIDE / scene.size;
    v = v * CAPTION_IMAGE_SIDE / scene.size;
    memcpy(rgb, scene.cat.rgb + (v * CAPTION_IMAGE_SIDE + u) * 3, 3);
}

photo visual_cat_at(int side, int left, int top, int size)
{
    caption_error err;
    photo cat = visual_photo(), out;
    assert_int_equal(caption_image_decode(&scene.cat, cat.bytes, cat.size, NULL, &err), CAPTION_OK);
    photo_free(&cat);
    scene.left = left;
    scene.top = top;
    scene.size = size;
    out.bytes = picture_bmp(side, side, paint, &out.size);
    return out;
}

/* ---- asking ------------------------------------------------------------------------------------------------------ */

static reply post(const captiond *c, const photo *image, const char *accept, const char *path, va_list arguments)
{
    char text[512], header[64];
    vsnprintf(text, sizeof text, path, arguments);
    snprintf(header, sizeof header, "Accept: %s", accept ? accept : "*/*");
    return client_ask(c, &(request){.path = text,
                                    .method = "POST",
                                    .type = image ? "application/octet-stream" : NULL,
                                    .body = image ? image->bytes : NULL,
                                    .size = image ? image->size : 0,
                                    .headers = (const char *const[]){header, NULL}});
}

reply visual_post(const captiond *c, const photo *image, const char *accept, const char *path, ...)
{
    va_list arguments;
    va_start(arguments, path);
    reply r = post(c, image, accept, path, arguments);
    va_end(arguments);
    return r;
}

long long visual_submit(const captiond *c, const photo *image, const char *path, ...)
{
    char kind[16] = "";
    va_list arguments;
    va_start(arguments, path);
    reply r = post(c, image, NULL, path, arguments);
    va_end(arguments);
    assert_int_equal(sscanf(path, "/v1/%15[a-z]", kind), 1);
    return client_expect_job(&r, kind);
}

void visual_wait_step(const captiond *c, long long id, int step)
{
    const struct timespec pause = {0, LOOK_MS * 1000000L};
    time_t until = time(NULL) + PATIENCE_S;
    for (int there = 0; !there;) {
        reply job = dataset_ask(c, "GET", "/v1/jobs/%lld", id);
        assert_int_equal(job.status, 200);
        const cJSON *progress = cJSON_GetObjectItemCaseSensitive(job.json, "progress");
        const cJSON *at = cJSON_GetObjectItemCaseSensitive(progress, "step");
        there = cJSON_IsNumber(at) && at->valuedouble >= step;
        if (!there && cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(job.json, "ended")) == 0)
            fail_msg("it has ended: %s", job.body);
        reply_free(&job);
        assert_true(time(NULL) < until);
        if (!there)
            nanosleep(&pause, NULL);
    }
}

/* ---- pictures ---------------------------------------------------------------------------------------------------- */

caption_picture visual_decode(const reply *r)
{
    caption_error err;
    caption_picture picture;
    assert_int_equal(r->status, 200);
    assert_string_equal(reply_header(r, "Content-Type"), "image/png");
    const char *type = caption_image_type(r->body, r->size);
    assert_non_null(type);
    assert_string_equal(type, "image/png");
    if (caption_picture_decode(&picture, r->body, r->size, NULL, 0, &err))
        fail_msg("%s", err.message);
    return picture;
}

caption_picture fetch_visual_picture(const captiond *c, const char *url)
{
    reply r = dataset_ask(c, "GET", "%s", url);
    caption_picture picture = visual_decode(&r);
    reply_free(&r);
    return picture;
}

int visual_count_files(long long id, const char *prefix)
{
    char name[64];
    int n = 0;
    snprintf(name, sizeof name, "data/jobs/%lld", id);
    DIR *directory = opendir(scratch_path(name));
    for (const struct dirent *file; directory && (file = readdir(directory));)
        n += strncmp(file->d_name, prefix, strlen(prefix)) == 0;
    if (directory)
        closedir(directory);
    return n;
}
