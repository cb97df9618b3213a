/* image_kinds.c: what a file is, by its first bytes: formats that are read, and those that are recognised to be named
 * when they are refused. Whatever a client calls a file (Content-Type, extension) does not count. */
#include "model/image/image_kinds.h"

#include <string.h>
#include <strings.h>

/* ---- formats that are read --------------------------------------------------------------------------------------- */

static const image_format *const formats[] = {
    &image_jpeg, &image_png,  &image_webp, &image_bmp, &image_gif,
#ifdef CAPTION_WITH_TIFF
    &image_tiff,
#endif
#ifdef CAPTION_WITH_HEIF
    &image_avif, &image_heic,
#endif
};

#ifdef CAPTION_WITH_TIFF
#define TIFF_NAME ", TIFF"
#else
#define TIFF_NAME ""
#endif
#ifdef CAPTION_WITH_HEIF
#define HEIF_NAME ", HEIC, AVIF"
#else
#define HEIF_NAME ""
#endif
#define READ_HERE "JPEG, PNG, WebP, GIF, BMP" TIFF_NAME HEIF_NAME

const image_format *image_format_of(const unsigned char *bytes, size_t size)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (formats[i]->recognises(bytes, size))
            return formats[i];
    return NULL;
}

/* ---- formats that are named -------------------------------------------------------------------------------------- */

typedef struct kind {
    const char *name;
    size_t at;         /* where in the file its magic stands */
    const char *magic; /* '?' stands for any byte */
    size_t size;
} kind;

#define MAGIC(literal) literal, sizeof(literal) - 1

/* The first that fits counts. */
static const kind kinds[] = {
    {"JPEG XL", 0, MAGIC("\xff\x0a")},
    {"JPEG XL", 4, MAGIC("JXL \r\n\x87\n")},
    {"JPEG 2000", 4, MAGIC("jP  \r\n\x87\n")},
    {"JPEG 2000", 0, MAGIC("\xff\x4f\xff\x51")},
    {"JPEG XR", 0, MAGIC("II\xbc")},
    {"a JPEG-LS or damaged JPEG file", 0, MAGIC("\xff\xd8")},
    {"PDF", 0, MAGIC("%PDF")},
    {"PostScript", 0, MAGIC("%!PS")},
    {"PostScript", 0, MAGIC("\xc5\xd0\xd3\xc6")},
    {"Canon RAW (CR3)", 4, MAGIC("ftypcrx ")},
    {"Canon RAW (CR2)", 0, MAGIC("II*\0????CR")},
    {"Canon RAW (CRW)", 6, MAGIC("HEAPCCDR")},
    {"Fujifilm RAW (RAF)", 0, MAGIC("FUJIFILMCCD-RAW")},
    {"Olympus RAW (ORF)", 0, MAGIC("IIRO")},
    {"Olympus RAW (ORF)", 0, MAGIC("IIRS")},
    {"Olympus RAW (ORF)", 0, MAGIC("MMOR")},
    {"Panasonic RAW (RW2)", 0, MAGIC("IIU\0")},
    {"Minolta RAW (MRW)", 0, MAGIC("\0MRM")},
    {"Sigma RAW (X3F)", 0, MAGIC("FOVb")},
    {"QuickTime video", 4, MAGIC("ftypqt  ")},
    {"QuickTime video", 4, MAGIC("moov")},
    {"QuickTime video", 4, MAGIC("mdat")},
    {"MPEG-4 audio", 4, MAGIC("ftypM4A ")},
    {"3GPP video", 4, MAGIC("ftyp3g")},
    {"HEIC", 4, MAGIC("ftyphei")},
    {"HEIC", 4, MAGIC("ftyphev")},
    {"HEIF", 4, MAGIC("ftypmif1")},
    {"HEIF", 4, MAGIC("ftypmsf1")},
    {"AVIF", 4, MAGIC("ftypavi")},
    {"MP4 video", 4, MAGIC("ftyp")},
    {"WebM or Matroska video", 0, MAGIC("\x1a\x45\xdf\xa3")},
    {"AVI video", 0, MAGIC("RIFF????AVI ")},
    {"WAV audio", 0, MAGIC("RIFF????WAVE")},
    {"MPEG video", 0, MAGIC("\0\0\1\xba")},
    {"MPEG video", 0, MAGIC("\0\0\1\xb3")},
    {"Flash video", 0, MAGIC("FLV\1")},
    {"Ogg audio or video", 0, MAGIC("OggS")},
    {"MP3 audio", 0, MAGIC("ID3")},
    {"TIFF", 0, MAGIC("II*\0")},
    {"TIFF", 0, MAGIC("MM\0*")},
    {"BigTIFF", 0, MAGIC("II+\0")},
    {"BigTIFF", 0, MAGIC("MM\0+")},
    {"a Windows icon", 0, MAGIC("\0\0\1\0")},
    {"a Windows cursor", 0, MAGIC("\0\0\2\0")},
    {"an Apple icon", 0, MAGIC("icns")},
    {"Photoshop", 0, MAGIC("8BPS")},
    {"a GIMP image (XCF)", 0, MAGIC("gimp xcf")},
    {"OpenEXR", 0, MAGIC("v/1\1")},
    {"Radiance HDR", 0, MAGIC("#?R")},
    {"QOI", 0, MAGIC("qoif")},
    {"DirectDraw (DDS)", 0, MAGIC("DDS ")},
    {"DjVu", 0, MAGIC("AT&TFORM")},
    {"BPG", 0, MAGIC("BPG\xfb")},
    {"FLIF", 0, MAGIC("FLIF")},
    {"PCX", 0, MAGIC("\x0a\5\1")},
    {"FITS", 0, MAGIC("SIMPLE  =")},
    {"DICOM", 128, MAGIC("DICM")},
    {"a Windows metafile", 0, MAGIC("\xd7\xcd\xc6\x9a")},
    {"an enhanced metafile", 40, MAGIC(" EMF")},
    {"a Netpbm image", 0, MAGIC("P1\n")},
    {"a Netpbm image", 0, MAGIC("P2\n")},
    {"a Netpbm image", 0, MAGIC("P3\n")},
    {"a Netpbm image", 0, MAGIC("P4\n")},
    {"a Netpbm image", 0, MAGIC("P5\n")},
    {"a Netpbm image", 0, MAGIC("P6\n")},
    {"a Netpbm image", 0, MAGIC("P7\n")},
    {"a ZIP archive", 0, MAGIC("PK\3\4")},
    {"gzip", 0, MAGIC("\x1f\x8b")},
    {"a 7-Zip archive", 0, MAGIC("7z\xbc\xaf\x27\x1c")},
    {"a RAR archive", 0, MAGIC("Rar!")},
};

