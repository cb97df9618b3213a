/* Weight files: what is written is read back, and every way to lie in a file is refused with its reason. */
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "model/storage/safetensors.h"
#include "tests/support/scratch.h"

/* ---- helpers ----------------------------------------------------------------------------------------------------- */

/* Writes a file of this header text and `data_size` bytes of data, all 0 unless given. */
static const char *file_of(const char *header, size_t data_size, const void *data)
{
    size_t length = strlen(header);
    unsigned char *bytes = calloc(1, 8 + length + data_size + 1);
    assert_non_null(bytes);
    memcpy(bytes, &(uint64_t){length}, 8);
    memcpy(bytes + 8, header, length);
    if (data)
        memcpy(bytes + 8 + length, data, data_size);
    const char *path = scratch_write("hostile", bytes, 8 + length + data_size);
    free(bytes);
    return path;
}

static void check_refused(const char *path, int code, const char *reason)
{
    safetensors *file;
    caption_error err = {""};
    assert_int_equal(safetensors_open(&file, path, &err), code);
    assert_null(file);
    assert_memory_equal(err.message, path, strlen(path));
    if (!strstr(err.message, reason))
        fail_msg("expected \"%s\" in \"%s\"", reason, err.message);
}

static void check_header_refused(const char *header, size_t data_size, int code, const char *reason)
{
    check_refused(file_of(header, data_size, NULL), code, reason);
}

#define TENSOR(name, type, shape, begin, end)                                                                          \
    "\"" name "\":{\"dtype\":\"" type "\",\"shape\":" shape ",\"data_offsets\":[" #begin "," #end "]}"

static safetensors *opened(const char *path)
{
    safetensors *file;
    caption_error err;
    if (safetensors_open(&file, path, &err) != CAPTION_OK)
        fail_msg("%s", err.message);
    return file;
}

/* ---- round trip -------------------------------------------------------------------------------------------------- */

static const float floats[6] = {0.1f, -2.5f, 65504.0f, 1e-7f, 0, 3.0f};
static const double doubles[2] = {1.0 / 3, -1e300};
static const char hard_text[] = "line one\nline \"two\"\t\\ caf\xc3\xa9 \xf0\x9f\x90\x95 \x01\x7f";
static const char *const metadata[][2] = {{"kind", "lstm"}, {"vocabulary", hard_text}, {"empty", ""}, {NULL, NULL}};
static const safetensors_tensor tensors[] = {
    {"half", SAFETENSORS_F16, 2, {2, 3}, floats},    {"single", SAFETENSORS_F32, 1, {5}, floats},
    {"double", SAFETENSORS_F64, 2, {1, 2}, doubles}, {"scalar", SAFETENSORS_F32, 0, {0}, floats + 1},
    {"nothing", SAFETENSORS_F16, 2, {0, 7}, floats}, {"odd", SAFETENSORS_F16, 4, {1, 1, 1, 3}, floats},
};
enum { TENSORS = sizeof tensors / sizeof *tensors };

static const char *write_sample(const char *name)
{
    caption_error err;
    const char *path = scratch_path(name);
    if (safetensors_write(path, metadata, TENSORS, tensors, &err) != CAPTION_OK)
        fail_msg("%s", err.message);
    return path;
}

static void what_is_written_is_read_back(void **state)
{
    (void)state;
    safetensors *file = opened(write_sample("sample"));
    float out[6];
    double wide[2];
    assert_int_equal(safetensors_read(file, "single", 1, (size_t[]){5}, out, NULL), CAPTION_OK);
    assert_memory_equal(out, floats, 5 * sizeof *floats);
    assert_int_equal(safetensors_read(file, "scalar", 0, (size_t[]){0}, out, NULL), CAPTION_OK);
    assert_true(out[0] == floats[1]);
    assert_int_equal(safetensors_read(file, "half", 2, (size_t[]){2, 3}, out, NULL), CAPTION_OK);
    assert_true(out[0] == 0x1.998p-4f); /* 0.1 to 11 bits */
    assert_true(out[1] == -2.5f && out[2] == 65504.0f && out[4] == 0 && out[5] == 3.0f);
    assert_true(out[3] == 0x1p-23f); /* 1e-7 is subnormal: 1.68 units of 2^-24 */
    assert_int_equal(safetensors_read_f64(file, "double", 2, (size_t[]){1, 2}, wide, NULL), CAPTION_OK);
    assert_memory_equal(wide, doubles, sizeof doubles);
    safetensors_close(file);
}

