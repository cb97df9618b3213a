/* image_jpeg.c: JPEG by libjpeg-turbo, at the smallest scale that suffices: its inverse DCT gives an image of 1/2, 1/4
 * or 1/8 directly, in a fraction of the time.
 *
 * libjpeg forgives much, as browsers do: junk between segments and restarts, wrong codes, no Huffman tables, no end
 * marker. What it also forgives is missing data, which it makes up in grey. So its warnings are read here: where data
 * end before the image does, the file is refused with how much was there. */
#include "model/image/image_jpeg.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

/* A scan may cost a pass over all blocks for a few bytes. Encoders write about ten. */
enum { MAX_SCANS = 100, MAX_SCANNED_MEGAPIXELS = 1500, ICC_MARKER = JPEG_APP0 + 2 };

typedef struct jpeg_reader {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_source_mgr source;
    jmp_buf failed;
    int ended;          /* bytes were asked for that are not there */
    int missing_at;     /* rows of MCUs that were there when data ended, or -1 */
    int gaps, restarts; /* restart intervals that were cut short, and all that were begun */
    unsigned char *icc;
    unsigned icc_size;
    JSAMPLE *row;
} jpeg_reader;

static jpeg_reader *reader_of(j_common_ptr jpeg)
{
    return jpeg->client_data;
}

/* ---- what libjpeg calls ------------------------------------------------------------------------------------------ */

static void on_error(j_common_ptr jpeg)
{
    longjmp(reader_of(jpeg)->failed, 1);
}

/* Only missing data matter. */
static void on_message(j_common_ptr jpeg, int level)
{
    jpeg_reader *r = reader_of(jpeg);
    const struct jpeg_decompress_struct *d = &r->jpeg;
    if (level >= 0 || jpeg->err->msg_code != JWRN_HIT_MARKER)
        return;
    if (d->unread_marker >= JPEG_RST0 && d->unread_marker <= JPEG_RST0 + 7)
        r->gaps++;
    else if (r->missing_at < 0)
        r->missing_at = (int)d->input_iMCU_row;
}

static void on_output(j_common_ptr jpeg)
{
    (void)jpeg;
}

static void ignore(j_decompress_ptr jpeg)
{
    (void)jpeg;
}

/* All bytes were there from the beginning. As libjpeg advises, what follows them is an end marker. */
static boolean fill_source(j_decompress_ptr jpeg)
{
    static const JOCTET end[2] = {0xff, JPEG_EOI};
    reader_of((j_common_ptr)jpeg)->ended = 1;
    jpeg->src->next_input_byte = end;
    jpeg->src->bytes_in_buffer = sizeof end;
    return TRUE;
}

static void skip_source(j_decompress_ptr jpeg, long count)
{
    struct jpeg_source_mgr *source = jpeg->src;
    if (count <= 0)
        return;
    if ((size_t)count > source->bytes_in_buffer) {
        fill_source(jpeg);
        return;
    }
    source->next_input_byte += count;
    source->bytes_in_buffer -= (size_t)count;
}

static void on_progress(j_common_ptr jpeg)
{
    const jpeg_reader *r = reader_of(jpeg);
    const long long pixels = (long long)r->jpeg.image_width * r->jpeg.image_height;
    if (r->jpeg.input_scan_number > MAX_SCANS ||
        r->jpeg.input_scan_number * pixels > MAX_SCANNED_MEGAPIXELS * 1000000LL)
        longjmp(reader_of(jpeg)->failed, 2);
}

/* ---- what is missing --------------------------------------------------------------------------------------------- */

/* A progressive file without an end may have lost its last scans: are all bits of all coefficients known? */
static int all_bits_known(const struct jpeg_decompress_struct *d)
{
    if (!d->progressive_mode || !d->coef_bits)
        return 1;
    for (int c = 0; c < d->num_components; c++)
        for (int i = 0; i < DCTSIZE2; i++)
            if (d->coef_bits[c][i] != 0)
                return 0;
    return 1;
}

