/* `captiond caption` on folders, lists, archives and shares of them; resumed, interrupted, with sidecars. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "tests/support/captiond.h"
#include "tests/support/photo.h"
#include "tests/support/scratch.h"

static char tiny[256], folder[256];
static const char *const good[] = {"folder/1.jpg", "folder/3, \"three\".png", "folder/below/deep/tab\there.png",
                                   "folder/below/no-extension"};

static int start(void **state)
{
    if (captiond_setup(state))
        return -1;
    snprintf(tiny, sizeof tiny, "%s", scratch_path("tiny.safetensors"));
    snprintf(folder, sizeof folder, "%s", scratch_path("folder"));
    static const char *const directories[] = {"folder", "folder/below", "folder/below/deep", "folder/.hidden"};
    for (size_t i = 0; i < sizeof directories / sizeof *directories; i++)
        mkdir(scratch_path(directories[i]), 0777);
    for (unsigned i = 0; i < sizeof good / sizeof *good; i++) {
        photo p = photo_make(strstr(good[i], ".jpg") ? "jpeg" : "png", 90, 60, i);
        scratch_write(good[i], p.bytes, p.size);
        scratch_write("folder/.hidden/5.jpg", p.bytes, p.size);
        photo_free(&p);
    }
    scratch_write("folder/2.jpg", "nothing", 7);
    scratch_write("folder/notes.txt", "notes", 5);
    return 0;
}

/* captiond caption with the small captioner and up to six arguments. */
static captiond_output caption(const char *a, const char *b, const char *c, const char *d, const char *e, const char *f)
{
    return captiond_run(
        (const char *[]){"caption", "--encoder", captiond_encoder, "--model", tiny, a, b, c, d, e, f, NULL}, NULL,
        NULL);
}

static int lines_of(const char *text)
{
    int lines = 0;
    for (; *text; text++)
        lines += *text == '\n';
    return lines;
}

/* Where line n begins; the last one ends in a line break. */
static const char *line_at(const char *text, int n)
{
    while (n-- > 0)
        text = strchr(text, '\n') + 1;
    return text;
}

static void a_folder_is_captioned_by_name(void **state)
{
    (void)state;
    captiond_output o = caption(folder, NULL, NULL, NULL, NULL, NULL);
    assert_int_equal(o.status, 3);
    assert_int_equal(lines_of(o.out), 3);
    assert_non_null(strstr(line_at(o.out, 0), "/folder/1.jpg\t"));
    assert_non_null(strstr(line_at(o.out, 1), "/folder/2.jpg\t\tnot an image"));
    assert_non_null(strstr(line_at(o.out, 2), "/folder/3, \"three\".png\t"));
    captiond_output_free(&o);
    o = caption("--recursive", "--jobs", "3", folder, NULL, NULL);
    assert_int_equal(o.status, 3);
    assert_int_equal(lines_of(o.out), 5);
    assert_non_null(strstr(line_at(o.out, 3), "/below/deep/tab\\there.png\t"));
    assert_non_null(strstr(line_at(o.out, 4), "/below/no-extension\t"));
    assert_null(strstr(o.out, ".hidden"));
    captiond_output_free(&o);
}

static void the_exit_status_tells_some_from_all(void **state)
{
    (void)state;
    char path[256]; /* scratch_path's own is used for other names within the run */
    snprintf(path, sizeof path, "%s", scratch_path(good[0]));
    captiond_output o = caption(path, NULL, NULL, NULL, NULL, NULL);
    assert_int_equal(o.status, 0);
    captiond_output_free(&o);
    snprintf(path, sizeof path, "%s", scratch_path("folder/2.jpg"));
    o = caption(path, NULL, NULL, NULL, NULL, NULL);
    assert_int_equal(o.status, 1);
    captiond_output_free(&o);
    o = caption("--shard", "3/2", folder, NULL, NULL, NULL);
    assert_int_equal(o.status, 2);
    captiond_output_free(&o);
    o = caption("--format", "xml", folder, NULL, NULL, NULL);
    assert_int_equal(o.status, 2);
    captiond_output_free(&o);
    snprintf(path, sizeof path, "%s", scratch_path("empty"));
    mkdir(path, 0777);
    o = caption(path, NULL, NULL, NULL, NULL, NULL);
    assert_int_equal(o.status, 1);
    assert_non_null(strstr(o.err, "no photos"));
    captiond_output_free(&o);
}

static void json_lines_are_json(void **state)
{
    (void)state;
    captiond_output o = caption("--recursive", "--format", "jsonl", folder, NULL, NULL);
    int errors = 0;
    assert_int_equal(lines_of(o.out), 5);
    for (int i = 0; i < 5; i++) {
        cJSON *line = cJSON_ParseWithOpts(line_at(o.out, i), NULL, 0);
        assert_true(cJSON_IsString(cJSON_GetObjectItem(line, "file")));
        errors += cJSON_IsString(cJSON_GetObjectItem(line, "error"));
        assert_true(cJSON_IsString(cJSON_GetObjectItem(line, "caption")) != cJSON_HasObjectItem(line, "error"));
        cJSON_Delete(line);
    }
    assert_int_equal(errors, 1);
    captiond_output_free(&o);
}