static void metadata_keeps_every_character_and_its_order(void **state)
{
    (void)state;
    safetensors *file = opened(write_sample("sample"));
    const char *key, *value;
    for (size_t i = 0; metadata[i][0]; i++) {
        assert_int_equal(safetensors_metadata_at(file, i, &key, &value), 1);
        assert_string_equal(key, metadata[i][0]);
        assert_string_equal(value, metadata[i][1]);
        assert_string_equal(safetensors_metadata(file, key), value);
    }
    assert_int_equal(safetensors_metadata_at(file, 3, &key, &value), 0);
    assert_null(safetensors_metadata(file, "missing"));
    safetensors_close(file);
}

static void the_same_arguments_give_the_same_bytes(void **state)
{
    (void)state;
    size_t size, again_size;
    unsigned char *bytes = scratch_read(write_sample("sample"), &size);
    unsigned char *again = scratch_read(write_sample("again"), &again_size);
    assert_int_equal(size, again_size);
    assert_memory_equal(bytes, again, size);
    free(bytes);
    free(again);
}

static void a_new_file_is_readable_as_the_umask_says(void **state)
{
    (void)state;
    mode_t old = umask(022);
    struct stat facts;
    unlink(scratch_path("sample"));
    assert_int_equal(stat(write_sample("sample"), &facts), 0);
    assert_int_equal(facts.st_mode & 0777, 0644);
    umask(old);
}

static void the_checksum_is_the_sha256_of_the_file(void **state)
{
    (void)state;
    /* printf '\2\0\0\0\0\0\0\0{}' | sha256sum */
    safetensors *file = opened(file_of("{}", 0, NULL));
    assert_string_equal(safetensors_sha256(file), "411a485216e432ece6b9af94fa32154cf79a2a56d4f81266baa50063f45092bd");
    safetensors_close(file);
}

static void foreign_spelling_of_a_header_is_read(void **state)
{
    (void)state;
    safetensors *file = opened(file_of(
        "{ \"b\" : {\"data_offsets\":[4,8],\"shape\":[ 1 ],\"dtype\":\"F32\"},\n\t"
        "\"__metadata__\":{\"\\u0041\\/\":\"\\ud83d\\udc15\\u00e9\\b\\f\\r\"}," TENSOR("a", "F32", "[1]", 0, 4) " }   ",
        8, (float[]){1, 2}));
    float a, b;
    assert_int_equal(safetensors_read(file, "a", 1, (size_t[]){1}, &a, NULL), CAPTION_OK);
    assert_int_equal(safetensors_read(file, "b", 1, (size_t[]){1}, &b, NULL), CAPTION_OK);
    assert_true(a == 1 && b == 2);
    assert_string_equal(safetensors_metadata(file, "A/"), "\xf0\x9f\x90\x95\xc3\xa9\b\f\r");
    safetensors_close(file);
}

/* ---- checksums --------------------------------------------------------------------------------------------------- */

/* Every byte counts, but for the padding, whose change breaks the text, and the spelling of a number. */
static void a_changed_byte_anywhere_is_noticed(void **state)
{
    (void)state;
    size_t size;
    unsigned char *bytes = scratch_read(write_sample("sample"), &size);
    safetensors *file = opened(scratch_path("sample"));
    assert_int_equal(safetensors_verified(file), 1);
    safetensors_close(file);
    for (size_t i = 0; i < size; i++)
        for (int bit = 0; bit < 8; bit += 3) {
            caption_error err = {""};
            bytes[i] ^= (unsigned char)(1 << bit);
            int status = safetensors_open(&file, scratch_write("flipped", bytes, size), &err);
            if (status == CAPTION_OK && safetensors_verified(file)) {
                unsigned char old = bytes[i] ^ (unsigned char)(1 << bit);
                if (!(old == ' ' && (bytes[i] == '\t' || bytes[i] == '\n' || bytes[i] == '\r')) && i >= 8)
                    fail_msg("byte %zu: %02x became %02x, which nobody noticed", i, old, bytes[i]);
            }
            safetensors_close(file);
            bytes[i] ^= (unsigned char)(1 << bit);
        }
    free(bytes);
}

