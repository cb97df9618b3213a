/* page.c: the web page as the binary carries it: the page itself, one script that the Makefile joins of the modules in
 * this directory, one style sheet, and the model card; each also compressed. The page loads nothing from elsewhere and
 * its policy forbids it to; it asks this daemon alone, with the rights of who uses it. */
#include <nettle/base16.h>
#include <nettle/sha2.h>
#include <string.h>

#include "server/api/api.h"
#include "server/base/embedded.h"
#include "server/http/accept.h"

enum { ETAG_BYTES = 16, ETAG_ROOM = 2 * ETAG_BYTES + 3 };

#define UI_EMBEDDED(id)                                                                                                \
    EMBEDDED(ui_##id);                                                                                                 \
    EMBEDDED(ui_##id##_gz)

UI_EMBEDDED(index_html);
UI_EMBEDDED(page_css);
UI_EMBEDDED(page_js);
UI_EMBEDDED(icon_svg);
UI_EMBEDDED(model_card_md);

#define UI_FILE(name, type, id)                                                                                        \
    {                                                                                                                  \
        name, type, {embedded_ui_##id, embedded_ui_##id##_end},                                                        \
        {                                                                                                              \
            embedded_ui_##id##_gz, embedded_ui_##id##_gz_end                                                           \
        }                                                                                                              \
    }

typedef struct ui_bytes {
    const char *begin, *end;
} ui_bytes;

typedef struct ui_file {
    const char *name, *type;
    ui_bytes plain, compressed;
} ui_file;

static const ui_file files[] = {
    UI_FILE("index.html", "text/html; charset=utf-8", index_html), /* first: the page itself */
    UI_FILE("page.css", "text/css; charset=utf-8", page_css),
    UI_FILE("page.js", "text/javascript; charset=utf-8", page_js),
    UI_FILE("icon.svg", "image/svg+xml", icon_svg),
    UI_FILE("model_card.md", "text/markdown; charset=utf-8", model_card_md),
};

/* blob: are photos that the user chose and pictures that were fetched with the key. */
static const char policy[] = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
                             "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/* "\"a1b2...\"": of the bytes as they are sent, so that a new daemon's page is seen to be new. */
static void make_etag(const ui_bytes *bytes, char out[ETAG_ROOM])
{
    uint8_t digest[ETAG_BYTES];
    struct sha256_ctx sha;
    sha256_init(&sha);
    sha256_update(&sha, (size_t)(bytes->end - bytes->begin), (const uint8_t *)bytes->begin);
    sha256_digest(&sha, sizeof digest, digest);
    out[0] = '"';
    base16_encode_update(out + 1, sizeof digest, digest);
    strcpy(out + ETAG_ROOM - 2, "\"");
}

static void answer_file(http_request *r, const ui_file *file)
{
    char etag[ETAG_ROOM];
    int compressed = accept_lists(http_header(r, "Accept-Encoding"), "gzip");
    const ui_bytes *bytes = compressed ? &file->compressed : &file->plain;
    make_etag(bytes, etag);
    const char *known = http_header(r, "If-None-Match");
    if (known && strstr(known, etag))
        http_answer_unchanged(r);
    else
        http_answer_constant(r, file->type, bytes->begin, (size_t)(bytes->end - bytes->begin));
    if (compressed)
        http_answer_header(r, "Content-Encoding", "gzip");
    http_answer_header(r, "ETag", etag);
    http_answer_header(r, "Cache-Control", "no-cache");
    http_answer_header(r, "Vary", "Accept, Accept-Encoding");
    http_answer_header(r, "Content-Security-Policy", policy);
    http_answer_header(r, "X-Content-Type-Options", "nosniff");
    http_answer_header(r, "Referrer-Policy", "no-referrer");
}

void api_page(http_request *request)
{
    answer_file(request, files);
}

void api_page_file(http_request *request)
{
    problem p;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (strcmp(files[i].name, request->parameter[0]) == 0) {
            answer_file(request, &files[i]);
            return;
        }
    problem_set(&p, PROBLEM_NOT_FOUND, "the page has no file %.64s", request->parameter[0]);
    http_answer_problem(request, &p);
}
