/* image_jpeg_scan.c: follows the coded data of a JPEG scan code by code, computing no pixel.
 *
 * Decoders are made to show something of a damaged file: where data end too early they go on with zeros, and half a
 * photo becomes a grey half. Only reading every code tells whether all are there. It costs a fraction of decoding:
 * no coefficients are kept, except, in progressive files, one bit for each that is not zero, because refinement scans
 * hold a correction bit for just those (T.81, G.1.2.3). Surplus data before the next marker are nothing to refuse. */
#include "model/image/image_jpeg.h"

#include <string.h>

/* ---- Huffman tables ---------------------------------------------------------------------------------------------- */

/* Canonical codes: those of one length are consecutive, the first of the next length is twice the next free one. */
static int build_table(jpeg_huffman *table, const unsigned char counts[16])
{
    uint32_t code = 0;
    int symbol = 0;
    memset(table->fast, 0, sizeof table->fast);
    for (int length = 1; length <= 16; length++, code <<= 1) {
        table->offset[length] = symbol - (int)code;
        for (int i = 0; i < counts[length - 1]; i++, code++, symbol++) {
            if (code >= 1u << length)
                return 0;
            int free_bits = JPEG_FAST_BITS - length;
            for (int fill = 0; free_bits >= 0 && fill < 1 << free_bits; fill++)
                table->fast[(code << free_bits) + (uint32_t)fill] = (uint16_t)(length << 8 | table->symbols[symbol]);
        }
        table->limit[length] = code << (16 - length);
    }
    table->count = symbol;
    return 1;
}

int jpeg_read_huffman(jpeg_file *file, byte_reader segment, caption_error *err)
{
    while (byte_left(&segment) > 0) {
        unsigned which = byte_u8(&segment);
        const unsigned char *counts = byte_take(&segment, 16);
        size_t total = 0;
        for (int i = 0; counts && i < 16; i++)
            total += counts[i];
        const unsigned char *symbols = byte_take(&segment, total);
        if (segment.ended || total > 256 || (which & 15) >= JPEG_TABLES || which >> 4 > 1)
            return caption_fail(err, CAPTION_EFORMAT, "JPEG: corrupt Huffman table");
        jpeg_huffman *table = &(which >> 4 ? file->ac : file->dc)[which & 15];
        memcpy(table->symbols, symbols, total);
        if (!build_table(table, counts))
            return caption_fail(err, CAPTION_EFORMAT, "JPEG: corrupt Huffman table");
    }
    return CAPTION_OK;
}

/* ---- bits -------------------------------------------------------------------------------------------------------- */

typedef struct bit_reader {
    const unsigned char *at, *end; /* `at` never passes a marker */
    uint64_t bits;                 /* the next one on top */
    int count;
    int ended; /* bits were asked for that are not there */
} bit_reader;

static void refill(bit_reader *r)
{
    while (r->count <= 56 && r->at < r->end) {
        uint64_t byte = *r->at;
        if (byte == 0xff && (r->end - r->at < 2 || r->at[1] != 0))
            return;
        r->at += byte == 0xff ? 2 : 1;
        r->bits |= byte << (56 - r->count);
        r->count += 8;
    }
}

/* The next n bits, 0 <= n <= 32. */
static inline uint32_t take(bit_reader *r, int n)
{
    if (r->count < n)
        refill(r);
    if (r->count < n) {
        r->ended = 1;
        r->bits = 0;
        r->count = 0;
        return 0;
    }
    uint32_t value = (uint32_t)(r->bits >> 32 >> (32 - n));
    r->bits <<= n;
    r->count -= n;
    return value;
}

static int slow_symbol(const jpeg_huffman *table, uint32_t next16, int *length)
{
    for (*length = JPEG_FAST_BITS + 1; *length <= 16; ++*length)
        if (next16 < table->limit[*length])
            return table->symbols[(int)(next16 >> (16 - *length)) + table->offset[*length]];
    return -1;
}

/* The next symbol, or -1: a code that is not in the table, or no data (then `ended` is set). */
static inline int take_symbol(bit_reader *r, const jpeg_huffman *table)
{
    if (r->count < 16)
        refill(r);
    unsigned entry = table->fast[r->bits >> (64 - JPEG_FAST_BITS)];
    int length = (int)(entry >> 8), symbol = (int)(entry & 255);
    if (!entry)
        symbol = slow_symbol(table, (uint32_t)(r->bits >> 48), &length);
    r->ended |= symbol < 0 ? r->count < 16 : length > r->count;
    if (symbol < 0 || r->ended)
        return -1;
    r->bits <<= length;
    r->count -= length;
    return symbol;
}

/* ---- blocks ------------------------------------------------------------------------------------------------------ */