static void the_damaged_tensor_is_named(void **state)
{
    (void)state;
    size_t size;
    unsigned char *bytes = scratch_read(write_sample("sample"), &size);
    bytes[size - 1] ^= 1; /* "odd" is the last of the halves */
    check_refused(scratch_write("flipped", bytes, size), CAPTION_EFORMAT, "tensor odd: wrong checksum");
    bytes[size - 1] ^= 1;
    unsigned char *word = memmem(bytes, size, "lstm", 4);
    assert_non_null(word);
    memcpy(word, "lstn", 4);
    check_refused(scratch_write("flipped", bytes, size), CAPTION_EFORMAT, "metadata: wrong checksum");
    free(bytes);
}

static void a_file_without_checksums_opens_and_says_so(void **state)
{
    (void)state;
    safetensors *file = opened(file_of("{" TENSOR("a", "F32", "[1]", 0, 4) "}", 4, NULL));
    assert_int_equal(safetensors_verified(file), 0);
    safetensors_close(file);
}

static void metadata_outlive_the_data(void **state)
{
    (void)state;
    float out[6];
    safetensors *file = opened(write_sample("sample"));
    safetensors_drop_data(file);
    assert_string_equal(safetensors_metadata(file, "kind"), "lstm");
    assert_int_equal(safetensors_read(file, "single", 1, (size_t[]){5}, out, NULL), CAPTION_EINVAL);
    safetensors_close(file);
}

/* ---- files that are no weight files ------------------------------------------------------------------------------ */

static void missing_directory_and_unreadable_files_are_named(void **state)
{
    (void)state;
    check_refused("/nonexistent/lstm.safetensors", CAPTION_EIO, "No such file or directory");
    check_refused("/", CAPTION_EIO, "is a directory");
    check_refused("/dev/null", CAPTION_EIO, "is not a regular file");
    const char *path = scratch_path("pipe");
    assert_int_equal(mkfifo(path, 0600), 0);
    check_refused(path, CAPTION_EIO, "is not a regular file");
    if (geteuid() != 0) { /* root reads everything */
        path = scratch_write("secret", "", 0);
        assert_int_equal(chmod(path, 0), 0);
        check_refused(path, CAPTION_EIO, "Permission denied");
    }
}

static void files_too_short_or_of_another_kind_are_refused(void **state)
{
    (void)state;
    check_refused(scratch_write("f", "", 0), CAPTION_EFORMAT, "is empty");
    check_refused(scratch_write("f", "\2\0\0\0", 4), CAPTION_EFORMAT, "4 bytes are too few");
    check_refused(scratch_write("f", "PK\3\4 a zip archive", 18), CAPTION_EFORMAT, "truncated or not safetensors");
    check_refused(scratch_write("f", "\377\377\377\377\377\377\377\377{}", 10), CAPTION_EFORMAT, "truncated");
    check_refused(scratch_write("f", "\0\0\0\0\0\0\0\0", 8), CAPTION_EFORMAT, "expected '{'");
}

static void a_header_beyond_the_limit_is_refused(void **state)
{
    (void)state;
    const size_t length = (16 << 20) + 1;
    unsigned char *bytes = calloc(1, 8 + length);
    assert_non_null(bytes);
    memcpy(bytes, &(uint64_t){length}, 8);
    check_refused(scratch_write("f", bytes, 8 + length), CAPTION_ELIMIT, "more than the limit");
    free(bytes);
}

/* ---- header text that breaks the format -------------------------------------------------------------------------- */

