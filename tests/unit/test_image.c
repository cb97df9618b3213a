/* Photos in, 224 x 224 RGB out: every format and colour model, orientation, and what resizing keeps. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/caption.h"
#include "tests/support/picture.h"

enum { SIDE = CAPTION_IMAGE_SIDE, NEAR = SIDE / 4, FAR = SIDE - SIDE / 4 };

typedef struct quarters {
    unsigned char rgb[4][3]; /* upper left, upper right, lower left, lower right */
} quarters;

static const quarters coloured = {{{220, 30, 40}, {30, 160, 60}, {40, 60, 200}, {240, 210, 50}}};
static const quarters clear = {{{220, 30, 40}, {30, 160, 60}, {40, 60, 200}, {255, 255, 255}}};
static const quarters grey = {{{71, 71, 71}, {125, 125, 125}, {66, 66, 66}, {205, 205, 205}}};
static const quarters luma = {{{88, 88, 88}, {110, 110, 110}, {70, 70, 70}, {201, 201, 201}}}; /* of ITU-R BT.601 */
static const quarters clear_grey = {{{71, 71, 71}, {125, 125, 125}, {66, 66, 66}, {255, 255, 255}}};
static const quarters black_white = {{{0, 0, 0}, {255, 255, 255}, {0, 0, 0}, {255, 255, 255}}};

/* ---- helpers ----------------------------------------------------------------------------------------------------- */

static void decode(caption_image *image, const void *bytes, size_t size)
{
    caption_error err;
    if (caption_image_decode(image, bytes, size, NULL, &err) != CAPTION_OK)
        fail_msg("%s", err.message);
}

static const unsigned char *pixel(const caption_image *image, int x, int y)
{
    return image->rgb + (y * SIDE + x) * 3;
}

static void check_pixel(const caption_image *image, int x, int y, const unsigned char *expected, int tolerance)
{
    const unsigned char *found = pixel(image, x, y);
    for (int c = 0; c < 3; c++)
        if (abs(found[c] - expected[c]) > tolerance)
            fail_msg("(%d, %d) is %d %d %d, expected %d %d %d", x, y, found[0], found[1], found[2], expected[0],
                     expected[1], expected[2]);
}

static void check_quarters(const caption_image *image, const quarters *expected, int tolerance)
{
    for (int i = 0; i < 4; i++)
        check_pixel(image, i % 2 ? FAR : NEAR, i / 2 ? FAR : NEAR, expected->rgb[i], tolerance);
}

static void check_fixture(const char *name, const char *type, const quarters *expected, int tolerance)
{
    size_t size;
    unsigned char *bytes = picture_fixture(name, &size);
    caption_image image;
    int width, height;
    assert_string_equal(caption_image_type(bytes, size), type);
    assert_int_equal(caption_image_check(bytes, size, NULL, &width, &height, NULL), CAPTION_OK);
    decode(&image, bytes, size);
    const int cropped = strstr(name, "still") != NULL; /* coded in larger blocks, of which a property takes a part */
    assert_true(image.width == 32 && image.height == 24 && (cropped || (width == 32 && height == 24)));
    check_quarters(&image, expected, tolerance);
    free(bytes);
}

/* ---- formats ----------------------------------------------------------------------------------------------------- */

static void jpeg_of_every_kind_is_read(void **state)
{
    (void)state;
    check_fixture("baseline.jpg", "image/jpeg", &coloured, 4);
    check_fixture("four_to_one.jpg", "image/jpeg", &coloured, 4);
    check_fixture("progressive.jpg", "image/jpeg", &coloured, 4);
    check_fixture("restart.jpg", "image/jpeg", &coloured, 4);
    check_fixture("progressive_restart.jpg", "image/jpeg", &coloured, 4);
    check_fixture("rgb.jpg", "image/jpeg", &coloured, 4);
    check_fixture("grey.jpg", "image/jpeg", &grey, 4);
    check_fixture("cmyk.jpg", "image/jpeg", &coloured, 4);
    check_fixture("ycck.jpg", "image/jpeg", &coloured, 4);
    check_fixture("arithmetic.jpg", "image/jpeg", &coloured, 4);
}

static void png_of_every_kind_is_read(void **state)
{
    (void)state;
    check_fixture("rgb.png", "image/png", &coloured, 0);
    check_fixture("rgb16.png", "image/png", &coloured, 0);
    check_fixture("interlaced.png", "image/png", &coloured, 0);
    check_fixture("palette.png", "image/png", &coloured, 0);
    check_fixture("palette_alpha.png", "image/png", &clear, 0);
    check_fixture("rgba.png", "image/png", &clear, 0);
    check_fixture("rgba16_interlaced.png", "image/png", &clear, 0);
    check_fixture("grey.png", "image/png", &grey, 0);
    check_fixture("grey_alpha.png", "image/png", &clear_grey, 0);
    check_fixture("one_bit.png", "image/png", &black_white, 0);
}