static int is_kind(const kind *k, const unsigned char *bytes, size_t size)
{
    if (size < k->at + k->size)
        return 0;
    for (size_t i = 0; i < k->size; i++)
        if (k->magic[i] != '?' && bytes[k->at + i] != (unsigned char)k->magic[i])
            return 0;
    return 1;
}

/* Where a word stands among the first bytes, in any case. */
static int mentions(const unsigned char *bytes, size_t size, const char *word)
{
    enum { LOOKED_AT = 1024 };
    const size_t length = strlen(word), end = size < LOOKED_AT ? size : LOOKED_AT;
    for (size_t at = 0; at + length <= end; at++)
        if (strncasecmp((const char *)bytes + at, word, length) == 0)
            return 1;
    return 0;
}

/* Files of text, which may begin with blanks, a byte order mark, comments. */
static const char *text_kind(const unsigned char *bytes, size_t size)
{
    if (size >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0)
        bytes += 3, size -= 3;
    while (size > 0 && strchr(" \t\r\n", *bytes) && *bytes)
        bytes++, size--;
    if (size == 0)
        return NULL;
    if (*bytes == '<')
        return mentions(bytes, size, "<svg")                                               ? "SVG"
               : mentions(bytes, size, "<html") || mentions(bytes, size, "<!doctype html") ? "an HTML page"
               : mentions(bytes, size, "<?xml")                                            ? "XML"
                                                                                           : NULL;
    return *bytes == '{' || *bytes == '[' ? "JSON" : NULL;
}

static const char *name_of(const unsigned char *bytes, size_t size)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (is_kind(&kinds[i], bytes, size))
            return kinds[i].name;
    return text_kind(bytes, size);
}

int image_refuse_kind(const unsigned char *bytes, size_t size, caption_error *err)
{
    const char *name = name_of(bytes, size);
    if (!name)
        return caption_fail(err, CAPTION_EUNSUPPORTED, "not an image of a format that is read: " READ_HERE);
    const int optional = strcmp(name, "TIFF") == 0 || strncmp(name, "HEI", 3) == 0 || strcmp(name, "AVIF") == 0;
    if (optional)
        return caption_fail(err, CAPTION_EUNSUPPORTED, "%s: this build was made without it; it reads " READ_HERE, name);
    return caption_fail(err, CAPTION_EUNSUPPORTED, "%s is not supported; formats that are read: " READ_HERE, name);
}
