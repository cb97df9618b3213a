/* Any bytes as what jobs keep: the request of a training and of each view, the progress that an earlier attempt told.
 * What is read can be written and read again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "server/jobs/job_report.h"
#include "server/jobs/train_request.h"
#include "server/jobs/visual_request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static caption_encoder *encoder; /* which knows the names of classes */

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    if (caption_encoder_open(&encoder, "weights/efficientnet-b0.safetensors", NULL))
        abort();
    return 0;
}

static void read_training(const char *text, size_t size)
{
    train_request first, second;
    problem p;
    if (train_request_parse(&first, text, size, &p))
        return;
    char *json = train_request_json(&first);
    if (!json || train_request_parse(&second, json, strlen(json), &p) || strcmp(first.model, second.model) != 0)
        abort();
    free(json);
}

static void read_progress(const char *text)
{
    train_report *report = train_report_new(NULL, 0, text);
    if (!report)
        return;
    free(train_report_progress(report));
    free(train_report_event(report));
    train_report_free(report);
}

static void read_view(caption_visual visual, const char *text)
{
    static const config limits = {.picture_side = 1024, .picture_steps = 1000, .saliency_samples = 32};
    visual_request request;
    problem p;
    if (visual_request_parse(&request, visual, text, encoder, &limits, &p) == 0)
        free(visual_request_json(&request));
    visual_request_free(&request);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    read_training(text, size);
    read_progress(text);
    read_view(CAPTION_FOOL, text);
    read_view(CAPTION_DREAM, text);
    free(text);
    return 0;
}