/* libjpeg makes up in grey what no scan has brought. */
static int every_component_has_data(const struct jpeg_decompress_struct *d)
{
    for (int c = 0; c < d->num_components; c++)
        if (!d->comp_info[c].quant_table)
            return 0;
    return 1;
}

/* Where codes went astray the data may end a little early although nothing was cut off; browsers show such files.
 * So the last twentieth may be missing if the end marker is there. */
static int check_missing(const jpeg_reader *r, caption_error *err)
{
    const int rows = (int)r->jpeg.total_iMCU_rows, there = r->missing_at;
    if (there >= 0 && (r->ended || (rows - there) * 20 > rows))
        return caption_fail(err, CAPTION_EFORMAT, "JPEG: truncated: the data of %s end after %d %% of the image",
                            r->jpeg.input_scan_number > 1 || r->jpeg.progressive_mode ? "a scan" : "the file",
                            100 * there / rows);
    if (r->ended && r->jpeg.arith_code) /* its decoder makes up what is missing */
        return caption_fail(err, CAPTION_EFORMAT, "JPEG: truncated: arithmetic coding without an end marker");
    if (r->ended && !all_bits_known(&r->jpeg))
        return caption_fail(err, CAPTION_EFORMAT, "JPEG: truncated: the file ends after scan %d, before the last",
                            r->jpeg.input_scan_number);
    if (!every_component_has_data(&r->jpeg))
        return caption_fail(err, CAPTION_EFORMAT, "JPEG: corrupt: a component has no scan");
    if (r->gaps > 0 && r->jpeg.restart_interval > 0) {
        const long long mcus = (long long)rows * r->jpeg.MCUs_per_row;
        const long long intervals = mcus / r->jpeg.restart_interval + 1;
        if (r->gaps * 4LL > intervals)
            return caption_fail(err, CAPTION_EFORMAT, "JPEG: corrupt: data are missing in %d of %lld restart intervals",
                                r->gaps, intervals);
    }
    return CAPTION_OK;
}

/* ---- decoding ---------------------------------------------------------------------------------------------------- */

/* What libjpeg says, as one of our codes. */
static int report(const jpeg_reader *r, int jumped, caption_error *err)
{
    char text[JMSG_LENGTH_MAX];
    if (jumped == 2)
        return caption_fail(err, CAPTION_ELIMIT, "JPEG: more than %d scans, or too many for its size", MAX_SCANS);
    r->errors.format_message((j_common_ptr)&r->jpeg, text);
    const int code = r->errors.msg_code;
    if (code == JERR_OUT_OF_MEMORY)
        return caption_fail(err, CAPTION_ENOMEM, "JPEG: out of memory");
    if (r->ended)
        return caption_fail(err, CAPTION_EFORMAT, "JPEG: truncated: %s", text);
    const int unknown = code == JERR_SOF_UNSUPPORTED || code == JERR_FRACT_SAMPLE_NOTIMPL || code == JERR_NOTIMPL ||
                        code == JERR_CCIR601_NOTIMPL || code == JERR_BAD_PRECISION || code == JERR_CONVERSION_NOTIMPL;
    return caption_fail(err, unknown ? CAPTION_EUNSUPPORTED : CAPTION_EFORMAT, "JPEG: %s%s",
                        unknown ? "not supported: " : "corrupt: ", text);
}

/* The smallest scale that suffices; libjpeg has fast transforms for these four. */
static unsigned choose_scale(const image_sink *sink, const struct jpeg_decompress_struct *d)
{
    for (unsigned parts = 1; parts < DCTSIZE; parts *= 2) {
        const unsigned width = (d->image_width * parts + DCTSIZE - 1) / DCTSIZE;
        const unsigned height = (d->image_height * parts + DCTSIZE - 1) / DCTSIZE;
        if (image_sink_suffices(sink, (int)width, (int)height))
            return parts;
    }
    return DCTSIZE;
}

