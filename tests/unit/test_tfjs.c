/* test_tfjs.c: the importer's reader of TensorFlow.js graphs takes nothing on trust. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/scratch.h"
#include "tools/tfjs.h"

/* x -> Add(x, w) -> Relu, with w = {1, 2} and an integer 7. */
#define NODES                                                                                                          \
    "{\"name\":\"x\",\"op\":\"Placeholder\",\"attr\":{}},{\"name\":\"w\",\"op\":\"Const\",\"attr\":{}},"               \
    "{\"name\":\"sum\",\"op\":\"Add\",\"input\":[\"x\",\"w\"],\"attr\":{\"T\":{\"type\":\"DT_FLOAT\"},\"n\":{\"i\":"   \
    "\"1\"}}},"                                                                                                        \
    "{\"name\":\"out\",\"op\":\"Relu\",\"input\":[\"sum\"],\"attr\":{}}"
#define WEIGHTS                                                                                                        \
    "{\"name\":\"w\",\"shape\":[1,2],\"dtype\":\"float32\"},{\"name\":\"seven\",\"shape\":[],\"dtype\":\"int32\"}"

static const unsigned char shard[12] = {0, 0, 0x80, 0x3f, 0, 0, 0, 0x40, 7, 0, 0, 0};

static void write_model(const char *nodes, const char *weights, const char *path, size_t shard_bytes)
{
    char json[4096];
    int size =
        snprintf(json, sizeof json,
                 "{\"modelTopology\":{\"node\":[%s]},\"weightsManifest\":[{\"paths\":[\"%s\"],\"weights\":[%s]}]}",
                 nodes, path, weights);
    scratch_write("model.json", json, (size_t)size);
    scratch_write("shard.bin", shard, shard_bytes);
}

static int open_model(tfjs_graph **graph, caption_error *err)
{
    char directory[512];
    snprintf(directory, sizeof directory, "%s", scratch_path(""));
    return tfjs_open(graph, directory, err);
}

static tfjs_graph *open_good(void)
{
    caption_error err;
    tfjs_graph *graph;
    write_model(NODES, WEIGHTS, "shard.bin", sizeof shard);
    if (open_model(&graph, &err) != CAPTION_OK)
        fail_msg("%s", err.message);
    return graph;
}

static int follow(tfjs_graph *g, const char *op, const char *attributes, int n, const char *a, const char *b,
                  caption_error *err)
{
    tfjs_step step;
    return tfjs_follow(g, op, attributes, n, (const char *[]){a, b}, &step, err);
}

static const char sum_attributes[] = "{\"n\":{\"i\":\"1\"},\"T\":{\"type\":\"DT_FLOAT\"}}";

static void a_whole_walk_uses_everything(void **state)
{
    (void)state;
    caption_error err;
    tfjs_step step;
    tfjs_tensor tensor;
    tfjs_graph *g = open_good();
    assert_int_equal(follow(g, "Placeholder", "{}", 0, NULL, NULL, &err), CAPTION_OK);
    assert_int_equal(tfjs_follow(g, "Add", sum_attributes, 2, (const char *[]){"x", NULL}, &step, &err), CAPTION_OK);
    assert_string_equal(step.name, "sum");
    assert_string_equal(step.input[1], "w");
    assert_int_equal(tfjs_constant(g, "w", &tensor, &err), CAPTION_OK);
    assert_true(tensor.is_float && tensor.ndims == 2 && tensor.dims[0] == 1 && tensor.dims[1] == 2);
    assert_true(((const float *)tensor.data)[0] == 1 && ((const float *)tensor.data)[1] == 2);
    assert_int_equal(tfjs_constant(g, "seven", &tensor, &err), CAPTION_OK);
    assert_true(!tensor.is_float && tensor.ndims == 0 && tensor.count == 1 && *(const int32_t *)tensor.data == 7);
    assert_int_equal(tfjs_all_used(g, &err), CAPTION_EFORMAT);
    assert_non_null(strstr(err.message, "operation out (Relu)"));
    assert_int_equal(follow(g, "Relu", "{}", 1, "sum", NULL, &err), CAPTION_OK);
    assert_int_equal(tfjs_all_used(g, &err), CAPTION_OK);
    tfjs_close(g);
    tfjs_close(NULL);
}

static void a_step_that_is_not_as_expected_is_refused_by_name(void **state)
{
    (void)state;
    caption_error err;
    tfjs_tensor tensor;
    tfjs_graph *g = open_good();
    assert_int_equal(follow(g, "Relu6", "{}", 1, "sum", NULL, &err), CAPTION_EFORMAT);
    assert_non_null(strstr(err.message, "after sum there is no Relu6"));
    assert_int_equal(follow(g, "Add", sum_attributes, 2, "x", "x", &err), CAPTION_EFORMAT);
    assert_int_equal(follow(g, "Add", sum_attributes, 1, "x", NULL, &err), CAPTION_EFORMAT);
    assert_int_equal(follow(g, "Add", "{\"T\":{\"type\":\"DT_FLOAT\"}}", 2, "x", "w", &err), CAPTION_EFORMAT);
    assert_non_null(strstr(err.message, "operation sum (Add): its attributes"));
    assert_int_equal(tfjs_constant(g, "v", &tensor, &err), CAPTION_EFORMAT);
    assert_non_null(strstr(err.message, "v is not a constant"));
    tfjs_close(g);
}

