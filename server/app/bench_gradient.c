/* bench_gradient.c: how fast a class score is followed back to the pixels, on one thread. */
#include <stdio.h>

#include "model/bench.h"
#include "model/visualize.h"
#include "server/app/bench.h"
#include "server/base/options.h"
#include "server/engine/weights.h"

int bench_gradient(int argc, char **argv)
{
    weights_place place = {0};
    double seconds = 5;
    const option table[] = {
        {"seconds", OPTION_REAL, &seconds, 0.01, 3600, "S", "how long to measure"},
        WEIGHTS_OPTIONS(&place),
        {0},
    };
    const options_usage usage = {
        "bench gradient", "", "Measures the encoder forward and back to the pixels.", table, 0, 0};
    int status, passes;
    if (!options_parse(&usage, &argc, &argv, &status))
        return status;
    caption_error err;
    caption_encoder *encoder = NULL;
    double best_ms, mean_ms;
    status = weights_open_encoder(&place, &encoder, &err);
    if (status == CAPTION_OK)
        status = caption_gradient_measure(encoder, seconds, &best_ms, &mean_ms, &passes, &err);
    if (status == CAPTION_OK) {
        puts("implementation,threads,passes_per_second,ms_per_pass,best_ms");
        printf("captiond,1,%.2f,%.2f,%.2f\n", 1000 / mean_ms, mean_ms, best_ms);
    } else {
        fprintf(stderr, "captiond bench gradient: %s\n", err.message);
    }
    caption_encoder_release(encoder);
    return status != CAPTION_OK;
}
