/* Pictures that lie, stop early or were scribbled on: refused with the right status, never a crash, never a cost that
 * the file's bytes do not pay for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

#include "model/caption.h"
#include "tests/support/picture.h"
#include "tests/support/scratch.h"

static const char *const fixtures[] = {
    "baseline.jpg",
    "four_to_one.jpg",
    "progressive.jpg",
    "restart.jpg",
    "progressive_restart.jpg",
    "rgb.jpg",
    "grey.jpg",
    "cmyk.jpg",
    "ycck.jpg",
    "rgb.png",
    "rgb16.png",
    "interlaced.png",
    "palette.png",
    "palette_alpha.png",
    "rgba.png",
    "rgba16_interlaced.png",
    "grey.png",
    "grey_alpha.png",
    "one_bit.png",
    "rgb.bmp",
    "palette.bmp",
    "565.bmp",
    "rgba.bmp",
    "plain.gif",
    "interlaced.gif",
    "transparent.gif",
    "animated.gif",
    "corner.gif",
    "arithmetic.jpg",
    "run_length.bmp",
    "lossy.webp",
    "lossless.webp",
    "animated.webp",
    "clear.webp",
#ifdef CAPTION_WITH_TIFF
    "rgb.tif",
    "lzw.tif",
    "deflate.tif",
    "jpeg.tif",
    "palette.tif",
    "grey.tif",
    "cmyk.tif",
    "rgba.tif",
#endif
#ifdef CAPTION_WITH_HEIF
    "still.heic",
    "still.avif",
#endif
};
enum { FIXTURES = sizeof fixtures / sizeof *fixtures };

/* ---- helpers ----------------------------------------------------------------------------------------------------- */

static void check_refused(const void *bytes, size_t size, int code, const char *reason)
{
    caption_image image;
    caption_error err = {""};
    assert_int_equal(caption_image_decode(&image, bytes, size, NULL, &err), code);
    if (!strstr(err.message, reason))
        fail_msg("expected \"%s\" in \"%s\"", reason, err.message);
}

/* Refused by the header alone. */
static void check_header_refused(const void *bytes, size_t size, int code, const char *reason)
{
    int width, height;
    caption_error err = {""};
    assert_int_equal(caption_image_check(bytes, size, NULL, &width, &height, &err), code);
    if (!strstr(err.message, reason))
        fail_msg("expected \"%s\" in \"%s\"", reason, err.message);
    check_refused(bytes, size, code, reason);
}

/* A string literal as bytes and their number. */
#define BYTES(literal) literal, sizeof(literal) - 1

/* The position of `wanted` behind `from`. */
static size_t find(const unsigned char *bytes, size_t size, size_t from, const void *wanted, size_t wanted_size)
{
    const unsigned char *found = memmem(bytes + from, size - from, wanted, wanted_size);
    assert_non_null(found);
    return (size_t)(found - bytes);
}

/* ---- what is no picture ------------------------------------------------------------------------------------------ */

static void other_types_are_unsupported(void **state)
{
    (void)state;
    assert_null(caption_image_type("", 0));
    check_header_refused("", 0, CAPTION_EUNSUPPORTED, "not an image of a format that is read: JPEG, PNG, WebP");
    check_header_refused(BYTES("hello"), CAPTION_EUNSUPPORTED, "not an image");
    /* 18 bytes of TGA that claim 65535 x 65535 */
    check_header_refused(BYTES("\0\0\x0a\0\0\0\0\0\0\0\0\0\xff\xff\xff\xff\x18\0"), CAPTION_EUNSUPPORTED,
                         "not an image");
    check_header_refused(BYTES("GIF88a\1\0\1\0\0\0\0"), CAPTION_EUNSUPPORTED, "neither GIF87a nor GIF89a");
}