static void a_step_is_taken_only_once_and_only_if_it_is_the_only_one(void **state)
{
    (void)state;
    caption_error err;
    tfjs_graph *g = open_good();
    assert_int_equal(follow(g, "Relu", "{}", 1, "sum", NULL, &err), CAPTION_OK);
    assert_int_equal(follow(g, "Relu", "{}", 1, "sum", NULL, &err), CAPTION_EFORMAT);
    tfjs_close(g);
    write_model(NODES ",{\"name\":\"out2\",\"op\":\"Relu\",\"input\":[\"sum\"],\"attr\":{}}", WEIGHTS, "shard.bin",
                sizeof shard);
    assert_int_equal(open_model(&g, &err), CAPTION_OK);
    assert_int_equal(follow(g, "Relu", "{}", 1, "sum", NULL, &err), CAPTION_EFORMAT);
    assert_non_null(strstr(err.message, "there is another"));
    tfjs_close(g);
}

static void damaged_files_are_refused_with_their_reason(void **state)
{
    (void)state;
    const struct {
        const char *nodes, *weights, *path;
        size_t shard_bytes;
        const char *reason;
    } bad[] = {
        {NODES, WEIGHTS, "shard.bin", 8, "weight seven: reaches past the end"},
        {NODES, "{\"name\":\"w\",\"shape\":[2],\"dtype\":\"float32\"}", "shard.bin", 12, "4 bytes more"},
        {NODES, WEIGHTS, "none.bin", 12, "none.bin: No such file"},
        {NODES, WEIGHTS, "../shard.bin", 12, "no plain file name"},
        {NODES, "{\"name\":\"w\",\"shape\":[3],\"dtype\":\"uint8\"}", "shard.bin", 12, "neither float32 nor int32"},
        {NODES, "{\"name\":\"w\",\"shape\":[3],\"dtype\":\"int32\",\"quantization\":{}}", "shard.bin", 12, "not just"},
        {NODES, "{\"name\":\"w\",\"shape\":[0],\"dtype\":\"int32\"}", "shard.bin", 12, "no positive number"},
        {NODES, "{\"name\":\"w\",\"shape\":[-3],\"dtype\":\"int32\"}", "shard.bin", 12, "no positive number"},
        {NODES, "{\"name\":\"w\",\"shape\":[1.5],\"dtype\":\"int32\"}", "shard.bin", 12, "no positive number"},
        {NODES, "{\"name\":\"w\",\"shape\":[1e300],\"dtype\":\"int32\"}", "shard.bin", 12, "no positive number"},
        {NODES, "{\"name\":\"w\",\"shape\":[2147483647,2147483647,2147483647],\"dtype\":\"int32\"}", "shard.bin", 12,
         "no positive number"},
        {NODES, "{\"name\":\"w\",\"shape\":[1,1,1,1,3],\"dtype\":\"int32\"}", "shard.bin", 12, "at most 4"},
        {NODES, "{\"shape\":[3],\"dtype\":\"int32\"}", "shard.bin", 12, "without a name"},
        {"", WEIGHTS, "shard.bin", 12, "no modelTopology.node"},
        {"{\"name\":\"x\"}", WEIGHTS, "shard.bin", 12, "node 0 has no name or no op"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        caption_error err;
        tfjs_graph *graph;
        write_model(bad[i].nodes, bad[i].weights, bad[i].path, bad[i].shard_bytes);
        assert_int_not_equal(open_model(&graph, &err), CAPTION_OK);
        assert_null(graph);
        if (!strstr(err.message, bad[i].reason))
            fail_msg("expected %s, the message is: %s", bad[i].reason, err.message);
    }
}

static void text_that_is_not_json_is_refused(void **state)
{
    (void)state;
    caption_error err;
    tfjs_graph *graph;
    scratch_write("model.json", "{\"modelTopology\":", 17);
    assert_int_equal(open_model(&graph, &err), CAPTION_EFORMAT);
    assert_non_null(strstr(err.message, "model.json: not JSON"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_walk_uses_everything),
        cmocka_unit_test(a_step_that_is_not_as_expected_is_refused_by_name),
        cmocka_unit_test(a_step_is_taken_only_once_and_only_if_it_is_the_only_one),
        cmocka_unit_test(damaged_files_are_refused_with_their_reason),
        cmocka_unit_test(text_that_is_not_json_is_refused),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
