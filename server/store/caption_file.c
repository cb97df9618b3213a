/* caption_file.c: recognises a file of captions and reads those that are lines (caption_file.h). */
#include "server/store/caption_file.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "server/base/file.h"
#include "server/store/caption_records.h"

/* ---- records ----------------------------------------------------------------------------------------------------- */

int caption_records_fail(const caption_records *r, size_t number, const char *reason)
{
    return caption_fail(r->err, CAPTION_EFORMAT, "%s: %s %zu: %s", r->path, r->noun, number, reason);
}

int caption_records_add(caption_records *r, const char *file, size_t length, const char *caption, size_t number)
{
    if (r->n == r->room) {
        const size_t room = r->room ? 2 * r->room : 1024;
        caption_dataset_record *larger = realloc(r->all, room * sizeof *larger);
        if (!larger)
            return caption_fail(r->err, CAPTION_ENOMEM, "%s: out of memory for %zu captions", r->path, room);
        r->all = larger;
        r->room = room;
    }
    caption_dataset_record *record = &r->all[r->n];
    *record = (caption_dataset_record){strndup(file, length), strdup(caption), number};
    if (record->file && record->caption) {
        r->n++;
        return CAPTION_OK;
    }
    free((char *)record->file);
    free((char *)record->caption);
    return caption_fail(r->err, CAPTION_ENOMEM, "%s: out of memory", r->path);
}

static void free_records(caption_records *r)
{
    for (size_t i = 0; i < r->n; i++) {
        free((char *)r->all[i].file);
        free((char *)r->all[i].caption);
    }
    free(r->all);
}

/* ---- lines ------------------------------------------------------------------------------------------------------- */

static int is_number(const char *text, size_t length)
{
    size_t digits = 0;
    for (; length > 0 && isspace((unsigned char)*text); text++)
        length--;
    while (digits < length && isdigit((unsigned char)text[digits]))
        digits++;
    return digits > 0 && digits == length;
}

/* What CSV calls the column of names, whose line holds no caption. */
static int is_title(const char *name, size_t length)
{
    static const char *const titles[] = {"image", "image_name", "filename", "file_name", "file", "name"};
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
        if (strlen(titles[i]) == length && strncasecmp(titles[i], name, length) == 0)
            return 1;
    return 0;
}

/* Takes the quotation marks off a field of CSV, in place; NULL if they do not close. */
static char *unquote(char *field)
{
    field += strspn(field, " ");
    if (*field != '"')
        return field;
    char *out = field, *in = field + 1;
    for (; *in && (*in != '"' || in[1] == '"'); in++) {
        if (*in == '"')
            in++;
        *out++ = *in;
    }
    if (!*in)
        return NULL;
    *out = '\0';
    return field;
}

/* The caption behind the name, and behind a number if there is one. One line of Flickr30k's results.csv lacks the
 * second mark: "name| 4   A dog runs". */
static char *behind_number(char *rest, char mark)
{
    char *second = strchr(rest, mark);
    if (second && is_number(rest, (size_t)(second - rest)))
        return second + 1;
    size_t digits = strspn(rest + strspn(rest, " "), "0123456789") + strspn(rest, " ");
    return mark == '|' && digits > strspn(rest, " ") && rest[digits] == ' ' ? rest + digits : rest;
}

/* name#0<TAB>caption, name|0|caption, name,caption. Flickr8k.token.txt names a photo that was never part of it,
 * "....jpg.1": it is left out. */
static int read_line(caption_records *r, char *line, char mark, size_t number)
{
    char *end = strchr(line, mark);
    if (!end)
        return caption_records_fail(r, number,
                                    mark == '\t' ? "has no tab between image name and caption"
                                                 : "has no mark between image name and caption");
    size_t length = (size_t)(end - line);
    char *caption = mark == '\t' ? end + 1 : unquote(behind_number(end + 1, mark));
    if (!caption)
        return caption_records_fail(r, number, "a quotation mark does not close");
    if (number == 1 && is_title(line, length))
        return CAPTION_OK;
    const char *hash = mark == '\t' ? memrchr(line, '#', length) : NULL;
    if (hash && is_number(hash + 1, (size_t)(end - hash) - 1))
        length = (size_t)(hash - line);
    if (mark == '\t' && length > 6 && strncmp(line + length - 6, ".jpg.1", 6) == 0)
        return CAPTION_OK;
    return caption_records_add(r, line, length, caption, number);
}