static image_channels choose_colours(struct jpeg_decompress_struct *d)
{
    d->out_color_space = d->num_components == 1 ? JCS_GRAYSCALE : d->num_components == 4 ? JCS_CMYK : JCS_RGB;
    return d->num_components == 1 ? IMAGE_GREY : d->num_components == 4 ? IMAGE_CMYK : IMAGE_RGB;
}

static int send_rows(jpeg_reader *r, image_sink *sink, caption_error *err)
{
    struct jpeg_decompress_struct *d = &r->jpeg;
    jpeg_save_markers(d, ICC_MARKER, 0xffff);
    jpeg_read_header(d, TRUE);
    const image_channels channels = choose_colours(d);
    if (!jpeg_read_icc_profile(d, &r->icc, &r->icc_size))
        r->icc = NULL;
    d->scale_num = choose_scale(sink, d);
    d->scale_denom = DCTSIZE;
    jpeg_start_decompress(d);
    int status = jpeg_has_multiple_scans(d) ? check_missing(r, err) : CAPTION_OK;
    const image_layout layout = {.width = (int)d->output_width,
                                 .height = (int)d->output_height,
                                 .channels = channels,
                                 .bits = 8,
                                 .icc = r->icc,
                                 .icc_size = r->icc_size};
    if (status == CAPTION_OK)
        status = image_sink_begin(sink, &layout, err);
    if (status != CAPTION_OK)
        return status;
    r->row = malloc((size_t)d->output_width * (size_t)d->output_components);
    if (!r->row)
        return caption_fail(err, CAPTION_ENOMEM, "JPEG: out of memory");
    while (status == CAPTION_OK && d->output_scanline < d->output_height) {
        jpeg_read_scanlines(d, &r->row, 1);
        image_sink_row(sink, r->row);
        if (r->missing_at >= 0)
            status = check_missing(r, err);
    }
    return status == CAPTION_OK ? check_missing(r, err) : status;
}

static void begin(jpeg_reader *r, const unsigned char *bytes, size_t size, struct jpeg_progress_mgr *progress)
{
    jpeg_create_decompress(&r->jpeg);
    r->source = (struct jpeg_source_mgr){.next_input_byte = bytes,
                                         .bytes_in_buffer = size,
                                         .init_source = ignore,
                                         .fill_input_buffer = fill_source,
                                         .skip_input_data = skip_source,
                                         .resync_to_restart = jpeg_resync_to_restart,
                                         .term_source = ignore};
    r->jpeg.src = &r->source;
    r->jpeg.progress = progress;
}

static int decode(const unsigned char *bytes, size_t size, const image_header *header, image_sink *sink,
                  caption_error *err)
{
    (void)header;
    jpeg_reader *r = calloc(1, sizeof *r);
    if (!r)
        return caption_fail(err, CAPTION_ENOMEM, "JPEG: out of memory");
    struct jpeg_progress_mgr progress = {.progress_monitor = on_progress};
    r->missing_at = -1;
    r->jpeg.err = jpeg_std_error(&r->errors);
    r->errors.error_exit = on_error;
    r->errors.emit_message = on_message;
    r->errors.output_message = on_output;
    r->jpeg.client_data = r;
    const int jumped = setjmp(r->failed);
    int status;
    if (jumped == 0) {
        begin(r, bytes, size, &progress);
        status = send_rows(r, sink, err);
    } else {
        status = report(r, jumped, err);
    }
    jpeg_destroy_decompress(&r->jpeg);
    image_sink_orient(sink, jpeg_orientation(bytes, size));
    free(r->row);
    free(r->icc);
    free(r);
    return status;
}

static int recognises(const unsigned char *bytes, size_t size)
{
    return size >= 3 && memcmp(bytes, "\xff\xd8\xff", 3) == 0;
}

const image_format image_jpeg = {"image/jpeg", recognises, jpeg_header, decode};
