/* image_heif.c: HEIC and AVIF by libheif (ISO/IEC 23008-12): boxes of items, coded as HEVC by libde265 or as AV1 by
 * libaom.
 *
 *     box: size (4), type (4), contents      ftyp: brands      meta: iprp: ipco: ispe (an item's size), irot, imir
 *
 * Everything happens on the calling thread: libheif's own HEVC plugin would start a worker, so a plugin of ours
 * (image_hevc.c) takes its place, and of its two for AV1 the one without threads is asked for. libheif turns and
 * mirrors by the file's own properties; only where there are none does EXIF count. */
#include <stdlib.h>
#include <string.h>

#include <libheif/heif.h>

#include "model/image/image_format.h"
#include "model/storage/byte_reader.h"

enum { BYTES_A_PIXEL = 8, FULL_BOX = 4, MAX_METADATA = 1 << 20 };

/* ---- the header -------------------------------------------------------------------------------------------------- */

typedef struct heif_facts {
    uint32_t width, height; /* of the largest item: tiles and thumbnails are smaller */
    int turned;             /* a property says how it is to be turned */
} heif_facts;

/* Takes the next box. */
static int next_box(byte_reader *r, uint32_t *type, byte_reader *body)
{
    if (byte_left(r) < 8)
        return 0;
    uint64_t size = byte_u32_big(r), head = 8;
    *type = byte_u32_big(r);
    if (size == 1) {
        size = (uint64_t)byte_u32_big(r) << 32;
        size |= byte_u32_big(r);
        head = 16;
    }
    if (size == 0)
        size = head + byte_left(r);
    if (r->ended || size < head)
        return 0;
    const uint64_t length = size - head < byte_left(r) ? size - head : byte_left(r);
    *body = byte_reader_of(byte_take(r, (size_t)length), (size_t)length);
    return 1;
}

static uint32_t type_of(const char *name)
{
    return (uint32_t)name[0] << 24 | (uint32_t)name[1] << 16 | (uint32_t)name[2] << 8 | (uint32_t)name[3];
}

static void read_property(heif_facts *facts, uint32_t type, byte_reader body)
{
    if (type == type_of("irot") || type == type_of("imir"))
        facts->turned = 1;
    if (type != type_of("ispe"))
        return;
    byte_take(&body, FULL_BOX);
    const uint32_t width = byte_u32_big(&body), height = byte_u32_big(&body);
    if (!body.ended && (uint64_t)width * height > (uint64_t)facts->width * facts->height) {
        facts->width = width;
        facts->height = height;
    }
}

/* Down the path file: meta: iprp: ipco. */
static void walk(heif_facts *facts, byte_reader boxes, int depth)
{
    static const char *const path[] = {"meta", "iprp", "ipco"};
    uint32_t type;
    byte_reader body;
    while (next_box(&boxes, &type, &body))
        if (depth == 3) {
            read_property(facts, type, body);
        } else if (type == type_of(path[depth])) {
            if (depth == 0)
                byte_take(&body, FULL_BOX);
            walk(facts, body, depth + 1);
        }
}

static int header(const unsigned char *bytes, size_t size, image_header *h, caption_error *err)
{
    heif_facts facts = {0};
    walk(&facts, byte_reader_of(bytes, size), 0);
    if (facts.width < 1 || facts.height < 1)
        return caption_fail(err, CAPTION_EFORMAT, "HEIF: truncated or corrupt: no image is described in it");
    if (facts.width > 0x7fffffff || facts.height > 0x7fffffff)
        return caption_fail(err, CAPTION_EFORMAT, "HEIF: impossible size %u x %u", facts.width, facts.height);
    const uint64_t pixels = (uint64_t)facts.width * facts.height;
    *h = (image_header){(int)facts.width, (int)facts.height, pixels * BYTES_A_PIXEL};
    return CAPTION_OK;
}

/* ---- decoding ---------------------------------------------------------------------------------------------------- */

