/* bench_train.c: how fast a captioner learns, on one thread, as a training run does. What a large matrix product
 * reaches is measured first: that is what training could reach at best in the machine's present state. */
#include <stdio.h>

#include "model/bench.h"
#include "model/train.h"
#include "server/app/bench.h"
#include "server/base/options.h"

static const double yardstick_share = 0.2; /* of the time, for the matrix product */

int bench_train(int argc, char **argv)
{
    caption_train_load load = {
        .batch = 100, .shortest = 6, .steps = 18, .words = 256, .hidden = 512, .vocabulary = 2500};
    double seconds = 5;
    const option table[] = {
        {"kind", OPTION_TEXT, &load.kind, 0, 0, "rnn|lstm|attention", "captioner, else lstm"},
        {"batch", OPTION_INTEGER, &load.batch, 1, 4096, "N", "captions a step"},
        {"shortest", OPTION_INTEGER, &load.shortest, 1, CAPTION_MAX_WORDS, "N", "words of the shortest caption"},
        {"steps", OPTION_INTEGER, &load.steps, 1, CAPTION_MAX_WORDS, "N", "words of the longest"},
        {"words", OPTION_INTEGER, &load.words, 1, 4096, "N", "length of a word vector (W)"},
        {"hidden", OPTION_INTEGER, &load.hidden, 1, 4096, "N", "hidden units (H)"},
        {"vocabulary", OPTION_INTEGER, &load.vocabulary, 5, 65536, "N", "words known (V)"},
        {"mixed", OPTION_FLAG, &load.mixed, 0, 1, NULL, "bfloat16 factors in large products"},
        {"seconds", OPTION_REAL, &seconds, 0.01, 3600, "S", "how long to measure"},
        {0},
    };
    const options_usage usage = {"bench train", "", "Measures how fast a captioner learns.", table, 0, 0};
    int status;
    if (!options_parse(&usage, &argc, &argv, &status))
        return status;
    if (!load.kind)
        load.kind = "lstm";

    caption_error err;
    caption_train_speed speed;
    double sgemm_speed = caption_sgemm_speed(seconds * yardstick_share);
    double mixed_speed = caption_mixed_speed(seconds * yardstick_share);
    if (caption_train_measure(&speed, &load, seconds, &err) != CAPTION_OK) {
        fprintf(stderr, "captiond bench train: %s\n", err.message);
        return 1;
    }
    const char *precision = load.mixed && mixed_speed > 0 ? "mixed" : "float";
    puts("implementation,kind,precision,captions_per_second,gflops,sgemm_gflops,mixed_gflops,simd,blas");
    printf("captiond,%s,%s,%.1f,%.1f,%.1f,%.1f,%s,%s\n", load.kind, precision, speed.captions_per_second,
           speed.captions_per_second * speed.operations * 1e-9, sgemm_speed * 1e-9, mixed_speed * 1e-9,
           caption_simd_name(), caption_blas_name());
    return 0;
}
