/* stranger.c: somebody else's program, linked with what `make install` installs (tests/installed.sh). It has functions
 * of its own under names that the library uses inside: were those exported, one would be linked in place of the other
 * without a warning.    stranger ENCODER MODEL IMAGE */
#include <stdio.h>
#include <stdlib.h>

#include <model/caption.h>
#include <model/dataset.h>
#include <model/gradcheck.h>
#include <model/score.h>
#include <model/train.h>
#include <model/visualize.h>

static int called;

int evaluate(void);
int evaluate(void)
{
    called++;
    return 7;
}

int utf8_valid(const char *text);
int utf8_valid(const char *text)
{
    (void)text;
    called++;
    return 0; /* nothing is valid: a library that called this would refuse its own vocabulary */
}

static unsigned char bytes[1 << 22];

int main(int argc, char **argv)
{
    caption_error err = {""};
    caption_encoder *encoder = NULL;
    caption_model *model = NULL;
    caption_session *session = NULL;
    caption_image *image = malloc(sizeof *image);
    caption_result result;
    FILE *file = argc == 4 ? fopen(argv[3], "rb") : NULL;
    if (!file || !image)
        return 2;
    size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    caption_init();
    int status = caption_encoder_open(&encoder, argv[1], &err);
    if (!status)
        status = caption_model_open(&model, argv[2], &err);
    if (!status)
        status = caption_session_new(&session, encoder, 1, &err);
    if (!status)
        status = caption_image_decode(image, bytes, size, NULL, &err);
    if (!status)
        status = caption_encode(session, 1, image, &err);
    if (!status)
        status = caption_generate(session, model, NULL, &result, &err);
    if (status)
        fprintf(stderr, "%s\n", err.message);
    else
        printf("%s\n", result.text);
    caption_session_free(session);
    caption_model_release(model);
    caption_encoder_release(encoder);
    free(image);
    return status || called > 0 || evaluate() != 7;
}