static void formats_we_do_not_read_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        const char *name;
    } files[] = {
        {BYTES("\xff\x0a\x7f\x00"), "JPEG XL"},
        {BYTES("\0\0\0\x0cJXL \r\n\x87\n"), "JPEG XL"},
        {BYTES("\0\0\0\x0cjP  \r\n\x87\n"), "JPEG 2000"},
        {BYTES("<svg/>"), "SVG"},
        {BYTES("\xef\xbb\xbf <?xml version='1.0'?><!-- c --><svg xmlns='http://www.w3.org/2000/svg'/>"), "SVG"},
        {BYTES("<!DOCTYPE html><html>"), "an HTML page"},
        {BYTES("%PDF-1.7\n"), "PDF"},
        {BYTES("II*\0\x10\0\0\0CR\2\0"), "Canon RAW (CR2)"},
        {BYTES("\0\0\0\x18"
               "ftypcrx \0\0\0\1"),
         "Canon RAW (CR3)"},
        {BYTES("FUJIFILMCCD-RAW 0201"), "Fujifilm RAW"},
        {BYTES("\0\0\0\x20"
               "ftypisom\0\0\2\0isom"),
         "MP4"},
        {BYTES("\0\0\0\x14"
               "ftypqt  \0\0\2\0"),
         "QuickTime"},
        {BYTES("\x1a\x45\xdf\xa3\x01"), "WebM"},
        {BYTES("RIFF\x24\0\0\0AVI LIST"), "AVI"},
        {BYTES("8BPS\0\1"), "Photoshop"},
        {BYTES("\0\0\1\0\1\0\x10\x10"), "a Windows icon"},
        {BYTES("PK\3\4\x14"), "a ZIP archive"},
        {BYTES("{\"image\": 1}"), "JSON"},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        assert_null(caption_image_type(files[i].bytes, files[i].size));
        check_header_refused(files[i].bytes, files[i].size, CAPTION_EUNSUPPORTED, files[i].name);
    }
}

static void kinds_we_do_not_read_are_named(void **state)
{
    (void)state;
    check_header_refused(BYTES("\xff\xd8\xff\xc3\0\x0b\x08\0\1\0\1\1\1\x11\0"), CAPTION_EUNSUPPORTED,
                         "SOF3 (lossless, hierarchical)");
    check_header_refused(BYTES("\xff\xd8\xff\xc0\0\x0b\x0c\0\1\0\1\1\1\x11\0"), CAPTION_EUNSUPPORTED,
                         "12 bits a sample");
    check_header_refused(BYTES("\xff\xd8\xff\xc0\0\x0b\x08\0\0\0\1\1\1\x11\0"), CAPTION_EUNSUPPORTED, "a height told");
    unsigned char bmp[54] = {'B', 'M', [10] = 54, [14] = 40, [18] = 1, [22] = 1, [26] = 1, [28] = 24, [30] = 4};
    check_header_refused(bmp, sizeof bmp, CAPTION_EUNSUPPORTED, "a JPEG inside");
}

/* ---- headers that claim too much --------------------------------------------------------------------------------- */