static void broken_text_is_refused_where_it_breaks(void **state)
{
    (void)state;
    check_header_refused(" {}", 0, CAPTION_EFORMAT, "header byte 0: expected '{'");
    check_header_refused("{\"a", 0, CAPTION_EFORMAT, "ends inside a string");
    check_header_refused("{\"a\"", 0, CAPTION_EFORMAT, "header byte 4: expected ':'");
    check_header_refused("{\"a\":1}", 0, CAPTION_EFORMAT, "expected '{'");
    check_header_refused("{}}", 0, CAPTION_EFORMAT, "text after the end");
    check_header_refused("{\"__metadata__\":{\"a\":1}}", 0, CAPTION_EFORMAT, "expected '\"'");
    check_header_refused("{\"__metadata__\":{\"a\":\"\\x\"}}", 0, CAPTION_EFORMAT, "unknown escape");
    check_header_refused("{\"__metadata__\":{\"a\":\"\\u12g4\"}}", 0, CAPTION_EFORMAT, "four hexadecimal digits");
    check_header_refused("{\"__metadata__\":{\"a\":\"\\ud83d\"}}", 0, CAPTION_EFORMAT, "half a surrogate pair");
    check_header_refused("{\"__metadata__\":{\"a\":\"\\ud83d\\u0041\"}}", 0, CAPTION_EFORMAT, "half a surrogate pair");
    check_header_refused("{\"__metadata__\":{\"a\":\"\\udc15\"}}", 0, CAPTION_EFORMAT, "half a surrogate pair");
    check_header_refused("{\"__metadata__\":{\"a\":\"\\u0000\"}}", 0, CAPTION_EFORMAT, "NUL character");
    check_header_refused("{\"__metadata__\":{\"a\":\"\n\"}}", 0, CAPTION_EFORMAT, "control character");
    check_header_refused("{\"__metadata__\":{\"a\":\"\xc3(\"}}", 0, CAPTION_EFORMAT, "not valid UTF-8");
    check_header_refused("{\"__metadata__\":{},\"__metadata__\":{}}", 0, CAPTION_EFORMAT, "appears twice");
    check_header_refused("{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}}", 0, CAPTION_EFORMAT,
                         "metadata a appears twice");
}

static void broken_tensor_entries_are_refused(void **state)
{
    (void)state;
    check_header_refused("{" TENSOR("a", "F32", "[-1]", 0, 4) "}", 4, CAPTION_EFORMAT, "expected an unsigned integer");
    check_header_refused("{" TENSOR("a", "F32", "[1.0]", 0, 4) "}", 4, CAPTION_EFORMAT, "expected ']'");
    check_header_refused("{" TENSOR("a", "F32", "[01]", 0, 4) "}", 4, CAPTION_EFORMAT, "begins with 0");
    check_header_refused("{" TENSOR("a", "F32", "[1,1,1,1,1]", 0, 4) "}", 4, CAPTION_EFORMAT, "list is too long");
    check_header_refused("{" TENSOR("a", "F32", "[99999999999999999999]", 0, 4) "}", 4, CAPTION_EFORMAT, "too large");
    check_header_refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4, CAPTION_EFORMAT,
                         "needs two integers");
    check_header_refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, CAPTION_EFORMAT, "data_offsets is missing");
    check_header_refused("{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\"}}", 4, CAPTION_EFORMAT, "one thing twice");
    check_header_refused("{\"a\":{\"size\":4}}", 4, CAPTION_EFORMAT, "unknown member");
    check_header_refused("{" TENSOR("", "F32", "[1]", 0, 4) "}", 4, CAPTION_EFORMAT, "name is empty");
    check_header_refused("{" TENSOR("a\\nb", "F32", "[1]", 0, 4) "}", 4, CAPTION_EFORMAT, "unprintable");
    check_header_refused("{" TENSOR("a", "F32", "[1]", 0, 4) "," TENSOR("a", "F32", "[1]", 4, 8) "}", 8,
                         CAPTION_EFORMAT, "tensor a appears twice");
}

static void an_unknown_type_is_named(void **state)
{
    (void)state;
    check_header_refused("{" TENSOR("w", "BF16", "[2]", 0, 4) "}", 4, CAPTION_EUNSUPPORTED, "tensor w: type BF16");
}

/* ---- layouts that lie -------------------------------------------------------------------------------------------- */