static void csv_has_a_head_and_quotes(void **state)
{
    (void)state;
    captiond_output o = caption("--format", "csv", folder, NULL, NULL, NULL);
    assert_int_equal(lines_of(o.out), 4);
    assert_memory_equal(o.out, "file,caption,error\n", 19);
    assert_non_null(strstr(o.out, "/folder/3, \"\"three\"\".png\","));
    assert_non_null(strstr(o.out, "/folder/2.jpg,,\"not an image"));
    captiond_output_free(&o);
}

static void a_list_names_photos(void **state)
{
    (void)state;
    char list[1024];
    snprintf(list, sizeof list, "%s/1.jpg\n%s/3, \"three\".png", folder, folder);
    captiond_output o = captiond_run(
        (const char *[]){"caption", "--encoder", captiond_encoder, "--model", tiny, "--files-from", "-", NULL}, NULL,
        list);
    assert_int_equal(o.status, 0);
    assert_int_equal(lines_of(o.out), 2);
    captiond_output_free(&o);
}

/* Every line of the whole is in one of the parts, and in one alone. */
static void shards_together_are_one_run(void **state)
{
    (void)state;
    captiond_output all = caption("--recursive", folder, NULL, NULL, NULL, NULL);
    captiond_output part[] = {caption("--recursive", "--shard", "0/2", folder, NULL, NULL),
                              caption("--recursive", "--shard", "1/2", folder, NULL, NULL)};
    int from[2] = {0, 0};
    for (int i = 0; i < lines_of(all.out); i++) {
        const char *line = line_at(all.out, i);
        const size_t size = strcspn(line, "\n") + 1;
        int k = strncmp(line, line_at(part[1].out, from[1]), size) == 0;
        assert_memory_equal(line, line_at(part[k].out, from[k]), size);
        from[k]++;
    }
    for (int k = 0; k < 2; k++) {
        assert_true(from[k] > 0);
        assert_int_equal(from[k], lines_of(part[k].out));
        captiond_output_free(&part[k]);
    }
    captiond_output_free(&all);
}

static void expect_file(const char *path, const char *text)
{
    size_t size;
    char *found = (char *)scratch_read(path, &size);
    assert_int_equal(size, strlen(text));
    assert_memory_equal(found, text, size);
    free(found);
}

/* A run that was killed within its third line, and one that was done already. */
static void a_run_is_resumed(const char *format)
{
    char file[256];
    captiond_output all = caption("--recursive", "--format", format, folder, NULL, NULL);
    snprintf(file, sizeof file, "%s", scratch_write("lines", all.out, (size_t)(line_at(all.out, 2) - all.out) + 9));
    captiond_output o =
        captiond_run((const char *[]){"caption", "--encoder", captiond_encoder, "--model", tiny, "--recursive",
                                      "--format", format, "--resume", file, folder, NULL},
                     NULL, NULL);
    assert_string_equal(o.out, "");
    expect_file(file, all.out);
    captiond_output_free(&o);
    o = captiond_run((const char *[]){"caption", "--encoder", captiond_encoder, "--model", tiny, "--recursive",
                                      "--format", format, "--resume", file, folder, NULL},
                     NULL, NULL);
    assert_int_equal(o.status, 0);
    expect_file(file, all.out);
    captiond_output_free(&o);
    captiond_output_free(&all);
}

static void a_run_goes_on_where_it_was_stopped(void **state)
{
    (void)state;
    char file[256];
    a_run_is_resumed("tsv");
    a_run_is_resumed("csv");
    a_run_is_resumed("jsonl");
    snprintf(file, sizeof file, "%s", scratch_path("lines"));
    captiond_output o = caption("--resume", file, folder, NULL, NULL, NULL); /* as TSV */
    assert_int_equal(o.status, 1);
    assert_non_null(strstr(o.err, "another --format"));
    captiond_output_free(&o);
}

/* The photo in hand is one that captiond waits for, so that the interrupt comes in the middle of it. */
static void an_interrupt_finishes_the_line_in_hand(void **state)
{
    (void)state;
    char file[256], pipe_path[256];
    size_t size;
    photo p = photo_make("png", 40, 40, 8);
    snprintf(file, sizeof file, "%s", scratch_path("interrupted"));
    snprintf(pipe_path, sizeof pipe_path, "%s", scratch_path("pipe.png"));
    assert_int_equal(mkfifo(pipe_path, 0666), 0);
    captiond *c = captiond_start((const char *[]){"caption", "--encoder", captiond_encoder, "--model", tiny, "--jobs",
                                                  "1", "--resume", file, pipe_path, folder, NULL});
    int fd = open(pipe_path, O_WRONLY);
    assert_true(fd >= 0);
    captiond_signal(c, SIGINT);
    assert_int_equal(write(fd, p.bytes, p.size), p.size);
    close(fd);
    captiond_wait_log(c, "--resume", 1);
    assert_int_equal(captiond_wait(c), 128 + SIGINT);
    char *lines = (char *)scratch_read(file, &size);
    assert_memory_equal(lines, pipe_path, strlen(pipe_path));
    assert_ptr_equal(memchr(lines, '\n', size), lines + size - 1);
    free(lines);
    photo_free(&p);
}