static void bmp_of_every_kind_is_read(void **state)
{
    (void)state;
    check_fixture("rgb.bmp", "image/bmp", &coloured, 0);
    check_fixture("palette.bmp", "image/bmp", &coloured, 0);
    check_fixture("565.bmp", "image/bmp", &coloured, 8); /* five bits a channel */
    check_fixture("rgba.bmp", "image/bmp", &clear, 0);
    check_fixture("run_length.bmp", "image/bmp", &coloured, 0);
}

static void gif_of_every_kind_is_read(void **state)
{
    (void)state;
    check_fixture("plain.gif", "image/gif", &coloured, 0);
    check_fixture("interlaced.gif", "image/gif", &coloured, 0);
    check_fixture("transparent.gif", "image/gif", &clear, 0);
    check_fixture("animated.gif", "image/gif", &coloured, 0);
    static const quarters corner = {{{220, 30, 40}, {255, 255, 255}, {255, 255, 255}, {255, 255, 255}}};
    check_fixture("corner.gif", "image/gif", &corner, 0); /* a frame smaller than the screen */
}

/* One pixel of 32 bits, blue first, in a header of 56 bytes whose masks say what is alpha. */
static void decode_masked_pixel(caption_image *image, const unsigned char *pixel, int alpha_mask)
{
    unsigned char bmp[14 + 56 + 4] = {
        'B', 'M', [10] = 70, [14] = 56, [18] = 1, [22] = 1, [26] = 1, [28] = 32, [30] = 3};
    bmp[54 + 2] = bmp[58 + 1] = bmp[62] = 255; /* masks of red, green, blue */
    bmp[66 + 3] = alpha_mask ? 255 : 0;
    memcpy(bmp + 70, pixel, 4);
    decode(image, bmp, sizeof bmp);
}

static void webp_of_every_kind_is_read(void **state)
{
    (void)state;
    check_fixture("lossy.webp", "image/webp", &coloured, 12);
    check_fixture("lossless.webp", "image/webp", &coloured, 0);
    check_fixture("animated.webp", "image/webp", &coloured, 0);
    check_fixture("clear.webp", "image/webp", &clear, 0);
}

/* A build without a format says so, and what to send instead. */
static void check_optional(const char *name, const char *type, const quarters *expected, int tolerance, int built)
{
    if (built) {
        check_fixture(name, type, expected, tolerance);
        return;
    }
    size_t size;
    unsigned char *bytes = picture_fixture(name, &size);
    caption_image image;
    caption_error err;
    assert_int_equal(caption_image_decode(&image, bytes, size, NULL, &err), CAPTION_EUNSUPPORTED);
    assert_non_null(strstr(err.message, "this build was made without it"));
    free(bytes);
}

static void tiff_of_every_kind_is_read(void **state)
{
    (void)state;
#ifdef CAPTION_WITH_TIFF
    enum { BUILT = 1 };
#else
    enum { BUILT = 0 };
#endif
    check_optional("rgb.tif", "image/tiff", &coloured, 0, BUILT);
    check_optional("lzw.tif", "image/tiff", &coloured, 0, BUILT);
    check_optional("deflate.tif", "image/tiff", &coloured, 0, BUILT);
    check_optional("jpeg.tif", "image/tiff", &coloured, 6, BUILT);
    check_optional("palette.tif", "image/tiff", &coloured, 0, BUILT);
    check_optional("grey.tif", "image/tiff", &luma, 0, BUILT);
    check_optional("cmyk.tif", "image/tiff", &coloured, 1, BUILT);
    check_optional("rgba.tif", "image/tiff", &clear, 0, BUILT);
}

static void heic_and_avif_are_read(void **state)
{
    (void)state;
#ifdef CAPTION_WITH_HEIF
    enum { BUILT = 1 };
#else
    enum { BUILT = 0 };
#endif
    check_optional("still.heic", "image/heic", &coloured, 12, BUILT);
    check_optional("still.avif", "image/avif", &coloured, 12, BUILT);
}

static void half_transparent_pixels_are_laid_over_white(void **state)
{
    (void)state;
    caption_image image;
    decode_masked_pixel(&image, (unsigned char[]){0, 100, 200, 51}, 1);
    check_pixel(&image, 100, 100, (unsigned char[]){244, 224, 204}, 0); /* c * 0.2 + 255 * 0.8 */
}