/* text [size] is followed by a zero. */
static int read_lines(caption_records *r, char *text, size_t size, char mark)
{
    size_t number = 1;
    int status = CAPTION_OK;
    r->noun = "line";
    for (char *end = text + size, *next; text < end && status == CAPTION_OK; text = next, number++) {
        char *newline = memchr(text, '\n', (size_t)(end - text));
        next = newline ? newline + 1 : end;
        size_t length = (size_t)((newline ? newline : end) - text);
        if (length > 0 && text[length - 1] == '\r')
            length--;
        if (memchr(text, '\0', length))
            return caption_records_fail(r, number, "contains a NUL byte");
        text[length] = '\0';
        if (length > 0)
            status = read_line(r, text, mark, number);
    }
    return status;
}

/* ---- which form it has ------------------------------------------------------------------------------------------- */

/* What parts the fields of the first line: a tab of TSV ('t'), a tab behind name#0, '|' or ','; '{' for JSON. */
static char recognise(const char *text, size_t size)
{
    const char *end = memchr(text, '\n', size), *tab, *mark;
    size_t first = end ? (size_t)(end - text) : size, blank = 0;
    while (blank < size && isspace((unsigned char)text[blank]))
        blank++;
    if (blank < size && (text[blank] == '{' || text[blank] == '[') && !memchr(text, '\t', first))
        return '{';
    if ((tab = memchr(text, '\t', first))) {
        const char *hash = memrchr(text, '#', (size_t)(tab - text));
        return hash && is_number(hash + 1, (size_t)(tab - hash) - 1) ? '\t' : 't';
    }
    if (!(mark = memchr(text, '|', first)))
        mark = memchr(text, ',', first);
    const size_t name = mark ? (size_t)(mark - text) : 0;
    return name > 0 && (is_title(text, name) || memchr(text, '.', name)) ? *mark : 't';
}

static int read_records(caption_records *r, char form, char *text, size_t size)
{
    int status = form == '{' ? caption_records_json(r, text, size) : read_lines(r, text, size, form);
    if (status == CAPTION_OK && r->n == 0)
        status = caption_fail(r->err, CAPTION_EFORMAT, "%s: holds no captions%s", r->path,
                              r->part == CAPTION_PART_TRAIN  ? " to learn from"
                              : r->part == CAPTION_PART_DEV  ? " of a part for dev"
                              : r->part == CAPTION_PART_TEST ? " of a part for test"
                                                             : "");
    return status;
}

int caption_file_open(caption_dataset **out, const char *images, const char *path, caption_part part, int *divided,
                      caption_error *err)
{
    static const char mark[] = "\xEF\xBB\xBF"; /* of UTF-8, which some programs put at the beginning */
    caption_records r = {.path = path, .images = images, .part = part, .noun = "record", .err = err};
    unsigned char *bytes;
    caption_error reason;
    size_t size;
    *out = NULL;
    int status = file_read(path, SIZE_MAX / 2, &bytes, &size, &reason);
    if (status != CAPTION_OK)
        return caption_fail(err, (enum caption_status)status, "%s: %s", path, reason.message);
    char *text = (char *)bytes;
    if (size >= 3 && memcmp(text, mark, 3) == 0) {
        text += 3;
        size -= 3;
    }
    const char form = recognise(text, size);
    if (divided)
        *divided = 0;
    if (form == 't') {
        status = caption_dataset_open(out, images, path, err);
    } else {
        char *copy = malloc(size + 1);
        status = copy ? CAPTION_OK : caption_fail(err, CAPTION_ENOMEM, "%s: out of memory", path);
        if (copy) {
            memcpy(copy, text, size);
            copy[size] = '\0';
            status = read_records(&r, form, copy, size);
        }
        if (status == CAPTION_OK)
            status = caption_dataset_build(out, images, path, r.noun, r.all, r.n, err);
        if (divided)
            *divided = r.divided;
        free(copy);
        free_records(&r);
    }
    free(bytes);
    return status;
}

int caption_file_open_both(caption_dataset **train, caption_dataset **dev, const char *images, const char *path,
                           const char *dev_images, const char *dev_path, double fraction, uint64_t seed,
                           caption_error *err)
{
    int divided;
    *dev = NULL;
    int status = caption_file_open(train, images, path, CAPTION_PART_TRAIN, &divided, err);
    if (status != CAPTION_OK)
        return status;
    if (dev_path)
        return caption_file_open(dev, dev_images, dev_path, CAPTION_PART_DEV, NULL, err);
    if (divided && fraction > 0)
        return caption_file_open(dev, images, path, CAPTION_PART_DEV, NULL, err);
    return fraction > 0 ? caption_dataset_divide(*train, fraction, seed, dev, err) : CAPTION_OK;
}