typedef struct heif_decoding {
    struct heif_context *context;
    struct heif_image_handle *handle;
    struct heif_image *image;
    struct heif_decoding_options *options;
    unsigned char *icc;
} heif_decoding;

static int refuse(struct heif_error e, caption_error *err)
{
    if (e.code == heif_error_Memory_allocation_error)
        return caption_fail(err, e.subcode == heif_suberror_Security_limit_exceeded ? CAPTION_ELIMIT : CAPTION_ENOMEM,
                            "HEIF: %s", e.message);
    const int unknown = e.code == heif_error_Unsupported_filetype || e.code == heif_error_Unsupported_feature ||
                        e.code == heif_error_Color_profile_does_not_exist;
    return caption_fail(err, unknown ? CAPTION_EUNSUPPORTED : CAPTION_EFORMAT, "HEIF: %s%s",
                        unknown ? "not supported: " : "truncated or corrupt: ", e.message);
}

/* Without memory for it the image has no profile. */
static size_t read_profile(heif_decoding *r)
{
    const enum heif_color_profile_type type = heif_image_handle_get_color_profile_type(r->handle);
    if (type != heif_color_profile_type_prof && type != heif_color_profile_type_rICC)
        return 0;
    const size_t size = heif_image_handle_get_raw_color_profile_size(r->handle);
    r->icc = size > 0 ? malloc(size) : NULL;
    if (!r->icc || heif_image_handle_get_raw_color_profile(r->handle, r->icc).code)
        return 0;
    return size;
}

/* The orientation in an Exif item: 4 bytes say where in the rest its TIFF structure begins. */
static int exif_orientation(const heif_decoding *r)
{
    heif_item_id id;
    if (heif_image_handle_get_list_of_metadata_block_IDs(r->handle, "Exif", &id, 1) != 1)
        return 0;
    const size_t size = heif_image_handle_get_metadata_size(r->handle, id);
    unsigned char *exif = size > 4 && size < MAX_METADATA ? malloc(size) : NULL;
    int orientation = 0;
    if (exif && heif_image_handle_get_metadata(r->handle, id, exif).code == 0) {
        byte_reader reader = byte_reader_of(exif, size);
        byte_take(&reader, byte_u32_big(&reader));
        orientation = image_exif_orientation(reader.at, byte_left(&reader));
    }
    free(exif);
    return orientation;
}

static int send_rows(heif_decoding *r, image_sink *sink, int alpha, caption_error *err)
{
    int stride = 0;
    const unsigned char *rows = heif_image_get_plane_readonly(r->image, heif_channel_interleaved, &stride);
    const int width = heif_image_get_width(r->image, heif_channel_interleaved);
    const int height = heif_image_get_height(r->image, heif_channel_interleaved);
    if (!rows || width < 1 || height < 1)
        return caption_fail(err, CAPTION_EFORMAT, "HEIF: corrupt: no pixels");
    const size_t icc_size = read_profile(r);
    const image_layout layout = {.width = width,
                                 .height = height,
                                 .channels = alpha ? IMAGE_RGB_ALPHA : IMAGE_RGB,
                                 .bits = 8,
                                 .premultiplied = alpha && heif_image_is_premultiplied_alpha(r->image),
                                 .icc = icc_size ? r->icc : NULL,
                                 .icc_size = icc_size};
    image_sink_true_size(sink, width, height);
    const int status = image_sink_begin(sink, &layout, err);
    for (int y = 0; status == CAPTION_OK && y < height; y++)
        image_sink_row(sink, rows + (size_t)y * (size_t)stride);
    return status;
}

