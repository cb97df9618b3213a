/* Form data as clients write it (tests/fuzz/corpus/multipart.py), fed whole and in pieces of every size; and what is a
 * fault. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/base/base64.h"
#include "server/http/multipart.h"

static const char corpus[] = "tests/fuzz/corpus/multipart";
static const char image[] = "\x89PNG\r\n\x1a\n\r\n--\r\r\n--BOUNDAR\n--BOUNDARY\r--\0\xff\r\n";

/* What came: the part at hand, and how many of each there were. */
typedef struct seen {
    char name[MULTIPART_NAME_BYTES];
    unsigned char bytes[4096];
    size_t size;
    int is_base64, is_file;
    int images, options, ended, others;
} seen;

static int on_begin(void *context, const multipart_part *part)
{
    seen *s = context;
    assert_int_equal(s->ended, s->images + s->options + s->others); /* never one within another */
    snprintf(s->name, sizeof s->name, "%s", part->name);
    s->size = 0;
    s->is_base64 = part->is_base64;
    s->is_file = part->is_file;
    return strcmp(part->name, "stop") == 0;
}

static int on_bytes(void *context, const char *bytes, size_t size)
{
    seen *s = context;
    assert_true(size > 0 && s->size + size <= sizeof s->bytes);
    memcpy(s->bytes + s->size, bytes, size);
    s->size += size;
    return 0;
}

static int on_end(void *context)
{
    seen *s = context;
    s->ended++;
    if (s->is_base64)
        assert_true(base64_decode((const char *)s->bytes, s->size, s->bytes, &s->size));
    if (strcmp(s->name, "image") == 0) {
        assert_int_equal(s->size, sizeof image - 1);
        assert_memory_equal(s->bytes, image, s->size);
        s->images++;
    } else if (strcmp(s->name, "max_words") == 0) {
        assert_int_equal(s->size, 2);
        assert_memory_equal(s->bytes, "12", 2);
        s->options++;
    } else {
        s->others++;
    }
    return 0;
}

static const multipart_reader reader = {on_begin, on_bytes, on_end};

/* Returns 1 if it is refused, with the fault in m. */
static int read_pieces(multipart *m, seen *s, const char *type, const char *body, size_t size, size_t piece)
{
    *s = (seen){.size = 0};
    if (multipart_open(m, type, &reader, s))
        return 1;
    for (size_t i = 0; i < size; i += piece)
        if (multipart_feed(m, body + i, size - i < piece ? size - i : piece))
            return 1;
    return multipart_close(m);
}

static size_t read_file(const char *name, char *out, size_t room)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", corpus, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t size = fread(out, 1, room, file);
    fclose(file);
    assert_true(size < room);
    return size;
}

static void every_client_is_read_in_pieces_of_every_size(void **state)
{
    int clients = 0;
    struct dirent *entry;
    DIR *directory = opendir(corpus);
    (void)state;
    assert_non_null(directory);
    while ((entry = readdir(directory)) != NULL) {
        static char text[8192];
        static multipart m;
        static seen s;
        if (*entry->d_name == '.')
            continue;
        size_t size = read_file(entry->d_name, text, sizeof text);
        char *body = memmem(text, size, "\n\n", 2);
        assert_non_null(body);
        *body = '\0';
        body += 2;
        size -= (size_t)(body - text);
        for (size_t piece = 1; piece <= size; piece++) {
            int refused = read_pieces(&m, &s, text, body, size, piece);
            if (refused || s.images != 1 || s.options != 1)
                fail_msg("%s in pieces of %zu: %s (%d images, %d options)", entry->d_name, piece, m.fault, s.images,
                         s.options);
        }
        clients++;
    }
    closedir(directory);
    assert_true(clients >= 25);
}

#define HEAD "Content-Disposition: form-data; name=\"a\"\r\n\r\n"

