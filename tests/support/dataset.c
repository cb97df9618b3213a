/* dataset.c: see dataset.h. */
#include "tests/support/dataset.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

reply dataset_ask(const captiond *c, const char *method, const char *path, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, path);
    vsnprintf(text, sizeof text, path, arguments);
    va_end(arguments);
    return client_ask(c, &(request){.path = text, .method = method});
}

void dataset_make(const captiond *c, const char *name)
{
    reply r = dataset_ask(c, "PUT", "/v1/datasets/%s", name);
    assert_int_equal(r.status, 201);
    reply_free(&r);
}

photo dataset_form(const photo *image, const char *const *captions)
{
    photo form = {0};
    photo_form_add(&form, "image", image->bytes, image->size);
    for (int i = 0; captions[i]; i++)
        photo_form_add(&form, "caption", captions[i], strlen(captions[i]));
    photo_form_end(&form);
    return form;
}

reply dataset_add(const captiond *c, const char *name, const photo *image, const char *const *captions)
{
    char path[256];
    snprintf(path, sizeof path, "/v1/datasets/%s/items", name);
    photo form = dataset_form(image, captions);
    reply r = client_ask(c, &(request){.path = path, .type = PHOTO_FORM_TYPE, .body = form.bytes, .size = form.size});
    photo_free(&form);
    return r;
}

long long dataset_fill(const captiond *c, const char *name, unsigned seed, const char *caption)
{
    photo image = photo_make("png", 40, 30, seed);
    reply r = dataset_add(c, name, &image, (const char *const[]){caption, NULL});
    if (r.status != 201)
        fprintf(stderr, "status %ld: %s\n", r.status, r.body ? r.body : "(no body)");
    assert_int_equal(r.status, 201);
    long long id = (long long)reply_number(&r, "id");
    photo_free(&image);
    reply_free(&r);
    return id;
}

int dataset_count_files(const char *data)
{
    char path[512];
    int n = 0;
    snprintf(path, sizeof path, "%s/images", data);
    DIR *directory = opendir(path);
    assert_non_null(directory);
    for (const struct dirent *file; (file = readdir(directory)) != NULL;)
        n += !strchr(file->d_name, '.'); /* beside each lies what is said of it */
    closedir(directory);
    return n;
}
