/* gradcheck_captioners.c: whole captioners as subjects of the gradient check: every parameter, and the features.
 *
 * The inputs are the tensors of decoder_layout in their order, then the features. */
#include "model/decoder/decoder.h"
#include "model/gradcheck/gradcheck_subject.h"
#include "model/layers/lstm.h"

enum { N = GRADCHECK_N, T = GRADCHECK_T, V = GRADCHECK_V, D = 6, W = 4, H = 5, FEATURES = DECODER_B_VOCAB + 1 };

static double captioner(gradcheck_bench *b, decoder_kind kind, int regularised, double *gradients, double *dfeatures)
{
    static const double weights[N] = {1.5, -0.7, 0.2}; /* as rewards are: of either sign */
    const decoder_shape shape = {.kind = kind, .features = D, .words = W, .hidden = H, .vocabulary = V};
    const X(decoder_batch) batch = {
        .n = N,
        .t = T,
        .features = b->in[FEATURES],
        .captions = b->ids,
        .weights = regularised ? weights : NULL,
        .dropout = regularised ? 0.3 : 0,
        .label_smoothing = regularised ? 0.1 : 0,
        .seed = 1,
    };
    return X(decoder_loss)(&shape, b->in[0], &batch, gradients, dfeatures, &b->scratch);
}

#define CAPTIONER(name, kind, regularised)                                                                             \
    static void name(gradcheck_bench *b)                                                                               \
    {                                                                                                                  \
        b->out[0] = captioner(b, kind, regularised, NULL, NULL);                                                       \
    }                                                                                                                  \
    static void name##_back(gradcheck_bench *b)                                                                        \
    {                                                                                                                  \
        captioner(b, kind, regularised, b->gradient[0], b->gradient[FEATURES]);                                        \
    }
CAPTIONER(rnn_captioner, DECODER_RNN, 0)
CAPTIONER(lstm_captioner, DECODER_LSTM, 0)
CAPTIONER(regularised_captioner, DECODER_LSTM, 1)

/* clang-format off */
#define CAPTIONER_INPUTS(gates) \
    {{"dw_proj", 1e-6, SETS, {D, H}}, {"db_proj", 1e-6, SETS, {H}}, {"dw_embed", 1e-6, SETS, {V, W}}, \
     {"dw_x", 1e-6, SETS, {W, gates * H}}, {"dw_h", 1e-6, SETS, {H, gates * H}}, {"db", 1e-6, SETS, {gates * H}}, \
     {"dw_vocab", 1e-6, SETS, {H, V}}, {"db_vocab", 1e-6, SETS, {V}}, {"dfeatures", 1e-6, SETS, {N, D}}}

static const gradcheck_subject captioners[] = {
    {"rnn_captioner", 1e-3, CAPTIONER_INPUTS(1), 1, rnn_captioner, rnn_captioner_back},
    {"lstm_captioner", 1e-3, CAPTIONER_INPUTS(LSTM_GATES), 1, lstm_captioner, lstm_captioner_back},
    {"regularised_captioner", 1e-3, CAPTIONER_INPUTS(LSTM_GATES), 1, regularised_captioner, regularised_captioner_back},
};
/* clang-format on */

const gradcheck_subject *gradcheck_captioner(size_t i)
{
    return i < sizeof captioners / sizeof *captioners ? &captioners[i] : NULL;
}