static void photos_of_a_tar_file_are_captioned(void **state)
{
    (void)state;
    char tar[256], command[1024];
    snprintf(tar, sizeof tar, "%s", scratch_path("shard.tar.gz"));
    snprintf(command, sizeof command, "tar -C '%s' -czf '%s' 1.jpg notes.txt 2.jpg below", folder, tar);
    assert_int_equal(system(command), 0);
    captiond_output o = caption(tar, "--jobs", "2", NULL, NULL, NULL);
    assert_int_equal(o.status, 3);
    assert_int_equal(lines_of(o.out), 4);
    assert_non_null(strstr(line_at(o.out, 0), "shard.tar.gz/1.jpg\t"));
    assert_non_null(strstr(line_at(o.out, 1), "shard.tar.gz/2.jpg\t\tnot an image"));
    assert_non_null(strstr(o.out, "shard.tar.gz/below/no-extension\t"));
    captiond_output_free(&o);
    assert_int_equal(truncate(tar, 3000), 0);
    o = caption(tar, NULL, NULL, NULL, NULL, NULL);
    assert_int_not_equal(o.status, 0);
    assert_non_null(strstr(o.err, "shard.tar.gz"));
    captiond_output_free(&o);
}

static char *sidecar_after_run(const char *photo_path, const char *sidecar)
{
    size_t size;
    captiond_output o = caption("--xmp", photo_path, NULL, NULL, NULL, NULL);
    assert_int_equal(o.status, 0);
    captiond_output_free(&o);
    char *bytes = (char *)scratch_read(sidecar, &size), *text = strndup(bytes, size);
    free(bytes);
    return text;
}

static void sidecars_are_written_and_completed(void **state)
{
    (void)state;
    static const char theirs[] =
        "<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>"
        "<rdf:Description rdf:about='' xmlns:xmp='http://ns.adobe.com/xap/1.0/' "
        "xmlns:dc='http://purl.org/dc/elements/1.1/' "
        "xmp:Rating='4'>%s</rdf:Description></rdf:RDF></x:xmpmeta>";
    static const char description[] =
        "<dc:description><rdf:Alt><rdf:li xml:lang='x-default'>Our house</rdf:li></rdf:Alt></dc:description>";
    char path[300], sidecar[320], packet[1024];
    snprintf(path, sizeof path, "%s/1.jpg", folder);
    snprintf(sidecar, sizeof sidecar, "%s.xmp", path);
    captiond_output o = caption(path, NULL, NULL, NULL, NULL, NULL);
    char *words = strndup(strchr(o.out, '\t') + 1, strcspn(strchr(o.out, '\t') + 1, "\n"));

    char *text = sidecar_after_run(path, sidecar);
    assert_non_null(strstr(text, words));
    assert_non_null(strstr(text, "xml:lang=\"en\""));
    free(text);
    snprintf(packet, sizeof packet, theirs, ""); /* a rating stays */
    scratch_write("folder/1.jpg.xmp", packet, strlen(packet));
    text = sidecar_after_run(path, sidecar);
    assert_non_null(strstr(text, "Rating"));
    assert_non_null(strstr(text, words));
    free(text);
    snprintf(packet, sizeof packet, theirs, description); /* and so does somebody's description */
    scratch_write("folder/1.jpg.xmp", packet, strlen(packet));
    text = sidecar_after_run(path, sidecar);
    assert_string_equal(text, packet);
    free(text);
    unlink(sidecar);
    free(words);
    captiond_output_free(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_folder_is_captioned_by_name),
        cmocka_unit_test(the_exit_status_tells_some_from_all),
        cmocka_unit_test(json_lines_are_json),
        cmocka_unit_test(csv_has_a_head_and_quotes),
        cmocka_unit_test(a_list_names_photos),
        cmocka_unit_test(shards_together_are_one_run),
        cmocka_unit_test(a_run_goes_on_where_it_was_stopped),
        cmocka_unit_test(an_interrupt_finishes_the_line_in_hand),
        cmocka_unit_test(photos_of_a_tar_file_are_captioned),
        cmocka_unit_test(sidecars_are_written_and_completed),
    };
    return cmocka_run_group_tests_name("caption_folders", tests, start, captiond_teardown);
}