static void bytes_that_are_no_alpha_are_not_used(void **state)
{
    (void)state;
    caption_image image;
    decode_masked_pixel(&image, (unsigned char[]){0, 100, 200, 51}, 0); /* no mask */
    check_pixel(&image, 100, 100, (unsigned char[]){200, 100, 0}, 0);
    decode_masked_pixel(&image, (unsigned char[]){0, 100, 200, 0}, 1); /* a writer that left all of it 0 */
    check_pixel(&image, 100, 100, (unsigned char[]){200, 100, 0}, 0);
    unsigned char plain[14 + 40 + 4] = {'B', 'M', [10] = 54, [14] = 40, [18] = 1, [22] = 1, [26] = 1, [28] = 32};
    memcpy(plain + 54, (unsigned char[]){0, 100, 200, 51}, 4);
    decode(&image, plain, sizeof plain);
    check_pixel(&image, 100, 100, (unsigned char[]){200, 100, 0}, 0);
}

/* ---- orientation ------------------------------------------------------------------------------------------------- */

/* The JPEG with an EXIF segment right behind its first marker. */
static unsigned char *with_orientation(const unsigned char *jpeg, size_t *size, int orientation, int big_endian)
{
    unsigned char exif[] = "\xff\xe1\x00\x22"
                           "Exif\0\0II\x2a\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x01\0\0\0\0\0\0";
    unsigned char exif_big[] = "\xff\xe1\x00\x22"
                               "Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x01\0\0\0\0\0";
    const size_t length = 4 + 0x20;
    unsigned char *segment = big_endian ? exif_big : exif;
    segment[28 + big_endian] = (unsigned char)orientation;
    unsigned char *out = malloc(*size + length);
    assert_non_null(out);
    memcpy(out, jpeg, 2);
    memcpy(out + 2, segment, length);
    memcpy(out + 2 + length, jpeg + 2, *size - 2);
    *size += length;
    return out;
}

/* Where the stored quarters (0 1 above 2 3) belong in the upright photo (EXIF 2.3, 4.6.4 A, tag 0x0112). */
static const int upright[9][4] = {[1] = {0, 1, 2, 3}, [2] = {1, 0, 3, 2}, [3] = {3, 2, 1, 0}, [4] = {2, 3, 0, 1},
                                  [5] = {0, 2, 1, 3}, [6] = {2, 0, 3, 1}, [7] = {3, 1, 2, 0}, [8] = {1, 3, 0, 2}};

static void every_orientation_comes_out_upright(void **state)
{
    (void)state;
    for (int orientation = 1; orientation <= 8; orientation++)
        for (int big_endian = 0; big_endian <= 1; big_endian++) {
            size_t size;
            unsigned char *jpeg = picture_fixture("baseline.jpg", &size);
            unsigned char *turned = with_orientation(jpeg, &size, orientation, big_endian);
            caption_image image;
            quarters expected;
            for (int i = 0; i < 4; i++)
                memcpy(expected.rgb[i], coloured.rgb[upright[orientation][i]], 3);
            decode(&image, turned, size);
            check_quarters(&image, &expected, 4);
            assert_int_equal(image.width, orientation < 5 ? 32 : 24);
            assert_int_equal(image.height, orientation < 5 ? 24 : 32);
            free(jpeg);
            free(turned);
        }
}

static void nonsense_in_exif_does_not_spoil_the_photo(void **state)
{
    (void)state;
    for (int at = 10; at < 36; at++)
        for (int value = 0; value < 256; value += 51) {
            size_t size;
            unsigned char *jpeg = picture_fixture("baseline.jpg", &size);
            unsigned char *odd = with_orientation(jpeg, &size, 1, at & 1);
            odd[2 + at] = (unsigned char)value;
            caption_image image;
            decode(&image, odd, size);
            free(jpeg);
            free(odd);
        }
}

/* ---- resizing ---------------------------------------------------------------------------------------------------- */

static void noise(int x, int y, unsigned char *rgb)
{
    unsigned value = (unsigned)(x * 7919 + y * 104729) * 2654435761u;
    rgb[0] = (unsigned char)(value >> 24);
    rgb[1] = (unsigned char)(value >> 16);
    rgb[2] = (unsigned char)(value >> 8);
}

static void chequers(int x, int y, unsigned char *rgb)
{
    memset(rgb, (x + y) % 2 ? 255 : 0, 3);
}

static void ramp(int x, int y, unsigned char *rgb)
{
    rgb[0] = (unsigned char)x;
    rgb[1] = (unsigned char)y;
    rgb[2] = 7;
}

static void orange(int x, int y, unsigned char *rgb)
{
    (void)x, (void)y;
    memcpy(rgb, (unsigned char[]){250, 120, 10}, 3);
}