static void shapes_that_overflow_are_refused(void **state)
{
    (void)state;
    check_header_refused("{" TENSOR("a", "F32", "[1152921504606846976,16]", 0, 0) "}", 0, CAPTION_EFORMAT,
                         "tensor a: its shape overflows");
    check_header_refused("{" TENSOR("a", "F64", "[2305843009213693952]", 0, 0) "}", 0, CAPTION_EFORMAT, "overflows");
    check_header_refused("{" TENSOR("a", "F32", "[1152921504606846976]", 0, 4) "}", 4, CAPTION_EFORMAT,
                         "needs 4611686018427387904 bytes, its offsets span 4");
}

static void offsets_outside_overlapping_or_leaving_gaps_are_refused(void **state)
{
    (void)state;
    check_header_refused("{" TENSOR("a", "F32", "[2]", 0, 8) "}", 4, CAPTION_EFORMAT, "outside the data of 4 bytes");
    check_header_refused("{" TENSOR("a", "F32", "[1]", 4, 0) "}", 4, CAPTION_EFORMAT, "outside the data");
    check_header_refused("{" TENSOR("a", "F32", "[2]", 0, 4) "}", 4, CAPTION_EFORMAT, "its shape needs 8 bytes");
    check_header_refused("{" TENSOR("a", "F32", "[2]", 0, 8) "," TENSOR("b", "F32", "[1]", 4, 8) "}", 8,
                         CAPTION_EFORMAT, "tensor b: begins at byte 4 of the data, overlapping one that ends at 8");
    check_header_refused("{" TENSOR("a", "F32", "[1]", 0, 4) "," TENSOR("b", "F32", "[1]", 8, 12) "}", 12,
                         CAPTION_EFORMAT, "tensor b: begins at byte 8 of the data, leaving a gap from 4");
    check_header_refused("{" TENSOR("a", "F32", "[1]", 4, 8) "}", 8, CAPTION_EFORMAT, "leaving a gap from 0");
    check_header_refused("{" TENSOR("a", "F32", "[1]", 0, 4) "}", 9, CAPTION_EFORMAT, "5 bytes of data after");
}

