/* input_form.c: multipart/form-data, part by part.
 *
 * libmicrohttpd's post processor hands out a part in pieces; a piece at offset 0 begins a new part, so a part is known
 * to be complete when the next one begins or the body ends. */
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>

#include "server/http/input.h"

enum { PARSER_BYTES = 1 << 16, FIRST_BYTES = 1 << 10 };

typedef struct form {
    int (*each)(void *context, input_part *part, problem *p);
    void *context;
    problem *problem;
    int open; /* a part has begun */
    input_part part;
    size_t room; /* allocated for it */
} form;

static int end_part(form *f)
{
    int failed = f->open ? f->each(f->context, &f->part, f->problem) : 0;
    free(f->part.bytes);
    f->part.bytes = NULL;
    f->open = 0;
    return failed;
}

static int reserve(form *f, size_t size)
{
    size_t room = f->room ? f->room : FIRST_BYTES;
    while (room <= size)
        room *= 2;
    unsigned char *larger = realloc(f->part.bytes, room);
    if (!larger)
        return problem_set(f->problem, PROBLEM_MEMORY_FULL, "out of memory");
    f->part.bytes = larger;
    f->room = room;
    return 0;
}

static int begin_part(form *f, const char *name)
{
    if (end_part(f))
        return 1;
    if (strlen(name) >= sizeof f->part.name)
        return problem_set(f->problem, PROBLEM_UNKNOWN_OPTION, "there is no option \"%.64s...\"", name);
    f->open = 1;
    f->room = 0;
    f->part.size = 0;
    strcpy(f->part.name, name);
    if (reserve(f, 0))
        return 1;
    f->part.bytes[0] = '\0';
    return 0;
}

static int extend_part(form *f, const char *data, size_t size)
{
    input_part *part = &f->part;
    if (size == 0)
        return 0;
    if (part->size + size >= f->room && reserve(f, part->size + size))
        return 1;
    memcpy(part->bytes + part->size, data, size);
    part->size += size;
    part->bytes[part->size] = '\0';
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
    return extend_part(f, data, size) ? MHD_NO : MHD_YES;
}

int input_form(const http_request *request, int (*each)(void *context, input_part *part, problem *p), void *context,
               problem *p)
{
    form f = {.each = each, .context = context, .problem = p};
    struct MHD_PostProcessor *parser = MHD_create_post_processor(request->connection, PARSER_BYTES, on_piece, &f);
    if (!parser)
        return problem_set(p, PROBLEM_BAD_MULTIPART, "the Content-Type has no usable boundary");
    int good = MHD_post_process(parser, (const char *)request->body, request->size) == MHD_YES;
    if (MHD_destroy_post_processor(parser) != MHD_YES)
        good = 0;
    if (good && !p->kind)
        end_part(&f);
    free(f.part.bytes);
    if (p->kind)
        return 1;
    if (!good)
        return problem_set(p, PROBLEM_BAD_MULTIPART, "a boundary is missing or a part's headers are wrong");
    return 0;
}
