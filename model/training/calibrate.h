/* calibrate.h: fits the weights of a captioner's confidence (decoder/confidence.h) to what is true of its captions.
 *
 * Logistic regression on the content words of captions of the dev images: is the word in one of the image's captions?
 * Newton's method with a small ridge, which keeps weights finite where the words are separable. */
#ifndef CAPTION_CALIBRATE_H
#define CAPTION_CALIBRATE_H

#include <stddef.h>

#include "model/dataset.h"
#include "model/decoder/confidence.h"

typedef struct calibration {
    struct calibration_word *words;
    size_t n, room;
} calibration;

/* Adds the content words of a caption of `image`. CAPTION_ENOMEM. */
int calibration_add(calibration *c, const caption_result *result, const caption_dataset_image *image,
                    caption_error *err);

/* Not fitted if there are too few words to go by. */
confidence calibration_fit(const calibration *c);

void calibration_free(calibration *c); /* also of a zeroed one */

#endif