typedef struct scan {
    jpeg_file *file;
    bit_reader bits;
    int components;
    jpeg_component *component[JPEG_COMPONENTS];
    const jpeg_huffman *dc[JPEG_COMPONENTS], *ac[JPEG_COMPONENTS];
    int first, last;      /* coefficients, in zigzag order */
    int refining;         /* this scan adds a bit to coefficients begun before */
    uint32_t end_of_band; /* blocks still to come that have nothing new */
    int (*block)(struct scan *scan, int i, uint64_t *nonzero);
} scan;

/* Block readers: the next block of the scan's i-th component. 1, or 0 if the data are wrong or missing. */

/* DC: a size and that many bits. */
static int dc_block(scan *s, int i, uint64_t *nonzero)
{
    (void)nonzero;
    int size = take_symbol(&s->bits, s->dc[i]);
    if (size < 0 || size > 15)
        return 0;
    take(&s->bits, size);
    return !s->bits.ended;
}

static int dc_refining_block(scan *s, int i, uint64_t *nonzero)
{
    (void)i, (void)nonzero;
    take(&s->bits, 1);
    return !s->bits.ended;
}

/* DC and the 63 others: run of zeros << 4 | size, and size bits (T.81, F.1.2.2). */
static int sequential_block(scan *s, int i, uint64_t *nonzero)
{
    if (!dc_block(s, i, nonzero))
        return 0;
    for (int k = 1; k < 64;) {
        int symbol = take_symbol(&s->bits, s->ac[i]);
        int run = symbol >> 4, size = symbol & 15;
        if (symbol < 0)
            return 0;
        if (size == 0 && run < 15)
            break;
        k += run + 1;
        if (k > 64 && size > 0)
            return 0;
        take(&s->bits, size);
    }
    return !s->bits.ended;
}

/* AC of a progressive file, first bits (T.81, G.1.2.2): a run below 15 with size 0 ends the band for 2^run + bits
 * blocks. */
static int ac_block(scan *s, int i, uint64_t *nonzero)
{
    if (s->end_of_band > 0) {
        s->end_of_band--;
        return 1;
    }
    for (int k = s->first; k <= s->last; k++) {
        int symbol = take_symbol(&s->bits, s->ac[i]);
        int run = symbol >> 4, size = symbol & 15;
        if (symbol < 0)
            return 0;
        if (size == 0 && run < 15) {
            s->end_of_band = (1u << run) + take(&s->bits, run) - 1;
            break;
        }
        k += run;
        if (size == 0)
            continue;
        if (k > s->last)
            return 0;
        *nonzero |= UINT64_C(1) << k;
        take(&s->bits, size);
    }
    return !s->bits.ended;
}

/* Coefficients from `k` to the end of the band that are not zero. */
static uint64_t rest_of_band(const scan *s, int k, uint64_t nonzero)
{
    return k > s->last ? 0 : nonzero >> k << k << (63 - s->last) >> (63 - s->last);
}

/* Passes `run` zeros from k on, taking a correction bit for each coefficient that is not zero; returns where it stops:
 * at the zero behind them, or past the band. */
static int pass_zeros(scan *s, int k, int run, uint64_t nonzero)
{
    for (; k <= s->last; k++) {
        if (nonzero >> k & 1)
            take(&s->bits, 1);
        else if (run-- == 0)
            break;
    }
    return k;
}

/* AC of a progressive file, one more bit (T.81, G.1.2.3). */
static int ac_refining_block(scan *s, int i, uint64_t *nonzero)
{
    int k = s->first;
    uint64_t before = *nonzero;
    while (s->end_of_band == 0 && k <= s->last) {
        int symbol = take_symbol(&s->bits, s->ac[i]);
        int run = symbol >> 4, size = symbol & 15;
        if (symbol < 0 || size > 1)
            return 0;
        if (size == 0 && run < 15) {
            s->end_of_band = (1u << run) + take(&s->bits, run);
            break;
        }
        take(&s->bits, size); /* the sign of a new coefficient */
        k = pass_zeros(s, k, run, before);
        if (size > 0 && k <= s->last)
            *nonzero |= UINT64_C(1) << k;
        k++;
    }
    if (s->end_of_band > 0) {
        int corrections = __builtin_popcountll(rest_of_band(s, k, before));
        take(&s->bits, corrections / 2);
        take(&s->bits, corrections - corrections / 2);
        s->end_of_band--;
    }
    return !s->bits.ended;
}

/* ---- the scan ---------------------------------------------------------------------------------------------------- */

static jpeg_component *find_component(jpeg_file *file, unsigned id)
{
    for (int i = 0; i < file->components; i++)
        if (file->component[i].id == id)
            return &file->component[i];
    return NULL;
}

