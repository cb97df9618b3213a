/* image_tiff.c: TIFF by libtiff: the first image of the file.
 *
 * Rows of grey, RGB and CMYK with 8 or 16 bits come one at a time. All else (palettes, 1 to 4 bits, tiles, planes, Lab)
 * libtiff turns into RGBA, a band of strips or tiles at a time. The file itself is the structure that EXIF borrows, so
 * size and orientation are read as there. */
#include <stdlib.h>
#include <string.h>

#include <tiffio.h>

#include "model/image/image_format.h"
#include "model/image/image_tiff.h"

enum {
    TAG_SUBFILE = 254,
    TAG_WIDTH = 256,
    TAG_HEIGHT = 257,
    TAG_BITS = 258,
    TAG_SAMPLES = 277,
    TAG_STRIP_ROWS = 278,
    TAG_TILE_ROWS = 323,
    TAG_SUBIMAGES = 330,
    TAG_DNG = 50706,
};
enum { RGBA = 4, REDUCED = 1, MAX_BLOCK = 512 << 20 };

static int compare(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

/* libtiff sorts its table of fields, and the C library's qsort asks once how much memory there is. */
void image_tiff_prepare(void)
{
    int numbers[1024] = {0};
    qsort(numbers, sizeof numbers / sizeof *numbers, sizeof *numbers, compare);
    TIFFSetErrorHandler(NULL);
    TIFFSetWarningHandler(NULL);
}

/* ---- the header -------------------------------------------------------------------------------------------------- */

static uint32_t value(const unsigned char *bytes, size_t size, unsigned tag, uint32_t otherwise)
{
    uint32_t found;
    return image_tiff_value(bytes, size, tag, &found) ? found : otherwise;
}

static int header(const unsigned char *bytes, size_t size, image_header *h, caption_error *err)
{
    const uint32_t width = value(bytes, size, TAG_WIDTH, 0), height = value(bytes, size, TAG_HEIGHT, 0);
    const int thumbnail = value(bytes, size, TAG_SUBFILE, 0) & REDUCED && value(bytes, size, TAG_SUBIMAGES, 0);
    if (thumbnail || value(bytes, size, TAG_DNG, 0))
        return caption_fail(err, CAPTION_EUNSUPPORTED, "a camera's RAW file (DNG, NEF, ARW ...) is not supported");
    if (width < 1 || height < 1 || width > 0x7fffffff || height > 0x7fffffff)
        return caption_fail(err, CAPTION_EFORMAT,
                            "TIFF: truncated or corrupt: no size of an image, or an impossible one");
    uint32_t rows = value(bytes, size, TAG_TILE_ROWS, value(bytes, size, TAG_STRIP_ROWS, height));
    rows = rows < height ? rows : height;
    const uint64_t pixel = RGBA + (uint64_t)(value(bytes, size, TAG_SAMPLES, 1) & 0xff) *
                                      (1 + (value(bytes, size, TAG_BITS, 8) & 0xff) / 8);
    *h = (image_header){(int)width, (int)height, (uint64_t)width * rows * pixel};
    return CAPTION_OK;
}

/* ---- the file as libtiff reads it -------------------------------------------------------------------------------- */

typedef struct tiff_bytes {
    const unsigned char *bytes;
    size_t size, at;
} tiff_bytes;

static tmsize_t on_read(thandle_t handle, void *out, tmsize_t count)
{
    tiff_bytes *t = handle;
    const size_t left = t->at < t->size ? t->size - t->at : 0, there = (size_t)count < left ? (size_t)count : left;
    memcpy(out, t->bytes + (left ? t->at : 0), there);
    t->at += there;
    return (tmsize_t)there;
}

static tmsize_t on_write(thandle_t handle, void *from, tmsize_t count)
{
    (void)handle, (void)from, (void)count;
    return -1;
}

static toff_t on_seek(thandle_t handle, toff_t offset, int whence)
{
    tiff_bytes *t = handle;
    t->at = (size_t)offset + (whence == SEEK_CUR ? t->at : whence == SEEK_END ? t->size : 0);
    return (toff_t)t->at;
}

static int on_close(thandle_t handle)
{
    (void)handle;
    return 0;
}

static toff_t on_size(thandle_t handle)
{
    return (toff_t)((tiff_bytes *)handle)->size;
}

static int on_map(thandle_t handle, void **base, toff_t *size)
{
    tiff_bytes *t = handle;
    *base = (void *)t->bytes;
    *size = (toff_t)t->size;
    return 1;
}

static void on_unmap(thandle_t handle, void *base, toff_t size)
{
    (void)handle, (void)base, (void)size;
}

static TIFF *open_tiff(tiff_bytes *bytes)
{
    TIFFOpenOptions *options = TIFFOpenOptionsAlloc();
    if (!options)
        return NULL;
    TIFFOpenOptionsSetMaxSingleMemAlloc(options, MAX_BLOCK);
    TIFF *tiff =
        TIFFClientOpenExt("", "rm", bytes, on_read, on_write, on_seek, on_close, on_size, on_map, on_unmap, options);
    TIFFOpenOptionsFree(options);
    return tiff;
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

typedef struct tiff_image {
    TIFF *tiff;
    uint32_t width, height;
    uint16_t samples, bits, photometric, planes, format, extra, compression;
    image_layout layout;
} tiff_image;

static void read_fields(tiff_image *t)
{
    uint16_t *kinds = NULL, count = 0;
    TIFFGetField(t->tiff, TIFFTAG_IMAGEWIDTH, &t->width);
    TIFFGetField(t->tiff, TIFFTAG_IMAGELENGTH, &t->height);
    TIFFGetFieldDefaulted(t->tiff, TIFFTAG_SAMPLESPERPIXEL, &t->samples);
    TIFFGetFieldDefaulted(t->tiff, TIFFTAG_BITSPERSAMPLE, &t->bits);
    TIFFGetFieldDefaulted(t->tiff, TIFFTAG_PLANARCONFIG, &t->planes);
    TIFFGetFieldDefaulted(t->tiff, TIFFTAG_SAMPLEFORMAT, &t->format);
    TIFFGetFieldDefaulted(t->tiff, TIFFTAG_COMPRESSION, &t->compression);
    TIFFGetField(t->tiff, TIFFTAG_PHOTOMETRIC, &t->photometric);
    if (t->compression == COMPRESSION_JPEG && t->photometric == PHOTOMETRIC_YCBCR && t->planes == PLANARCONFIG_CONTIG) {
        TIFFSetField(t->tiff, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
        t->photometric = PHOTOMETRIC_RGB;
    }
    TIFFGetFieldDefaulted(t->tiff, TIFFTAG_EXTRASAMPLES, &count, &kinds);
    t->extra = count == 1 && kinds ? kinds[0] : EXTRASAMPLE_UNSPECIFIED;
    uint32_t icc_size = 0;
    const void *icc = NULL;
    if (TIFFGetField(t->tiff, TIFFTAG_ICCPROFILE, &icc_size, &icc) && icc) {
        t->layout.icc = icc;
        t->layout.icc_size = icc_size;
    }
    t->layout.width = (int)t->width;
    t->layout.height = (int)t->height;
}

static int is_grey(const tiff_image *t)
{
    return t->photometric == PHOTOMETRIC_MINISBLACK || t->photometric == PHOTOMETRIC_MINISWHITE;
}

/* Whether its rows are ours to read: if so the layout says what they hold. */
static int has_plain_rows(tiff_image *t)
{
    const int colours = is_grey(t)                                ? 1
                        : t->photometric == PHOTOMETRIC_RGB       ? 3
                        : t->photometric == PHOTOMETRIC_SEPARATED ? 4
                                                                  : 0;
    const int whole = t->samples == colours || (t->samples == colours + 1 && colours < 4);
    if (!colours || !whole || TIFFIsTiled(t->tiff) || t->planes != PLANARCONFIG_CONTIG ||
        (t->bits != 8 && t->bits != 16) || t->format != SAMPLEFORMAT_UINT)
        return 0;
    const int alpha = t->samples > colours && t->extra != EXTRASAMPLE_UNSPECIFIED;
    t->layout.channels = colours == 4   ? IMAGE_CMYK
                         : colours == 3 ? (alpha ? IMAGE_RGB_ALPHA : IMAGE_RGB)
                                        : (alpha ? IMAGE_GREY_ALPHA : IMAGE_GREY);
    t->layout.premultiplied = alpha && t->extra == EXTRASAMPLE_ASSOCALPHA;
    t->layout.bits = t->bits;
    return 1;
}

static int truncated(const tiff_image *t, uint32_t rows, caption_error *err)
{
    return caption_fail(err, CAPTION_EFORMAT, "TIFF: truncated or corrupt after %u of %u rows", rows, t->height);
}

/* The sink's order of light: white is 0 in some greys, full ink in CMYK, and it takes no sample that means nothing. */
static void tidy_row(const tiff_image *t, unsigned char *row)
{
    const size_t values = (size_t)t->width * t->samples, bytes = t->bits / 8;
    if (t->photometric == PHOTOMETRIC_MINISWHITE || t->photometric == PHOTOMETRIC_SEPARATED)
        for (size_t i = 0; i < values * bytes; i++)
            if (t->photometric == PHOTOMETRIC_SEPARATED || t->samples == 1 || i / bytes % t->samples == 0)
                row[i] = (unsigned char)~row[i];
    const size_t kept = t->layout.channels == IMAGE_RGB ? 3 : t->layout.channels == IMAGE_GREY ? 1 : t->samples;
    for (size_t x = 0; kept < t->samples && x < t->width; x++)
        memmove(row + x * kept * bytes, row + x * t->samples * bytes, kept * bytes);
}

static int send_plain_rows(tiff_image *t, image_sink *sink, caption_error *err)
{
    unsigned char *row = malloc((size_t)TIFFScanlineSize(t->tiff) + 1);
    int status =
        row ? image_sink_begin(sink, &t->layout, err) : caption_fail(err, CAPTION_ENOMEM, "TIFF: out of memory");
    for (uint32_t y = 0; status == CAPTION_OK && y < t->height; y++) {
        if (TIFFReadScanline(t->tiff, row, y, 0) < 0)
            status = truncated(t, y, err);
        tidy_row(t, row);
        if (status == CAPTION_OK)
            image_sink_row(sink, row);
    }
    free(row);
    return status;
}

/* Colours come with alpha as the last and highest byte, already multiplied. */
static int send_bands(tiff_image *t, image_sink *sink, caption_error *err)
{
    char message[1024] = "";
    TIFFRGBAImage image;
    if (!TIFFRGBAImageOK(t->tiff, message))
        return caption_fail(err, CAPTION_EUNSUPPORTED, "TIFF: not supported: %s", message);
    if (!TIFFRGBAImageBegin(&image, t->tiff, 1, message))
        return caption_fail(err, CAPTION_EFORMAT, "TIFF: corrupt: %s", message);
    image.req_orientation = image.orientation; /* as stored */
    t->layout.channels = IMAGE_RGB_ALPHA;
    t->layout.bits = 8;
    t->layout.premultiplied = 1;
    uint32_t band = 0;
    TIFFGetFieldDefaulted(t->tiff, TIFFIsTiled(t->tiff) ? TIFFTAG_TILELENGTH : TIFFTAG_ROWSPERSTRIP, &band);
    band = band < 1 || band > t->height ? t->height : band;
    uint32_t *raster = malloc((size_t)band * t->width * RGBA);
    int status =
        raster ? image_sink_begin(sink, &t->layout, err) : caption_fail(err, CAPTION_ENOMEM, "TIFF: out of memory");
    for (uint32_t y = 0; status == CAPTION_OK && y < t->height; y += band) {
        const uint32_t rows = t->height - y < band ? t->height - y : band;
        image.row_offset = (int)y;
        if (!TIFFRGBAImageGet(&image, raster, t->width, rows))
            status = truncated(t, y, err);
        for (uint32_t i = 0; status == CAPTION_OK && i < rows; i++)
            image_sink_row(sink, (unsigned char *)raster + (size_t)i * t->width * RGBA);
    }
    free(raster);
    TIFFRGBAImageEnd(&image);
    return status;
}

static int decode(const unsigned char *bytes, size_t size, const image_header *h, image_sink *sink, caption_error *err)
{
    tiff_bytes file = {bytes, size, 0};
    tiff_image t = {.tiff = open_tiff(&file)};
    if (!t.tiff)
        return caption_fail(err, CAPTION_EFORMAT, "TIFF: truncated or corrupt: its directory cannot be read");
    read_fields(&t);
    int status;
    uint32_t colour;
    if (t.width != (uint32_t)h->width || t.height != (uint32_t)h->height)
        status = caption_fail(err, CAPTION_EFORMAT, "TIFF: corrupt: two sizes");
    else if (value(bytes, size, TIFFTAG_PHOTOMETRIC, 0) == PHOTOMETRIC_PALETTE &&
             !image_tiff_value(bytes, size, TIFFTAG_COLORMAP, &colour))
        status = caption_fail(err, CAPTION_EFORMAT, "TIFF: truncated or corrupt: the palette is missing");
    else
        status = has_plain_rows(&t) ? send_plain_rows(&t, sink, err) : send_bands(&t, sink, err);
    TIFFClose(t.tiff);
    image_sink_orient(sink, image_exif_orientation(bytes, size));
    return status;
}

static int recognises(const unsigned char *bytes, size_t size)
{
    const int tiff = size >= 8 && (memcmp(bytes, "II*\0", 4) == 0 || memcmp(bytes, "MM\0*", 4) == 0);
    return tiff && !(size >= 10 && memcmp(bytes + 8, "CR", 2) == 0);
}

const image_format image_tiff = {"image/tiff", recognises, header, decode};