static int open_file(heif_decoding *r, const unsigned char *bytes, size_t size, const char *decoder, caption_error *err)
{
    r->context = heif_context_alloc();
    r->options = heif_decoding_options_alloc();
    if (!r->context || !r->options)
        return caption_fail(err, CAPTION_ENOMEM, "HEIF: out of memory");
    heif_context_set_max_decoding_threads(r->context, 0);
    r->options->convert_hdr_to_8bit = 1;
    r->options->strict_decoding = 1;
    r->options->decoder_id = decoder;
    struct heif_error e = heif_context_read_from_memory_without_copy(r->context, bytes, size, NULL);
    if (!e.code)
        e = heif_context_get_primary_image_handle(r->context, &r->handle);
    return e.code ? refuse(e, err) : CAPTION_OK;
}

static int decode_with(heif_decoding *r, const unsigned char *bytes, size_t size, const image_header *h,
                       image_sink *sink, const char *decoder, caption_error *err)
{
    const int status = open_file(r, bytes, size, decoder, err);
    if (status != CAPTION_OK)
        return status;
    const uint64_t width = (uint64_t)heif_image_handle_get_width(r->handle);
    if (width * (uint64_t)heif_image_handle_get_height(r->handle) > (uint64_t)h->width * (uint64_t)h->height)
        return caption_fail(err, CAPTION_EFORMAT, "HEIF: corrupt: larger than it says");
    const int alpha = heif_image_handle_has_alpha_channel(r->handle);
    const struct heif_error e =
        heif_decode_image(r->handle, &r->image, heif_colorspace_RGB,
                          alpha ? heif_chroma_interleaved_RGBA : heif_chroma_interleaved_RGB, r->options);
    return e.code ? refuse(e, err) : send_rows(r, sink, alpha, err);
}

static int decode(const unsigned char *bytes, size_t size, const image_header *h, image_sink *sink, const char *decoder,
                  caption_error *err)
{
    heif_decoding r = {0};
    const int status = decode_with(&r, bytes, size, h, sink, decoder, err);
    heif_facts facts = {0};
    walk(&facts, byte_reader_of(bytes, size), 0);
    if (status == CAPTION_OK && !facts.turned)
        image_sink_orient(sink, exif_orientation(&r));
    if (r.image)
        heif_image_release(r.image);
    if (r.handle)
        heif_image_handle_release(r.handle);
    if (r.options)
        heif_decoding_options_free(r.options);
    if (r.context)
        heif_context_free(r.context);
    free(r.icc);
    return status;
}

static int decode_heic(const unsigned char *bytes, size_t size, const image_header *h, image_sink *sink,
                       caption_error *err)
{
    return decode(bytes, size, h, sink, NULL, err);
}

static int decode_avif(const unsigned char *bytes, size_t size, const image_header *h, image_sink *sink,
                       caption_error *err)
{
    return decode(bytes, size, h, sink, "aom", err);
}

/* ---- brands ------------------------------------------------------------------------------------------------------ */

/* Is one of the file's brands among these, each of four letters? */
static int has_brand(const unsigned char *bytes, size_t size, const char *brands)
{
    enum { MAX_BRANDS_BYTES = 256 };
    if (size < 16 || memcmp(bytes + 4, "ftyp", 4) != 0)
        return 0;
    byte_reader r = byte_reader_of(bytes, size);
    size_t length = byte_u32_big(&r);
    length = length < size ? length : size;
    length = length < MAX_BRANDS_BYTES ? length : MAX_BRANDS_BYTES;
    for (const char *brand = brands; *brand; brand += 4)
        for (size_t at = 8; at + 4 <= length; at += at == 8 ? 8 : 4) /* the major one, its version, compatible ones */
            if (memcmp(bytes + at, brand, 4) == 0)
                return 1;
    return 0;
}

static int is_avif(const unsigned char *bytes, size_t size)
{
    return has_brand(bytes, size, "avifavis");
}

static int is_heic(const unsigned char *bytes, size_t size)
{
    return has_brand(bytes, size, "heicheixheimheishevchevxmif1msf1") && !is_avif(bytes, size);
}

const image_format image_heic = {"image/heic", is_heic, header, decode_heic};
const image_format image_avif = {"image/avif", is_avif, header, decode_avif};