static void decode_picture(caption_image *image, int width, int height, void (*colour)(int, int, unsigned char *))
{
    size_t size;
    unsigned char *bmp = picture_bmp(width, height, colour, &size);
    decode(image, bmp, size);
    assert_true(image->width == width && image->height == height);
    free(bmp);
}

static void a_photo_of_the_right_size_keeps_its_exact_pixels(void **state)
{
    (void)state;
    caption_image image;
    decode_picture(&image, SIDE, SIDE, noise);
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            unsigned char rgb[3];
            noise(x, y, rgb);
            assert_memory_equal(pixel(&image, x, y), rgb, 3);
        }
}

static void shrinking_averages_instead_of_picking(void **state)
{
    (void)state;
    caption_image image;
    decode_picture(&image, 2 * SIDE, 2 * SIDE, chequers);
    for (int i = 0; i < SIDE; i++)
        check_pixel(&image, i, SIDE / 2, (unsigned char[]){127, 127, 127}, 2);
}

/* The definition: every input weighs 1 - |distance| / reach, reach = max(1, input size / output size). */
static double triangle(int output, int outputs, int input, int inputs)
{
    double step = (double)inputs / outputs, reach = step > 1 ? step : 1;
    double weight = 1 - fabs(input + 0.5 - (output + 0.5) * step) / reach;
    return weight > 0 ? weight : 0;
}

static double defined_value(int x, int y, int width, int height, int channel)
{
    double sum = 0, total = 0;
    for (int j = 0; j < height; j++)
        for (int i = 0; i < width; i++) {
            double weight = triangle(x, SIDE, i, width) * triangle(y, SIDE, j, height);
            unsigned char rgb[3];
            noise(i, j, rgb);
            total += weight;
            sum += weight * rgb[channel];
        }
    return sum / total;
}

static void resizing_is_the_mean_under_a_triangle(void **state)
{
    (void)state;
    static const int sizes[][2] = {{500, 375}, {100, 130}, {3, 700}, {700, 3}, {225, 223}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        caption_image image;
        decode_picture(&image, sizes[i][0], sizes[i][1], noise);
        for (int at = 0; at < SIDE; at += 31)
            for (int c = 0; c < 3; c++) {
                double expected = defined_value(at, SIDE - 1 - at, sizes[i][0], sizes[i][1], c);
                assert_true(fabs(pixel(&image, at, SIDE - 1 - at)[c] - expected) < 0.501);
            }
    }
}

/* Output pixel i looks at the input around (i + 1/2) * 256 / 224 - 1/2. */
static void resizing_keeps_positions(void **state)
{
    (void)state;
    caption_image image;
    decode_picture(&image, 256, 256, ramp);
    for (int i = 2; i < SIDE - 2; i++) {
        unsigned char at = (unsigned char)((i + 0.5) * 256 / SIDE);
        check_pixel(&image, i, i, (unsigned char[]){at, at, 7}, 1);
    }
}

static void any_shape_and_size_keeps_its_colour(void **state)
{
    (void)state;
    static const int sizes[][2] = {{1, 1},     {1, 60000}, {60000, 1},   {2, 3},
                                   {223, 225}, {224, 1},   {3000, 2000}, {7, 20000}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        caption_image image;
        decode_picture(&image, sizes[i][0], sizes[i][1], orange);
        for (int at = 0; at < SIDE; at++)
            check_pixel(&image, at, SIDE - 1 - at, (unsigned char[]){250, 120, 10}, 1);
    }
}

int main(void)
{
    caption_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jpeg_of_every_kind_is_read),
        cmocka_unit_test(png_of_every_kind_is_read),
        cmocka_unit_test(bmp_of_every_kind_is_read),
        cmocka_unit_test(gif_of_every_kind_is_read),
        cmocka_unit_test(webp_of_every_kind_is_read),
        cmocka_unit_test(tiff_of_every_kind_is_read),
        cmocka_unit_test(heic_and_avif_are_read),
        cmocka_unit_test(half_transparent_pixels_are_laid_over_white),
        cmocka_unit_test(bytes_that_are_no_alpha_are_not_used),
        cmocka_unit_test(every_orientation_comes_out_upright),
        cmocka_unit_test(nonsense_in_exif_does_not_spoil_the_photo),
        cmocka_unit_test(a_photo_of_the_right_size_keeps_its_exact_pixels),
        cmocka_unit_test(shrinking_averages_instead_of_picking),
        cmocka_unit_test(resizing_is_the_mean_under_a_triangle),
        cmocka_unit_test(resizing_keeps_positions),
        cmocka_unit_test(any_shape_and_size_keeps_its_colour),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
