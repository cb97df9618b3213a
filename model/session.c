/* session.c: makes and frees a session: the scratch memory of one thread, sized once for its largest batch
 * (session.h). */
#include "model/session.h"

#include <stdlib.h>
#include <string.h>

enum { SIDE = CAPTION_IMAGE_SIDE, IMAGE_BYTES = SIDE * SIDE * 3 };

int caption_session_new(caption_session **out, caption_encoder *encoder, int max_batch, caption_error *err)
{
    *out = NULL;
    if (max_batch < 1)
        return caption_fail(err, CAPTION_EINVAL, "a session for %d images; expected at least 1", max_batch);
    caption_session *session = calloc(1, sizeof *session);
    if (!session)
        return caption_fail(err, CAPTION_ENOMEM, "out of memory for a session");
    session->max_batch = max_batch;
    session->features = calloc((size_t)max_batch * CAPTION_FEATURES, sizeof *session->features);
    session->map = calloc((size_t)max_batch * CAPTION_MAP, sizeof *session->map);
    int status = session->features && session->map ? CAPTION_OK : CAPTION_ENOMEM;
    if (encoder && status == CAPTION_OK) {
        session->encoder = caption_encoder_retain(encoder);
        session->pixels = malloc((size_t)max_batch * IMAGE_BYTES);
        status = session->pixels ? encoder_scratch_new(&session->scratch, encoder, SIDE, SIDE, err) : CAPTION_ENOMEM;
    }
    if (status == CAPTION_OK) {
        *out = session;
        return CAPTION_OK;
    }
    caption_session_free(session);
    return status == CAPTION_ENOMEM ? caption_fail(err, status, "out of memory for a session of %d images", max_batch)
                                    : status;
}

void caption_session_free(caption_session *session)
{
    if (!session)
        return;
    arena_free(&session->words);
    encoder_scratch_free(session->scratch);
    encoder_gradient_free_f(session->gradient);
    caption_encoder_release(session->encoder);
    free(session->pixels);
    free(session->features);
    free(session->map);
    free(session);
}

/* n images of the session's pixels or features are wanted: is there room? */
static int check_batch(const caption_session *session, int n, caption_error *err)
{
    if (n < 1 || n > session->max_batch)
        return caption_fail(err, CAPTION_EINVAL, "a batch of %d images; this session takes 1 to %d", n,
                            session->max_batch);
    return CAPTION_OK;
}

static int check_encoder(const caption_session *session, caption_error *err)
{
    return session->encoder ? CAPTION_OK
                            : caption_fail(err, CAPTION_EINVAL, "this session was made without an encoder");
}

int caption_encode(caption_session *session, int n, const caption_image *images, caption_error *err)
{
    int status = check_encoder(session, err);
    if (status == CAPTION_OK)
        status = check_batch(session, n, err);
    if (status != CAPTION_OK)
        return status;
    for (int i = 0; i < n; i++)
        memcpy(session->pixels + (size_t)i * IMAGE_BYTES, images[i].rgb, IMAGE_BYTES);
    encoder_forward(session->encoder, session->scratch, n, session->pixels,
                    &(encoder_outputs){.features = session->features, .local = session->map});
    session->n = n;
    session->has_map = 1;
    return CAPTION_OK;
}

const float *caption_session_features(const caption_session *session, int i)
{
    return session->features + (size_t)i * CAPTION_FEATURES;
}

const float *caption_session_map(const caption_session *session, int i)
{
    return session->map + (size_t)i * CAPTION_MAP;
}

int caption_session_set_features(caption_session *session, int n, const float *features, const float *maps,
                                 caption_error *err)
{
    int status = check_batch(session, n, err);
    if (status != CAPTION_OK)
        return status;
    memcpy(session->features, features, (size_t)n * CAPTION_FEATURES * sizeof *features);
    if (maps)
        memcpy(session->map, maps, (size_t)n * CAPTION_MAP * sizeof *maps);
    session->has_map = maps != NULL;
    session->n = n;
    return CAPTION_OK;
}

int caption_classify(caption_session *session, const caption_image *image, float *logits, caption_error *err)
{
    int status = check_encoder(session, err);
    if (status == CAPTION_OK)
        encoder_forward(session->encoder, session->scratch, 1, image->rgb, &(encoder_outputs){.logits = logits});
    return status;
}