static void headers_beyond_the_limit_are_refused_before_decoding(void **state)
{
    (void)state;
    check_header_refused(BYTES("GIF89a\xff\xff\xff\xff\0\0\0,\0\0\0\0\1\0\1\0\0\2\2D\1\0;"), CAPTION_ELIMIT,
                         "65535 x 65535 pixels: more than the limit");
    check_header_refused(BYTES("\xff\xd8\xff\xc0\0\x0b\x08\xff\xff\xff\xff\1\1\x11\0"), CAPTION_ELIMIT,
                         "65535 x 65535");
    check_header_refused(BYTES("BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\xff\xff\xff\x7f\1\0\0\x80\1\0\x18\0\0\0\0\0"
                               "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
                         CAPTION_ELIMIT, "2147483647 x 2147483647");
    unsigned char png[] = "\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\x7f\xff\xff\xff\x7f\xff\xff\xff\x08\2\0\0\0....";
    uint32_t crc = (uint32_t)crc32(0, png + 12, 17);
    for (int i = 0; i < 4; i++)
        png[29 + i] = (unsigned char)(crc >> (24 - 8 * i));
    check_header_refused(png, sizeof png - 1, CAPTION_ELIMIT, "2147483647 x 2147483647");
}

static void the_limit_is_the_callers(void **state)
{
    (void)state;
    size_t size;
    unsigned char *bytes = picture_fixture("rgb.png", &size);
    int width, height;
    assert_int_equal(
        caption_image_check(bytes, size, &(caption_image_limits){.max_pixels = 767}, &width, &height, NULL),
        CAPTION_ELIMIT);
    assert_int_equal(
        caption_image_check(bytes, size, &(caption_image_limits){.max_pixels = 768}, &width, &height, NULL),
        CAPTION_OK);
    free(bytes);
}

static void headers_without_a_size_are_corrupt(void **state)
{
    (void)state;
    check_header_refused(BYTES("GIF89a\0\0\1\0\0\0\0,\0\0\0\0\0\0\1\0\0"), CAPTION_EFORMAT, "impossible size 0 x 1");
    check_header_refused(BYTES("GIF89a\1"), CAPTION_EFORMAT, "ends inside its header");
    check_header_refused(BYTES("\xff\xd8\xff\xc0\0\x0b\x08\0\1\0\0\1\1\x11\0"), CAPTION_EFORMAT,
                         "impossible size 0 x 1");
    check_header_refused(BYTES("\xff\xd8\xff\xe0\0\2\xff\xd9"), CAPTION_EFORMAT, "no frame header");
    check_header_refused(BYTES("BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\0\0\0\0\1\0\0\0\1\0\x18\0\0\0\0\0"
                               "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
                         CAPTION_EFORMAT, "impossible size 0 x 1");
    check_header_refused(BYTES("\x89PNG\r\n\x1a\n\0\0\0\0IDAT\x35\xaf\x06\x1e"), CAPTION_EFORMAT,
                         "does not begin with an IHDR");
}

/* ---- streams that hold more than promised ------------------------------------------------------------------------ */

static void put_chunk(unsigned char **at, const char *type, const void *data, size_t size)
{
    unsigned char *out = *at;
    for (int i = 0; i < 4; i++)
        out[i] = (unsigned char)(size >> (24 - 8 * i));
    memcpy(out + 4, type, 4);
    memcpy(out + 8, data, size);
    uLong crc = crc32(0, out + 4, (uInt)size + 4);
    for (int i = 0; i < 4; i++)
        out[8 + size + (size_t)i] = (unsigned char)(crc >> (24 - 8 * i));
    *at += size + 12;
}

/* A grey PNG whose one IDAT holds `raw`. */
static unsigned char *grey_png(unsigned width, unsigned height, const void *raw, size_t raw_size, size_t *size)
{
    uLongf packed_size = compressBound(raw_size);
    unsigned char *packed = malloc(packed_size), *png = malloc(packed_size + 100), *at = png + 8;
    assert_true(packed && png && compress(packed, &packed_size, raw, raw_size) == Z_OK);
    memcpy(png, "\x89PNG\r\n\x1a\n", 8);
    const unsigned char header[13] = {0, 0, 0, (unsigned char)width, 0, 0, 0, (unsigned char)height, 8};
    put_chunk(&at, "IHDR", header, sizeof header);
    put_chunk(&at, "IDAT", packed, packed_size);
    put_chunk(&at, "IEND", "", 0);
    free(packed);
    *size = (size_t)(at - png);
    return png;
}

/* 64 MB behind the one pixel are neither inflated nor held against the picture. */
static void what_a_png_holds_beyond_its_rows_does_not_matter(void **state)
{
    (void)state;
    const size_t raw_size = 64 << 20;
    void *raw = calloc(1, raw_size);
    assert_non_null(raw);
    size_t size;
    unsigned char *png = grey_png(1, 1, raw, raw_size, &size);
    caption_image image;
    assert_int_equal(caption_image_decode(&image, png, size, &(caption_image_limits){.max_memory = 8 << 20}, NULL),
                     CAPTION_OK);
    free(png);
    png = grey_png(8, 8, raw, 71, &size);
    check_refused(png, size, CAPTION_EFORMAT, "PNG: corrupt after 7 of 8 rows");
    free(png);
    free(raw);
}

/* One scan of a progressive file again and again: each would cost a pass over all blocks. */
static void a_jpeg_of_a_thousand_scans_is_refused(void **state)
{
    (void)state;
    size_t size;
    unsigned char *jpeg = picture_fixture("progressive.jpg", &size);
    size_t scan = find(jpeg, size, 0, "\xff\xda", 2);
    size_t next = find(jpeg, size, scan + 2, "\xff\xc4", 2);
    unsigned char *bomb = malloc(size + 1000 * (next - scan)), *at = bomb;
    assert_non_null(bomb);
    memcpy(at, jpeg, scan);
    at += scan;
    for (int i = 0; i < 1000; i++, at += next - scan)
        memcpy(at, jpeg + scan, next - scan);
    memcpy(at, jpeg + next, size - next);
    check_refused(bomb, (size_t)(at - bomb) + size - next, CAPTION_ELIMIT, "more than 100 scans");
    free(bomb);
    free(jpeg);
}

/* ---- damage ------------------------------------------------------------------------------------------------------ */

/* Browsers show a file that lacks its end marker: what is accepted must be the whole picture. */
static void a_truncation_is_refused_unless_every_pixel_is_there(void **state)
{
    (void)state;
    enum { END_MARKERS = 24 }; /* bytes of what may be missing: an end marker, a checksum, padding */
    for (int i = 0; i < FIXTURES; i++) {
        size_t size, accepted = 0;
        unsigned char *bytes = picture_fixture(fixtures[i], &size);
        caption_image image, whole;
        assert_int_equal(caption_image_decode(&whole, bytes, size, NULL, NULL), CAPTION_OK);
        for (size_t length = 0; length < size; length++) {
            unsigned char *part = malloc(length + !length); /* exactly: the sanitizers see the first byte too far */
            assert_non_null(part);
            memcpy(part, bytes, length);
            if (caption_image_decode(&image, part, length, NULL, NULL) == CAPTION_OK) {
                if (memcmp(image.rgb, whole.rgb, sizeof image.rgb) != 0)
                    fail_msg("%s passes with %zu of %zu bytes", fixtures[i], length, size);
                accepted++;
            }
            free(part);
        }
        if (accepted > END_MARKERS && !strstr(fixtures[i], "animated"))
            fail_msg("%s passes without its last %zu bytes", fixtures[i], accepted);
        free(bytes);
    }
}

/* Half a JPEG that pretends to be whole: other decoders show a grey half. (A progressive file that ends behind one of
 * its scans is whole by the standard, so only its first scan is cut here.) */
static void a_jpeg_cut_short_and_closed_again_is_refused(void **state)
{
    (void)state;
    static const char *const names[] = {"baseline.jpg", "progressive.jpg", "restart.jpg", "progressive_restart.jpg",
                                        "grey.jpg"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t size;
        unsigned char *bytes = picture_fixture(names[i], &size);
        size_t data = find(bytes, size, 0, "\xff\xda", 2);
        data += 2 + bytes[data + 3];
        size_t end = find(bytes, size, data, strstr(names[i], "progressive") ? "\xff\xc4" : "\xff\xd9", 2);
        for (size_t length = data; length < end; length++) {
            unsigned char *part = malloc(length + 2);
            assert_non_null(part);
            memcpy(part, bytes, length);
            memcpy(part + length, "\xff\xd9", 2);
            check_refused(part, length + 2, CAPTION_EFORMAT, "JPEG: ");
            free(part);
        }
        free(bytes);
    }
}

/* libjpeg, and with it every browser, finds its way back at the next restart marker. */
static void junk_at_a_restart_marker_is_overcome(void **state)
{
    (void)state;
    size_t size;
    unsigned char *bytes = picture_fixture("restart.jpg", &size), *longer = malloc(size + 3);
    assert_non_null(longer);
    caption_image image, whole;
    assert_int_equal(caption_image_decode(&whole, bytes, size, NULL, NULL), CAPTION_OK);
    const size_t at = find(bytes, size, 0, "\xff\xd1", 2);
    memcpy(longer, bytes, at);
    memcpy(longer + at, "\x12\x34\x56", 3);
    memcpy(longer + at + 3, bytes + at, size - at);
    assert_int_equal(caption_image_decode(&image, longer, size + 3, NULL, NULL), CAPTION_OK);
    assert_memory_equal(image.rgb, whole.rgb, sizeof image.rgb);
    bytes[at + 1] = 0xd3;
    assert_int_equal(caption_image_decode(&image, bytes, size, NULL, NULL), CAPTION_OK);
    free(longer);
    free(bytes);
}

static void only_the_checksum_of_a_pngs_header_matters(void **state)
{
    (void)state;
    size_t size;
    unsigned char *bytes = picture_fixture("rgb.png", &size);
    caption_image image, whole;
    assert_int_equal(caption_image_decode(&whole, bytes, size, NULL, NULL), CAPTION_OK);
    for (size_t at = 8; at < 33; at++) {
        bytes[at] ^= 0x10;
        assert_int_equal(caption_image_decode(&image, bytes, size, NULL, NULL), CAPTION_EFORMAT);
        bytes[at] ^= 0x10;
    }
    const size_t data = find(bytes, size, 33, "IDAT", 4);
    const size_t length = (size_t)bytes[data - 2] << 8 | bytes[data - 1];
    for (size_t at = data + 4 + length; at < size; at++) { /* the checksum of IDAT and all of IEND */
        bytes[at] ^= 0x10;
        assert_int_equal(caption_image_decode(&image, bytes, size, NULL, NULL), CAPTION_OK);
        assert_memory_equal(image.rgb, whole.rgb, sizeof image.rgb);
        bytes[at] ^= 0x10;
    }
    free(bytes);
}

static void a_bmp_pixel_outside_its_palette_is_black(void **state)
{
    (void)state;
    unsigned char bmp[14 + 40 + 4 + 4] = {
        'B', 'M', [10] = 58, [14] = 40, [18] = 1, [22] = 1, [26] = 1, [28] = 8, [46] = 1};
    memset(bmp + 54, 77, 3); /* the one colour */
    caption_image image;
    for (int index = 0; index < 2; index++) {
        bmp[58] = (unsigned char)index;
        assert_int_equal(caption_image_decode(&image, bmp, sizeof bmp, NULL, NULL), CAPTION_OK);
        assert_int_equal(image.rgb[0], index ? 0 : 77);
    }
}

static void a_png_pixel_outside_its_palette_is_black(void **state)
{
    (void)state;
    static const unsigned char header[13] = {0, 0, 0, 1, 0, 0, 0, 1, 8, 3}, colour[3] = {1, 2, 3}, raw[2] = {0, 200};
    unsigned char png[256] = "\x89PNG\r\n\x1a\n", packed[64], *at = png + 8;
    uLongf packed_size = sizeof packed;
    assert_int_equal(compress(packed, &packed_size, raw, sizeof raw), Z_OK);
    put_chunk(&at, "IHDR", header, sizeof header);
    put_chunk(&at, "PLTE", colour, sizeof colour);
    put_chunk(&at, "IDAT", packed, packed_size);
    put_chunk(&at, "IEND", "", 0);
    caption_image image;
    assert_int_equal(caption_image_decode(&image, png, (size_t)(at - png), NULL, NULL), CAPTION_OK);
    assert_memory_equal(image.rgb, ((unsigned char[3]){0, 0, 0}), 3);
}

static void what_follows_the_end_of_a_picture_does_not_matter(void **state)
{
    (void)state;
    for (int i = 0; i < FIXTURES; i++) {
        size_t size;
        unsigned char *bytes = picture_fixture(fixtures[i], &size), *longer = malloc(size + 100);
        caption_image image;
        assert_non_null(longer);
        memcpy(longer, bytes, size);
        memset(longer + size, 0xff, 100);
        assert_int_equal(caption_image_decode(&image, longer, size + 100, NULL, NULL), CAPTION_OK);
        free(bytes);
        free(longer);
    }
}

static void thousands_of_mutations_never_crash(void **state)
{
    (void)state;
    unsigned long long seed = 7;
    const caption_image_limits limits = {.max_pixels = 1 << 20}; /* keeps mutated sizes cheap */
    for (int i = 0; i < FIXTURES; i++) {
        size_t size;
        unsigned char *bytes = picture_fixture(fixtures[i], &size), *mutant = malloc(size);
        assert_non_null(mutant);
        for (int round = 0; round < 300; round++) {
            caption_image image;
            memcpy(mutant, bytes, size);
            for (unsigned flips = 1 + scratch_random(&seed) % 8; flips > 0; flips--)
                mutant[scratch_random(&seed) % size] ^= 1 << scratch_random(&seed) % 8;
            caption_image_decode(&image, mutant, size, &limits, NULL);
        }
        free(bytes);
        free(mutant);
    }
}

int main(void)
{
    caption_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(other_types_are_unsupported),
        cmocka_unit_test(formats_we_do_not_read_are_named),
        cmocka_unit_test(kinds_we_do_not_read_are_named),
        cmocka_unit_test(headers_beyond_the_limit_are_refused_before_decoding),
        cmocka_unit_test(the_limit_is_the_callers),
        cmocka_unit_test(headers_without_a_size_are_corrupt),
        cmocka_unit_test(what_a_png_holds_beyond_its_rows_does_not_matter),
        cmocka_unit_test(a_jpeg_of_a_thousand_scans_is_refused),
        cmocka_unit_test(a_truncation_is_refused_unless_every_pixel_is_there),
        cmocka_unit_test(a_jpeg_cut_short_and_closed_again_is_refused),
        cmocka_unit_test(junk_at_a_restart_marker_is_overcome),
        cmocka_unit_test(only_the_checksum_of_a_pngs_header_matters),
        cmocka_unit_test(a_bmp_pixel_outside_its_palette_is_black),
        cmocka_unit_test(a_png_pixel_outside_its_palette_is_black),
        cmocka_unit_test(what_follows_the_end_of_a_picture_does_not_matter),
        cmocka_unit_test(thousands_of_mutations_never_crash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