static void too_many_tensors_are_refused(void **state)
{
    (void)state;
    char *header = malloc(8192 * 80), *at = header;
    assert_non_null(header);
    for (int i = 0; i < SAFETENSORS_MAX_TENSORS + 1; i++)
        at += sprintf(at,
                      "%c"
                      "\"t%d\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}",
                      i ? ',' : '{', i);
    strcpy(at, "}");
    check_header_refused(header, 0, CAPTION_EFORMAT, "too many tensors");
    free(header);
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static void check_read_refused(const char *path, const char *name, int ndims, const size_t *dims, const char *reason)
{
    safetensors *file = opened(path);
    float out[8];
    caption_error err = {""};
    assert_int_equal(safetensors_read(file, name, ndims, dims, out, &err), CAPTION_EFORMAT);
    if (!strstr(err.message, reason))
        fail_msg("expected \"%s\" in \"%s\"", reason, err.message);
    safetensors_close(file);
}

static void a_missing_or_mis_shaped_tensor_is_named_with_both_shapes(void **state)
{
    (void)state;
    const char *path = file_of("{" TENSOR("w", "F32", "[2,3]", 0, 24) "}", 24, NULL);
    check_read_refused(path, "bias", 1, (size_t[]){6}, "hostile: tensor bias is missing");
    check_read_refused(path, "w", 2, (size_t[]){3, 2}, "hostile: tensor w: shape [2, 3], expected [3, 2]");
    check_read_refused(path, "w", 1, (size_t[]){6}, "shape [2, 3], expected [6]");
    check_read_refused(path, "w", 0, (size_t[]){0}, "shape [2, 3], expected []");
}

static void numbers_that_are_not_finite_are_refused_with_their_place(void **state)
{
    (void)state;
    const char *path = file_of("{" TENSOR("w", "F32", "[3]", 0, 12) "}", 12, (float[]){1, NAN, 2});
    check_read_refused(path, "w", 1, (size_t[]){3}, "tensor w: element 1 is not a number");
    path = file_of("{" TENSOR("w", "F16", "[3]", 0, 6) "}", 6, (uint16_t[]){0, 0x3c00, 0xfc00});
    check_read_refused(path, "w", 1, (size_t[]){3}, "tensor w: element 2 is infinite");
    path = file_of("{" TENSOR("w", "F64", "[1]", 0, 8) "}", 8, (double[]){INFINITY});
    safetensors *file = opened(path);
    double out;
    assert_int_equal(safetensors_read_f64(file, "w", 1, (size_t[]){1}, &out, NULL), CAPTION_EFORMAT);
    safetensors_close(file);
}

static void a_tensor_of_the_other_width_is_refused(void **state)
{
    (void)state;
    check_read_refused(write_sample("sample"), "double", 2, (size_t[]){1, 2}, "type F64, expected F16 or F32");
    safetensors *file = opened(write_sample("sample"));
    double out[5];
    caption_error err;
    assert_int_equal(safetensors_read_f64(file, "single", 1, (size_t[]){5}, out, &err), CAPTION_EFORMAT);
    assert_non_null(strstr(err.message, "type F32, expected F64"));
    safetensors_close(file);
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static void check_write_refused(const char *const (*pairs)[2], size_t n, const safetensors_tensor *list,
                                const char *reason)
{
    int before = scratch_count();
    caption_error err = {""};
    assert_int_not_equal(safetensors_write(scratch_path("refused"), pairs, n, list, &err), CAPTION_OK);
    if (!strstr(err.message, reason))
        fail_msg("expected \"%s\" in \"%s\"", reason, err.message);
    assert_int_equal(scratch_count(), before);
}

static void what_could_not_be_read_is_not_written(void **state)
{
    (void)state;
    const float bad[] = {0, INFINITY}, large[] = {1, 2, 65520.0f};
    check_write_refused(NULL, 1, &(safetensors_tensor){"w", SAFETENSORS_F32, 1, {2}, bad}, "element 1 is not finite");
    check_write_refused(NULL, 1, &(safetensors_tensor){"w", SAFETENSORS_F16, 1, {3}, large},
                        "element 2 is not finite in F16");
    check_write_refused(NULL, 1, &(safetensors_tensor){"w", SAFETENSORS_F16, 2, {SIZE_MAX, 2}, large},
                        "impossible shape");
    check_write_refused(NULL, 1, &(safetensors_tensor){"", SAFETENSORS_F16, 1, {1}, large}, "name is empty");
    check_write_refused((const char *const[][2]){{"a", "\xff"}, {NULL, NULL}}, 0, NULL, "not valid UTF-8");
    const safetensors_tensor twice[] = {{"w", SAFETENSORS_F32, 1, {1}, bad}, {"w", SAFETENSORS_F16, 1, {1}, bad}};
    check_write_refused(NULL, 2, twice, "tensor w appears twice");
}

static void an_impossible_place_is_reported(void **state)
{
    (void)state;
    caption_error err;
    assert_int_equal(safetensors_write("/nonexistent/x", NULL, 0, NULL, &err), CAPTION_EIO);
    assert_string_equal(err.message, "/nonexistent/x: cannot be created: No such file or directory");
}

/* A file size limit fails the write as a full disk does. */
static void a_failed_write_keeps_the_old_file_and_leaves_nothing_behind(void **state)
{
    (void)state;
    size_t size, after_size;
    unsigned char *old = scratch_read(write_sample("sample"), &size);
    int before = scratch_count();

    static const float large[100000];
    const safetensors_tensor tensor = {"w", SAFETENSORS_F32, 1, {100000}, large};
    struct rlimit limit, small;
    getrlimit(RLIMIT_FSIZE, &limit);
    small = limit;
    small.rlim_cur = 65536;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    caption_error err;
    int status = safetensors_write(scratch_path("sample"), NULL, 1, &tensor, &err);
    setrlimit(RLIMIT_FSIZE, &limit);

    assert_int_equal(status, CAPTION_EIO);
    assert_non_null(strstr(err.message, "File too large"));
    assert_int_equal(scratch_count(), before);
    unsigned char *now = scratch_read(scratch_path("sample"), &after_size);
    assert_int_equal(size, after_size);
    assert_memory_equal(now, old, size);
    free(old);
    free(now);
}

/* ---- damage in bulk ---------------------------------------------------------------------------------------------- */

/* Opens damaged bytes and, should they still make sense, reads every tensor; the sanitizers watch. */
static int survives(const unsigned char *bytes, size_t size)
{
    safetensors *file;
    float out[6];
    double wide[2];
    caption_error err;
    if (safetensors_open(&file, scratch_write("damaged", bytes, size), &err) != CAPTION_OK)
        return 0;
    for (size_t i = 0; i < TENSORS; i++)
        if (tensors[i].type == SAFETENSORS_F64)
            safetensors_read_f64(file, tensors[i].name, tensors[i].ndims, tensors[i].dims, wide, &err);
        else
            safetensors_read(file, tensors[i].name, tensors[i].ndims, tensors[i].dims, out, &err);
    safetensors_close(file);
    return 1;
}

static void every_truncation_is_refused(void **state)
{
    (void)state;
    size_t size;
    unsigned char *bytes = scratch_read(write_sample("sample"), &size);
    for (size_t length = 0; length < size; length++)
        assert_int_equal(survives(bytes, length), 0);
    assert_int_equal(survives(bytes, size), 1);
    free(bytes);
}

static void thousands_of_mutations_never_crash(void **state)
{
    (void)state;
    size_t size;
    unsigned char *bytes = scratch_read(write_sample("sample"), &size), *mutant = malloc(size);
    assert_non_null(mutant);
    unsigned long long seed = 42;
    for (int round = 0; round < 4000; round++) {
        memcpy(mutant, bytes, size);
        for (unsigned flips = 1 + scratch_random(&seed) % 4; flips > 0; flips--) {
            size_t at = scratch_random(&seed) % size;
            mutant[at] = scratch_random(&seed) % 2 ? mutant[at] ^ 1 << scratch_random(&seed) % 8
                                                   : (unsigned char)"\"{}[],:0189\\\xff"[scratch_random(&seed) % 14];
        }
        survives(mutant, size);
    }
    free(bytes);
    free(mutant);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(metadata_keeps_every_character_and_its_order),
        cmocka_unit_test(the_same_arguments_give_the_same_bytes),
        cmocka_unit_test(a_new_file_is_readable_as_the_umask_says),
        cmocka_unit_test(the_checksum_is_the_sha256_of_the_file),
        cmocka_unit_test(foreign_spelling_of_a_header_is_read),
        cmocka_unit_test(a_changed_byte_anywhere_is_noticed),
        cmocka_unit_test(the_damaged_tensor_is_named),
        cmocka_unit_test(a_file_without_checksums_opens_and_says_so),
        cmocka_unit_test(metadata_outlive_the_data),
        cmocka_unit_test(missing_directory_and_unreadable_files_are_named),
        cmocka_unit_test(files_too_short_or_of_another_kind_are_refused),
        cmocka_unit_test(a_header_beyond_the_limit_is_refused),
        cmocka_unit_test(broken_text_is_refused_where_it_breaks),
        cmocka_unit_test(broken_tensor_entries_are_refused),
        cmocka_unit_test(an_unknown_type_is_named),
        cmocka_unit_test(shapes_that_overflow_are_refused),
        cmocka_unit_test(offsets_outside_overlapping_or_leaving_gaps_are_refused),
        cmocka_unit_test(too_many_tensors_are_refused),
        cmocka_unit_test(a_missing_or_mis_shaped_tensor_is_named_with_both_shapes),
        cmocka_unit_test(numbers_that_are_not_finite_are_refused_with_their_place),
        cmocka_unit_test(a_tensor_of_the_other_width_is_refused),
        cmocka_unit_test(what_could_not_be_read_is_not_written),
        cmocka_unit_test(an_impossible_place_is_reported),
        cmocka_unit_test(a_failed_write_keeps_the_old_file_and_leaves_nothing_behind),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(thousands_of_mutations_never_crash),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
