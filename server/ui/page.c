/* api_page.c: the web page: the files of server/ui, as the binary carries them. The page loads nothing from elsewhere
 * and its policy forbids it to; it asks this daemon alone, with the rights of who uses it. */
#include <nettle/base16.h>
#include <nettle/sha2.h>
#include <string.h>

#include "server/api/api.h"
#include "server/base/embedded.h"

enum { ETAG_BYTES = 16, ETAG_ROOM = 2 * ETAG_BYTES + 3 };

EMBEDDED(server_ui_index_html);
EMBEDDED(server_ui_style_css);
EMBEDDED(server_ui_icon_svg);
EMBEDDED(server_ui_api_js);
EMBEDDED(server_ui_captions_js);
EMBEDDED(server_ui_curve_js);
EMBEDDED(server_ui_datasets_js);
EMBEDDED(server_ui_dom_js);
EMBEDDED(server_ui_main_js);
EMBEDDED(server_ui_models_js);
EMBEDDED(server_ui_photos_js);
EMBEDDED(server_ui_selftest_js);
EMBEDDED(server_ui_training_js);
EMBEDDED(server_ui_visualise_js);
EMBEDDED(server_ui_words_js);

#define HTML "text/html; charset=utf-8"
#define CSS "text/css; charset=utf-8"
#define SCRIPT "text/javascript; charset=utf-8"
#define UI_FILE(name, type, id)                                                                                        \
    {                                                                                                                  \
        name, type, embedded_server_ui_##id, embedded_server_ui_##id##_end                                             \
    }

typedef struct ui_file {
    const char *name, *type, *bytes, *end;
} ui_file;

static const ui_file files[] = {
    UI_FILE("index.html", HTML, index_html), /* first: the page itself */
    UI_FILE("style.css", CSS, style_css),
    UI_FILE("icon.svg", "image/svg+xml", icon_svg),
    UI_FILE("api.js", SCRIPT, api_js),
    UI_FILE("captions.js", SCRIPT, captions_js),
    UI_FILE("curve.js", SCRIPT, curve_js),
    UI_FILE("datasets.js", SCRIPT, datasets_js),
    UI_FILE("dom.js", SCRIPT, dom_js),
    UI_FILE("main.js", SCRIPT, main_js),
    UI_FILE("models.js", SCRIPT, models_js),
    UI_FILE("photos.js", SCRIPT, photos_js),
    UI_FILE("selftest.js", SCRIPT, selftest_js),
    UI_FILE("training.js", SCRIPT, training_js),
    UI_FILE("visualise.js", SCRIPT, visualise_js),
    UI_FILE("words.js", SCRIPT, words_js),
};

/* blob: are photos that the user chose and pictures that were fetched with the key. */
static const char policy[] = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
                             "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/* "\"a1b2...\"": of the content, so that a new daemon's page is seen to be new. */
static void make_etag(const ui_file *file, char out[ETAG_ROOM])
{
    uint8_t digest[ETAG_BYTES];
    struct sha256_ctx sha;
    sha256_init(&sha);
    sha256_update(&sha, (size_t)(file->end - file->bytes), (const uint8_t *)file->bytes);
    sha256_digest(&sha, sizeof digest, digest);
    out[0] = '"';
    base16_encode_update(out + 1, sizeof digest, digest);
    strcpy(out + ETAG_ROOM - 2, "\"");
}

static void answer_file(http_request *r, const ui_file *file)
{
    char etag[ETAG_ROOM];
    make_etag(file, etag);
    const char *known = http_header(r, "If-None-Match");
    if (known && strstr(known, etag))
        http_answer_unchanged(r);
    else
        http_answer_constant(r, file->type, file->bytes, (size_t)(file->end - file->bytes));
    http_answer_header(r, "ETag", etag);
    http_answer_header(r, "Cache-Control", "no-cache");
    http_answer_header(r, "Vary", "Accept");
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
