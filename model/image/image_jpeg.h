/* image_jpeg.h: what the marker segments of a JPEG file say, shared by image_jpeg.c (segments) and image_jpeg_scan.c
 * (the coded data between them). Names and section numbers are those of ITU-T T.81. */
#ifndef CAPTION_IMAGE_JPEG_H
#define CAPTION_IMAGE_JPEG_H

#include <stdint.h>

#include "model/error.h"
#include "model/storage/byte_reader.h"

enum { JPEG_COMPONENTS = 4, JPEG_TABLES = 4, JPEG_FAST_BITS = 9 };

typedef struct jpeg_component {
    unsigned id, h, v;      /* sampling factors */
    int blocks_x, blocks_y; /* 8 x 8 blocks that cover the component */
    int has_dc;             /* a scan has brought its first coefficients */
    uint64_t *nonzero;      /* [mcus_y * v, mcus_x * h] progressive: which of a block's 64 coefficients are not 0 */
} jpeg_component;

typedef struct jpeg_huffman {
    uint16_t fast[1 << JPEG_FAST_BITS]; /* length << 8 | symbol of the code the bits begin with, 0: longer or none */
    uint32_t limit[17];                 /* codes of length n are below limit[n], as left-aligned 16 bits */
    int offset[17];                     /* index of a symbol = code + offset[length] */
    unsigned char symbols[256];
    int count;
} jpeg_huffman;

typedef struct jpeg_file {
    int width, height, components, progressive;
    int has_adobe; /* an APP14 segment says how four components are to be read */
    int mcus_x, mcus_y;
    jpeg_component component[JPEG_COMPONENTS];
    jpeg_huffman dc[JPEG_TABLES], ac[JPEG_TABLES];
    unsigned restart_interval; /* MCUs; 0: none */
} jpeg_file;

/* Reads the body of a DHT segment: Huffman tables (T.81, B.2.4.2 and annex C). */
int jpeg_read_huffman(jpeg_file *file, byte_reader segment, caption_error *err);

/* Reads a scan: `segment` is the body of SOS, `data` what follows it; leaves `data` at the marker behind. Decodes every
 * code without computing a pixel, and fails if data are missing or break the tables. */
int jpeg_read_scan(jpeg_file *file, byte_reader segment, byte_reader *data, caption_error *err);

#endif