static int (*block_reader(const scan *s))(scan *, int, uint64_t *)
{
    if (!s->file->progressive)
        return sequential_block;
    if (s->first == 0)
        return s->refining ? dc_refining_block : dc_block;
    return s->refining ? ac_refining_block : ac_block;
}

/* Whether the scan header makes sense (T.81, B.2.3 and G.1.1.1), with the tables it needs and after the scans it needs.
 */
static int is_possible(const scan *s)
{
    const jpeg_file *file = s->file;
    if (file->progressive &&
        (s->first > s->last || s->last > 63 || (s->first == 0 && s->last != 0) || (s->first > 0 && s->components != 1)))
        return 0;
    for (int i = 0; i < s->components; i++) {
        int needs_dc = !file->progressive || (s->first == 0 && !s->refining);
        int needs_ac = !file->progressive || s->first > 0;
        if ((needs_dc && s->dc[i]->count == 0) || (needs_ac && s->ac[i]->count == 0) ||
            (!needs_dc && !s->component[i]->has_dc))
            return 0;
    }
    return 1;
}

static int read_scan_header(scan *s, byte_reader segment, caption_error *err)
{
    s->components = (int)byte_u8(&segment);
    int known = s->components >= 1 && s->components <= s->file->components;
    for (int i = 0; known && i < s->components; i++) {
        s->component[i] = find_component(s->file, byte_u8(&segment));
        unsigned tables = byte_u8(&segment);
        known = s->component[i] && tables >> 4 < JPEG_TABLES && (tables & 15) < JPEG_TABLES;
        s->dc[i] = &s->file->dc[tables >> 4 & 3];
        s->ac[i] = &s->file->ac[tables & 3];
    }
    s->first = (int)byte_u8(&segment);
    s->last = (int)byte_u8(&segment);
    s->refining = byte_u8(&segment) >> 4 != 0;
    if (!known || segment.ended || !is_possible(s))
        return caption_fail(err, CAPTION_EFORMAT, "JPEG: corrupt scan header");
    s->block = block_reader(s);
    return CAPTION_OK;
}

static int read_block(scan *s, int i, int x, int y)
{
    jpeg_component *c = s->component[i];
    size_t at = (size_t)y * (size_t)s->file->mcus_x * c->h + (size_t)x;
    return s->block(s, i, c->nonzero ? &c->nonzero[at] : NULL);
}

/* The MCU at (x, y): in a scan of one component a single block, else h x v blocks of each (T.81, A.2.2 and A.2.3). */
static int read_mcu(scan *s, int x, int y)
{
    if (s->components == 1)
        return read_block(s, 0, x, y);
    for (int i = 0; i < s->components; i++) {
        const jpeg_component *c = s->component[i];
        for (int block = 0; block < (int)(c->h * c->v); block++)
            if (!read_block(s, i, x * (int)c->h + block % (int)c->h, y * (int)c->v + block / (int)c->h))
                return 0;
    }
    return 1;
}

/* Between restart intervals stands FF D0, FF D1 ... FF D7, FF D0 ... and nothing is carried over. */
static int pass_restart_marker(scan *s, uint64_t interval)
{
    bit_reader *bits = &s->bits;
    refill(bits);
    if (bits->end - bits->at < 2 || bits->at[0] != 0xff || bits->at[1] != 0xd0 + (interval & 7))
        return 0;
    *bits = (bit_reader){.at = bits->at + 2, .end = bits->end};
    s->end_of_band = 0;
    return 1;
}

static int read_mcus(scan *s)
{
    const jpeg_component *c = s->component[0];
    int columns = s->components == 1 ? c->blocks_x : s->file->mcus_x;
    int rows = s->components == 1 ? c->blocks_y : s->file->mcus_y;
    uint64_t done = 0;
    for (int y = 0; y < rows; y++)
        for (int x = 0; x < columns; x++, done++) {
            unsigned interval = s->file->restart_interval;
            if (interval && done && done % interval == 0 && !pass_restart_marker(s, done / interval - 1))
                return 0;
            if (!read_mcu(s, x, y))
                return 0;
        }
    return 1;
}

int jpeg_read_scan(jpeg_file *file, byte_reader segment, byte_reader *data, caption_error *err)
{
    scan s = {.file = file, .bits = {.at = data->at, .end = data->end}};
    int status = read_scan_header(&s, segment, err);
    if (status != CAPTION_OK)
        return status;
    if (!read_mcus(&s))
        return caption_fail(err, CAPTION_EFORMAT,
                            s.bits.ended ? "JPEG: truncated or corrupt: a scan ends before its last block"
                                         : "JPEG: corrupt: a scan holds impossible codes");
    for (int i = 0; i < s.components; i++)
        s.component[i]->has_dc |= s.first == 0;
    data->at = s.bits.at;
    return CAPTION_OK;
}
