/* measure_gradient.c: how long the way to the pixels and back takes. */

#include "model/bench.h"
#include "model/encoder/encoder_gradient.h"
#include "model/seconds.h"
#include "model/visual/pixels.h"

enum { SIDE = CAPTION_IMAGE_SIDE };

static double pass(encoder_gradient_f *network, const pixels *image, const pixels *gradient)
{
    static const float seed[CAPTION_CLASSES] = {1};
    const double begin = seconds_now();
    encoder_gradient_forward_f(network, image->values, ENCODER_LOGITS);
    encoder_gradient_backward_f(network, &(encoder_seeds_f){.logits = seed}, gradient->values);
    return 1e3 * (seconds_now() - begin);
}

int caption_gradient_measure(caption_encoder *encoder, double seconds, double *best_ms, double *mean_ms, int *passes,
                             caption_error *err)
{
    encoder_gradient_f *network = NULL;
    pixels image = {0}, gradient = {0};
    random_stream random = random_seeded(1);
    int status = encoder_gradient_new_f(&network, encoder, SIDE, SIDE, err);
    status = status ? status : pixels_new(&image, SIDE, SIDE, err);
    status = status ? status : pixels_new(&gradient, SIDE, SIDE, err);
    if (status == CAPTION_OK) {
        double sum = 0;
        pixels_noise(&image, &random, 1);
        *best_ms = pass(network, &image, &gradient); /* warms the caches */
        for (*passes = 0; *passes == 0 || sum < 1e3 * seconds; ++*passes) {
            const double ms = pass(network, &image, &gradient);
            *best_ms = ms < *best_ms ? ms : *best_ms;
            sum += ms;
        }
        *mean_ms = sum / *passes;
    }
    pixels_free(&image);
    pixels_free(&gradient);
    encoder_gradient_free_f(network);
    return status;
}
