/* photo.c: see photo.h. */
#include "tests/support/photo.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STB_IMAGE_WRITE_STATIC
#include <stb/stb_image_write.h>

#include "tests/support/scratch.h"

static void append(photo *p, const void *bytes, size_t size)
{
    p->bytes = realloc(p->bytes, p->size + size + 1);
    assert_non_null(p->bytes);
    memcpy(p->bytes + p->size, bytes, size);
    p->size += size;
}

static void on_written(void *context, void *bytes, int size)
{
    append(context, bytes, (size_t)size);
}

static unsigned char *paint(int width, int height, unsigned seed)
{
    unsigned long long random = seed * 2654435761ULL + 1;
    unsigned char *rgb = malloc((size_t)width * (size_t)height * 3);
    assert_non_null(rgb);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            for (int k = 0; k < 3; k++) {
                double wave = sin((x * (k + 1) + seed % 97) * 9.0 / width) + cos((y + seed % 31) * 7.0 / height);
                rgb[(y * width + x) * 3 + k] = (unsigned char)(128 + 50 * wave + scratch_random(&random) % 20);
            }
    return rgb;
}

/* GIF without compression: each pixel a 7-bit colour in 8-bit codes, with a clear code often enough that the code size
 * never grows. */
static void write_gif(photo *p, int width, int height, const unsigned char *rgb)
{
    enum { CLEAR = 128, END = 129, RUN = 100 };
    unsigned char head[13] = {'G', 'I', 'F', '8', '9', 'a'}, frame[10] = {','};
    head[6] = frame[5] = (unsigned char)width, head[7] = frame[6] = (unsigned char)(width >> 8);
    head[8] = frame[7] = (unsigned char)height, head[9] = frame[8] = (unsigned char)(height >> 8);
    head[10] = 0xF6; /* a global table of 128 colours */
    append(p, head, sizeof head);
    for (int i = 0; i < 128; i++)
        append(p, (unsigned char[]){(unsigned char)(i * 2), (unsigned char)(i * 2), (unsigned char)(255 - i)}, 3);
    append(p, frame, sizeof frame);
    append(p, "\7", 1);
    for (int i = 0, n = width * height; i < n; i += RUN) {
        int run = n - i < RUN ? n - i : RUN;
        append(p, (unsigned char[]){(unsigned char)(run + 1), CLEAR}, 2);
        for (int j = i; j < i + run; j++)
            append(p, (unsigned char[]){rgb[3 * j] / 2}, 1);
    }
    append(p, (unsigned char[]){1, END, 0, ';'}, 4);
}

photo photo_make(const char *format, int width, int height, unsigned seed)
{
    photo p = {0};
    unsigned char *rgb = paint(width, height, seed);
    if (strcmp(format, "jpeg") == 0)
        stbi_write_jpg_to_func(on_written, &p, width, height, 3, rgb, 90);
    else if (strcmp(format, "png") == 0)
        stbi_write_png_to_func(on_written, &p, width, height, 3, rgb, width * 3);
    else if (strcmp(format, "bmp") == 0)
        stbi_write_bmp_to_func(on_written, &p, width, height, 3, rgb);
    else
        write_gif(&p, width, height, rgb);
    free(rgb);
    assert_true(p.size > 0);
    return p;
}

void photo_free(photo *p)
{
    free(p->bytes);
    *p = (photo){0};
}

char *photo_base64(const photo *p)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *text = malloc(p->size / 3 * 4 + 5), *out = text;
    assert_non_null(text);
    for (size_t i = 0; i < p->size; i += 3) {
        unsigned bits = 0;
        for (size_t k = 0; k < 3; k++)
            bits = bits << 8 | (i + k < p->size ? p->bytes[i + k] : 0);
        for (size_t k = 0; k < 4; k++)
            *out++ = i + k <= p->size ? digits[bits >> (18 - 6 * k) & 63] : '=';
    }
    *out = '\0';
    return text;
}

void photo_form_add(photo *form, const char *name, const void *bytes, size_t size)
{
    char head[256];
    int length = snprintf(head, sizeof head, "--%s\r\nContent-Disposition: form-data; name=\"%s\"\r\n\r\n",
                          PHOTO_BOUNDARY, name);
    append(form, head, (size_t)length);
    append(form, bytes, size);
    append(form, "\r\n", 2);
}

void photo_form_end(photo *form)
{
    append(form, "--" PHOTO_BOUNDARY "--\r\n", strlen(PHOTO_BOUNDARY) + 6);
}
