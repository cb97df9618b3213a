/* input_multipart.c: form data: each part called `image` is a photo, every other part an option.
 *
 * libmicrohttpd's post processor hands out a part in pieces; a piece at offset 0 begins a new part. */
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>

#include "server/caption_input.h"

enum { PARSER_BYTES = 1 << 16, OPTION_BYTES = 256, FIRST_BYTES = 1 << 16 };

typedef struct form {
    caption_input *input;
    problem *problem;
    int in_image, in_option;  /* what the current part is */
    size_t room;              /* allocated for the current image */
    char name[OPTION_BYTES];  /* of the current option */
    char value[OPTION_BYTES]; /* so far */
    size_t length;
} form;

/* The value of an option is complete when the next part begins or the body ends. */
static int end_part(form *f)
{
    int was_option = f->in_option;
    f->in_image = f->in_option = 0;
    return was_option ? caption_input_option(f->input, f->name, f->value, f->problem) : 0;
}

static int begin_part(form *f, const char *name)
{
    if (end_part(f))
        return 1;
    if (strcmp(name, "image") == 0) {
        f->in_image = 1;
        f->room = 0;
        return caption_input_add(f->input, NULL, 0, f->problem);
    }
    if (strlen(name) >= sizeof f->name)
        return problem_set(f->problem, PROBLEM_UNKNOWN_OPTION, "there is no option \"%.64s...\"", name);
    f->in_option = 1;
    f->length = 0;
    f->value[0] = '\0';
    strcpy(f->name, name);
    return 0;
}

static int extend_image(form *f, const char *data, size_t size)
{
    input_image *image = &f->input->images[f->input->n - 1];
    if (image->size + size > f->room) {
        size_t room = f->room ? f->room : FIRST_BYTES;
        while (room < image->size + size)
            room *= 2;
        unsigned char *larger = realloc(image->bytes, room);
        if (!larger)
            return problem_set(f->problem, PROBLEM_MEMORY_FULL, "out of memory");
        image->bytes = larger;
        f->room = room;
    }
    if (size > 0)
        memcpy(image->bytes + image->size, data, size);
    image->size += size;
    return 0;
}

static int extend_option(form *f, const char *data, size_t size)
{
    if (f->length + size >= sizeof f->value || memchr(data, '\0', size))
        return problem_set(f->problem, PROBLEM_BAD_OPTION, "%.64s: the value is too long or has a zero byte", f->name);
    memcpy(f->value + f->length, data, size);
    f->length += size;
    f->value[f->length] = '\0';
    return 0;
}

static enum MHD_Result on_piece(void *cls, enum MHD_ValueKind kind, const char *name, const char *file,
                                const char *type, const char *encoding, const char *data, uint64_t offset, size_t size)
{
    form *f = cls;
    (void)kind, (void)file, (void)type, (void)encoding;
    if (!name) {
        problem_set(f->problem, PROBLEM_BAD_MULTIPART, "a part has no name");
        return MHD_NO;
    }
    if (offset == 0 && begin_part(f, name))
        return MHD_NO;
    int failed = f->in_image ? extend_image(f, data, size) : size > 0 ? extend_option(f, data, size) : 0;
    return failed ? MHD_NO : MHD_YES;
}

int caption_input_multipart(caption_input *input, const http_request *request, problem *p)
{
    form f = {.input = input, .problem = p};
    struct MHD_PostProcessor *parser = MHD_create_post_processor(request->connection, PARSER_BYTES, on_piece, &f);
    if (!parser)
        return problem_set(p, PROBLEM_BAD_MULTIPART, "the Content-Type has no usable boundary");
    int good = MHD_post_process(parser, (const char *)request->body, request->size) == MHD_YES;
    if (MHD_destroy_post_processor(parser) != MHD_YES)
        good = 0;
    if (p->kind || (good && end_part(&f)))
        return 1;
    if (!good)
        return problem_set(p, PROBLEM_BAD_MULTIPART, "a boundary is missing or a part's headers are wrong");
    return 0;
}
