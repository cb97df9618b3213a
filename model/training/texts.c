/* texts.c: reads the lines of texts.h from one copy of the file, cut and tokenised in place. */
#include "model/training/texts.h"

#include <stdlib.h>
#include <string.h>

#include "model/decoder/vocabulary.h"
#include "model/storage/file_bytes.h"
#include "model/storage/utf8.h"

static size_t count_lines(const char *bytes, size_t size)
{
    size_t n = 1;
    for (size_t i = 0; i < size; i++)
        n += bytes[i] == '\n';
    return n;
}

/* Cuts and tokenises every line; texts->line has room for all. */
static int cut(caption_texts *texts, size_t size, const char *path, caption_error *err)
{
    char *next = texts->bytes, *end = texts->bytes + size;
    for (size_t number = 1; next < end; number++) {
        char *line = next, *stop = memchr(line, '\n', (size_t)(end - line));
        stop = stop ? stop : end;
        next = stop + 1;
        if (memchr(line, '\0', (size_t)(stop - line)) || !utf8_valid(line, (size_t)(stop - line)))
            return caption_fail(err, CAPTION_EFORMAT, "%s: line %zu: not UTF-8 text", path, number);
        *stop = '\0';
        if (vocabulary_tokenise(line) > 0)
            texts->line[texts->n++] = line;
    }
    return CAPTION_OK;
}

int texts_open(caption_texts *out, const char *path, caption_error *err)
{
    file_bytes file = {0};
    *out = (caption_texts){0};
    int status = file_bytes_read(&file, path, err);
    if (status != CAPTION_OK)
        return status;
    const size_t size = file.size;
    out->bytes = malloc(size + 1);
    if (out->bytes) {
        memcpy(out->bytes, size ? (const char *)file.bytes : "", size);
        out->bytes[size] = '\0';
        out->line = calloc(count_lines(out->bytes, size), sizeof *out->line);
    }
    file_bytes_free(&file);
    status = out->line ? cut(out, size, path, err)
                       : caption_fail(err, CAPTION_ENOMEM, "%s: out of memory for %zu bytes of text", path, size);
    if (status != CAPTION_OK)
        texts_close(out);
    return status;
}

void texts_close(caption_texts *texts)
{
    free(texts->bytes);
    free(texts->line);
    *texts = (caption_texts){0};
}
