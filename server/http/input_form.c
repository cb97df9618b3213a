/* input_form.c: multipart/form-data, part by part: http/multipart.h takes it apart, here each part is collected. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "server/base/base64.h"
#include "server/http/input.h"
#include "server/http/multipart.h"

enum { FIRST_BYTES = 1 << 10 };

typedef struct form {
    int (*each)(void *context, input_part *part, problem *p);
    void *context;
    problem *problem;
    input_part part;
    int is_base64;
    size_t room; /* allocated for the part */
} form;

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

static int on_begin(void *context, const multipart_part *part)
{
    form *f = context;
    f->room = 0;
    f->part.size = 0;
    f->part.is_file = part->is_file;
    f->is_base64 = part->is_base64;
    strcpy(f->part.name, part->name);
    return reserve(f, 0);
}

static int on_bytes(void *context, const char *bytes, size_t size)
{
    form *f = context;
    if (f->part.size + size >= f->room && reserve(f, f->part.size + size))
        return 1;
    memcpy(f->part.bytes + f->part.size, bytes, size);
    f->part.size += size;
    return 0;
}

/* In place: what is decoded is never longer than what was. */
static int decode(form *f)
{
    if (base64_decode((const char *)f->part.bytes, f->part.size, f->part.bytes, &f->part.size))
        return 0;
    return problem_set(f->problem, PROBLEM_BAD_BASE64, "part %.64s: this is no base64", f->part.name);
}

/* The name by which forms of HTML tell their charset is no option. */
static int is_charset(const input_part *part)
{
    return strcmp(part->name, "_charset_") == 0;
}

static int on_end(void *context)
{
    form *f = context;
    int failed = f->is_base64 && decode(f);
    f->part.bytes[f->part.size] = '\0';
    if (!failed && !is_charset(&f->part))
        failed = f->each(f->context, &f->part, f->problem);
    free(f->part.bytes);
    f->part.bytes = NULL;
    return failed;
}

int input_form(const http_request *request, int (*each)(void *context, input_part *part, problem *p), void *context,
               problem *p)
{
    static const multipart_reader reader = {on_begin, on_bytes, on_end};
    form f = {.each = each, .context = context, .problem = p};
    multipart m;
    int failed = multipart_open(&m, http_header(request, "Content-Type"), &reader, &f) ||
                 multipart_feed(&m, (const char *)request->body, request->size) || multipart_close(&m);
    free(f.part.bytes);
    return failed && *m.fault ? problem_set(p, PROBLEM_BAD_MULTIPART, "%s", m.fault) : failed;
}

/* What people and programs call the image that we call `image`. */
static int is_name_of_image(const char *name)
{
    static const char *const others[] = {"file",  "files", "photo",  "photos",  "picture", "pictures", "data",  "img",
                                         "image", "media", "upload", "uploads", "images",  "content",  "input", "body"};
    size_t length = strcspn(name, "[_-0123456789"); /* "image[]", "file0", "image_base64" */
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (length == strlen(others[i]) && strncasecmp(name, others[i], length) == 0)
            return 1;
    return 0;
}

int input_refuse_name(const char *name, int is_image, problem *p)
{
    if (is_image || is_name_of_image(name))
        return problem_set(p, PROBLEM_UNKNOWN_OPTION,
                           "there is no option \"%.64s\"; if this is the photo, call it image", name);
    return problem_set(p, PROBLEM_UNKNOWN_OPTION, "there is no option \"%.64s\"", name);
}

int input_refuse_member(const cJSON *member, problem *p)
{
    enum { LONGER_THAN_OPTIONS = 256 };
    const char *text = cJSON_GetStringValue(member);
    return input_refuse_name(member->string, text && strlen(text) > LONGER_THAN_OPTIONS, p);
}

int input_refuse_part(const input_part *part, problem *p)
{
    return input_refuse_name(part->name, part->is_file || caption_image_type(part->bytes, part->size) != NULL, p);
}
