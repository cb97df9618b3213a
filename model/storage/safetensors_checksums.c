/* safetensors_checksums.c: see safetensors_checksums.h. */
#include "model/storage/safetensors_checksums.h"

#include <nettle/base16.h>
#include <string.h>

const char safetensors_checksums_key[] = "checksums", safetensors_checksums_rest[] = "__metadata__";

void safetensors_checksum_text(struct sha256_ctx *hash, char text[SAFETENSORS_HEX + 1])
{
    uint8_t digest[SHA256_DIGEST_SIZE];
    sha256_digest(hash, sizeof digest, digest);
    base16_encode_update(text, sizeof digest, digest);
    text[SAFETENSORS_HEX] = '\0';
}

/* With its end, so that "ab", "c" is not "a", "bc". */
static void add_string(struct sha256_ctx *hash, const char *string)
{
    sha256_update(hash, strlen(string) + 1, (const uint8_t *)string);
}

static void add_number(struct sha256_ctx *hash, uint64_t number)
{
    sha256_update(hash, sizeof number, (const uint8_t *)&number);
}

void safetensors_checksum_header(const safetensors_header *header, char text[SAFETENSORS_HEX + 1])
{
    struct sha256_ctx hash;
    sha256_init(&hash);
    for (size_t i = 0; i < header->pairs; i++)
        if (strcmp(header->metadata[i][0], safetensors_checksums_key) != 0) {
            add_string(&hash, header->metadata[i][0]);
            add_string(&hash, header->metadata[i][1]);
        }
    for (size_t i = 0; i < header->tensors; i++) {
        const safetensors_entry *e = &header->entries[i];
        add_string(&hash, e->name);
        add_string(&hash, safetensors_type_name(e->type));
        for (int k = 0; k < e->ndims; k++)
            add_number(&hash, e->dims[k]);
    }
    safetensors_checksum_text(&hash, text);
}

/* Takes the line "WANTED  NAME\n" off *lines; 0 if another one stands there. */
static int take_line(const char **lines, const char *wanted, const char *name)
{
    size_t length = strlen(name);
    const char *at = *lines;
    if (strncmp(at, wanted, SAFETENSORS_HEX) != 0 || strncmp(at + SAFETENSORS_HEX, "  ", 2) != 0 ||
        strncmp(at + SAFETENSORS_HEX + 2, name, length) != 0 || at[SAFETENSORS_HEX + 2 + length] != '\n')
        return 0;
    *lines = at + SAFETENSORS_HEX + 2 + length + 1;
    return 1;
}

static int compare(const safetensors_header *header, const char *path, const unsigned char *data, const char *lines,
                   caption_error *err)
{
    char text[SAFETENSORS_HEX + 1];
    struct sha256_ctx hash;
    sha256_init(&hash);
    for (size_t i = 0; i < header->tensors; i++) {
        const safetensors_entry *e = &header->entries[i];
        sha256_update(&hash, e->end - e->begin, data + e->begin);
        safetensors_checksum_text(&hash, text);
        if (!take_line(&lines, text, e->name))
            return caption_fail(err, CAPTION_EFORMAT, "%s: tensor %s: wrong checksum: the file is damaged", path,
                                e->name);
    }
    safetensors_checksum_header(header, text);
    if (!take_line(&lines, text, safetensors_checksums_rest) || *lines)
        return caption_fail(err, CAPTION_EFORMAT, "%s: metadata: wrong checksum: the file is damaged", path);
    return CAPTION_OK;
}

int safetensors_checksums_verify(safetensors_header *header, const char *path, const unsigned char *data, int *verified,
                                 caption_error *err)
{
    size_t at = 0;
    while (at < header->pairs && strcmp(header->metadata[at][0], safetensors_checksums_key) != 0)
        at++;
    *verified = at < header->pairs;
    if (!*verified)
        return CAPTION_OK;
    int status = compare(header, path, data, header->metadata[at][1], err);
    memmove(header->metadata + at, header->metadata + at + 1, (header->pairs - at - 1) * sizeof *header->metadata);
    header->pairs--;
    return status;
}