static void faults(void **state)
{
    static const struct {
        const char *type, *body, *fault;
    } cases[] = {
        {"multipart/form-data", "--B--", "no boundary"},
        {"multipart/form-data; boundary=", "--B--", "empty"},
        {"multipart/form-data; boundary=\"\"", "--B--", "empty"},
        {"multipart/form-data; boundary=\"B", "--B--", "quote"},
        {"multipart/form-data; boundary=B; boundary=C", "--B--", "two boundaries"},
        {"multipart/form-data; boundary=\"B\x01\"", "--B--", "printable"},
        {"multipart/form-data; boundary=B", "", "not in the body"},
        {"multipart/form-data; boundary=B", "hello", "not in the body"},
        {"multipart/form-data; boundary=B", " --B--", "not in the body"},
        {"multipart/form-data; boundary=B", "--b\r\n" HEAD "x\r\n--b--\r\n", "not in the body"},
        {"multipart/form-data; boundary=B", "--B\r\n", "ends in a part's headers"},
        {"multipart/form-data; boundary=B", "--B\r\nContent-Disposition: form-data; name=a\r\n", "headers"},
        {"multipart/form-data; boundary=B", "--B\r\n" HEAD "x", "before its last boundary"},
        {"multipart/form-data; boundary=B", "--B\r\n" HEAD "x\r\n--B\r\n", "headers"},
        {"multipart/form-data; boundary=B", "--B\r\n" HEAD "x\r\n--B-", "before its last boundary"},
        {"multipart/form-data; boundary=B", "--B\r\n" HEAD "x\n--B--", "before its last boundary"},
        {"multipart/form-data; boundary=B", "--B\r\n\r\nx\r\n--B--\r\n", "no name"},
        {"multipart/form-data; boundary=B", "--B\r\nContent-Type: image/png\r\n\r\nx\r\n--B--\r\n", "no name"},
        {"multipart/form-data; boundary=B", "--B\r\nContent-Disposition: form-data\r\n\r\nx\r\n--B--\r\n", "no name"},
        {"multipart/form-data; boundary=B", "--B\r\nContent-Disposition: form-data; name=\"\"\r\n\r\nx\r\n--B--",
         "empty"},
        {"multipart/form-data; boundary=B", "--B\r\nContent-Disposition: attachment; name=a\r\n\r\nx\r\n--B--",
         "not form-data"},
        {"multipart/form-data; boundary=B", "--B\r\nContent-Disposition: form-data; name=a; name=b\r\n\r\nx\r\n--B--",
         "two names"},
        {"multipart/form-data; boundary=B", "--B\r\nContent-Disposition: form-data; name=\"a\r\n\r\nx\r\n--B--",
         "quote"},
        {"multipart/form-data; boundary=B",
         "--B\r\n"
         "Content-Disposition: form-data; name=a\r\n" HEAD "x\r\n--B--",
         "two headers"},
        {"multipart/form-data; boundary=B", "--B\r\nnonsense\r\n" HEAD "x\r\n--B--\r\n", "no name"},
        {"multipart/form-data; boundary=B",
         "--B\r\nContent-Transfer-Encoding: quoted-printable\r\n" HEAD "x\r\n--B--\r\n", "quoted-printable"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t piece = 1; piece <= strlen(cases[i].body) + 1; piece++) {
            static multipart m;
            static seen s;
            if (!read_pieces(&m, &s, cases[i].type, cases[i].body, strlen(cases[i].body), piece) ||
                !strstr(m.fault, cases[i].fault))
                fail_msg("case %zu in pieces of %zu: \"%s\", not \"%s\"", i, piece, m.fault, cases[i].fault);
        }
}

static void headers_have_a_limit(void **state)
{
    static char body[2 * MULTIPART_HEADER_BYTES];
    static multipart m;
    static seen s;
    (void)state;
    memset(body, 'x', sizeof body);
    memcpy(body, "--B\r\nA: ", 8);
    assert_true(read_pieces(&m, &s, "multipart/form-data; boundary=B", body, sizeof body, 1000));
    assert_non_null(strstr(m.fault, "more than"));
    memset(body + 5, '\0', 1);
    assert_true(read_pieces(&m, &s, "multipart/form-data; boundary=B", body, sizeof body, 1000));
    assert_non_null(strstr(m.fault, "zero byte"));
}

static void the_reader_may_stop_it(void **state)
{
    static const char body[] = "--B\r\nContent-Disposition: form-data; name=stop\r\n\r\nx\r\n--B--";
    static multipart m;
    static seen s;
    (void)state;
    assert_true(read_pieces(&m, &s, "multipart/form-data; boundary=B", body, sizeof body - 1, 5));
    assert_string_equal(m.fault, "");
    assert_int_equal(s.ended, 0);
}

static void parts_may_be_empty(void **state)
{
    static const char *const bodies[] = {"--B\r\n" HEAD "\r\n--B--", "--B\r\n" HEAD "--B--\r\n",
                                         "--B\r\n" HEAD "\r\n--B\r\n" HEAD "--B--\r\n", "--B--"};
    static const int parts[] = {1, 1, 2, 0};
    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        static multipart m;
        static seen s;
        assert_false(read_pieces(&m, &s, "multipart/form-data; boundary=B", bodies[i], strlen(bodies[i]), 3));
        assert_int_equal(s.others, parts[i]);
        assert_int_equal(s.size, 0);
    }
}

/* ---- base64 ------------------------------------------------------------------------------------------------------ */

static void base64_of_every_kind(void **state)
{
    static const struct {
        const char *text, *bytes;
    } cases[] = {
        {"", ""},
        {"Zg==", "f"},
        {"Zg", "f"},
        {"Zg=", "f"},
        {"Zm8=", "fo"},
        {"Zm8", "fo"},
        {"Zm9v", "foo"},
        {" Zm\r\n9v\tYg ", "foob"},
        {"-_-_", "\xfb\xff\xbf"},
        {"+/+/", "\xfb\xff\xbf"},
        {"Zm9vYmFy", "foobar"},
    };
    static const char *const wrong[] = {
        "Z", "Zm9vY", "Zg===", "Zm8==", "Zm9v=", "=", "Zg==Zg==", "Z*9v", "Zm9v\x80", "Zm.v"};
    unsigned char out[64];
    size_t size;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_true(base64_decode(cases[i].text, strlen(cases[i].text), out, &size));
        assert_int_equal(size, strlen(cases[i].bytes));
        assert_memory_equal(out, cases[i].bytes, size);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (base64_decode(wrong[i], strlen(wrong[i]), out, &size))
            fail_msg("\"%s\" was taken for base64", wrong[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_client_is_read_in_pieces_of_every_size),
        cmocka_unit_test(faults),
        cmocka_unit_test(headers_have_a_limit),
        cmocka_unit_test(the_reader_may_stop_it),
        cmocka_unit_test(parts_may_be_empty),
        cmocka_unit_test(base64_of_every_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
