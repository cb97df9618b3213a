/* gradcheck_captioners.c: whole captioners as subjects of the gradient check: every parameter, features and map.
 *
 * The inputs are the tensors of decoder_layout in their order, then the features and, for attention captioners, the
 * map.
 */
#include "model/decoder/decoder.h"
#include "model/gradcheck/gradcheck_subject.h"
#include "model/layers/lstm.h"

enum { N = GRADCHECK_N, T = GRADCHECK_T, V = GRADCHECK_V, D = 6, W = 4, H = 5, P = 4, M = 3, A = 2, C = 5, K = 2 };

/* How a captioner is run: plainly, or with everything that training can add. */
typedef struct manner {
    decoder_kind kind;
    int regularised, per_image, concepts;
} manner;

/* The numbers drawn are from -1 to 1; probabilities are made from them, far enough from 0 and 1 for a numeric gradient.
 */
static const double MIDDLE = 0.5, SPREAD = 0.4;

static double captioner(gradcheck_bench *b, manner m, int back)
{
    static const double weights[N] = {1.5, -0.7, 0.2}; /* as rewards are: of either sign */
    static const int words[C] = {3, 1, 4, 6, 2}, tags[N * K] = {4, 0, 1, 2, 3, 4};
    const int looks = decoder_looks(m.kind);
    decoder_shape shape = {.kind = m.kind, .features = D, .words = W, .hidden = H, .vocabulary = V};
    if (looks)
        shape.positions = P, shape.channels = M, shape.attention = A;
    if (m.concepts)
        shape.concepts = C, shape.tags = looks ? K : 0, shape.evidence = 1;
    decoder_tensor tensors[DECODER_MAX_TENSORS];
    size_t total;
    const int features = decoder_layout(&shape, tensors, &total), map = features + looks, concepts = map + m.concepts;
    double p[N * C];
    for (int i = 0; m.concepts && i < N * C; i++)
        p[i] = MIDDLE + SPREAD * b->in[concepts][i];
    const X(decoder_batch) batch = {
        .n = N,
        .t = T,
        .per_image = m.per_image,
        .images = {.features = b->in[features],
                   .map = looks ? b->in[map] : NULL,
                   .concepts = m.concepts ? p : NULL,
                   .tags = tags,
                   .concept_words = words},
        .captions = b->ids,
        .weights = m.regularised ? weights : NULL,
        .dropout = m.regularised ? 0.3 : 0,
        .label_smoothing = m.regularised ? 0.1 : 0,
        .seed = 1,
    };
    const X(decoder_image_gradients) dimages = {b->gradient[features], looks ? b->gradient[map] : NULL,
                                                m.concepts ? b->gradient[concepts] : NULL};
    const double loss =
        X(decoder_loss)(&shape, b->in[0], &batch, back ? b->gradient[0] : NULL, back ? &dimages : NULL, &b->scratch);
    for (int i = 0; back && m.concepts && i < N * C; i++)
        b->gradient[concepts][i] *= SPREAD;
    return loss;
}

#define CAPTIONER(name, ...)                                                                                           \
    static void name(gradcheck_bench *b)                                                                               \
    {                                                                                                                  \
        b->out[0] = captioner(b, (manner){__VA_ARGS__}, 0);                                                            \
    }                                                                                                                  \
    static void name##_back(gradcheck_bench *b)                                                                        \
    {                                                                                                                  \
        captioner(b, (manner){__VA_ARGS__}, 1);                                                                        \
    }
CAPTIONER(rnn_captioner, DECODER_RNN, 0, 1, 0)
CAPTIONER(lstm_captioner, DECODER_LSTM, 0, 1, 0)
CAPTIONER(attention_captioner, DECODER_ATTENTION, 0, 1, 0)
CAPTIONER(regularised_captioner, DECODER_LSTM, 1, 1, 0)
CAPTIONER(rewarded_captioner, DECODER_ATTENTION, 1, N, 0)
CAPTIONER(told_captioner, DECODER_LSTM, 0, 1, 1)
CAPTIONER(tagged_captioner, DECODER_ATTENTION, 1, 1, 1)

/* clang-format off */
#define PARAMETERS(gates) \
     {"dw_proj", 1e-6, SETS, {D, H}}, {"db_proj", 1e-6, SETS, {H}}, {"dw_embed", 1e-6, SETS, {V, W}}, \
     {"dw_x", 1e-6, SETS, {W, gates * H}}, {"dw_h", 1e-6, SETS, {H, gates * H}}, {"db", 1e-6, SETS, {gates * H}}, \
     {"dw_vocab", 1e-6, SETS, {H, V}}, {"db_vocab", 1e-6, SETS, {V}}
#define READER \
     {"dw_map", 1e-6, SETS, {M, A}}, {"db_map", 1e-6, SETS, {A}}, {"dw_key", 1e-6, SETS, {A, A}}, \
     {"dw_value", 1e-6, SETS, {A, H}}, {"dw_query", 1e-6, SETS, {H, A}}, {"db_query", 1e-6, SETS, {A}}
#define TAG_READER \
     {"dw_tag", 1e-6, SETS, {W, A}}, {"db_tag", 1e-6, SETS, {A}}, {"dw_tag_key", 1e-6, SETS, {A, A}}, \
     {"dw_tag_value", 1e-6, SETS, {A, H}}, {"dw_tag_query", 1e-6, SETS, {H, A}}, {"db_tag_query", 1e-6, SETS, {A}}
#define CONCEPT \
     {"dw_concept", 1e-6, SETS, {C, H}}, {"devidence_scale", 1e-6, SETS, {C}}, {"devidence_offset", 1e-6, SETS, {C}}, \
     {"dw_gate", 1e-6, SETS, {H, 1}}, {"db_gate", 1e-6, SETS, {1}}
#define CONCEPTS(images) {"dconcepts", 1e-6, SETS, {images, C}}
#define FEATURES(images) {"dfeatures", 1e-6, SETS, {images, D}}
#define MAP(images) {"dmap", 1e-6, SETS, {images, P, M}}

static const gradcheck_subject captioners[] = {
    {"rnn_captioner", 1e-3, {PARAMETERS(1), FEATURES(N)}, 1, rnn_captioner, rnn_captioner_back},
    {"lstm_captioner", 1e-3, {PARAMETERS(LSTM_GATES), FEATURES(N)}, 1, lstm_captioner, lstm_captioner_back},
    {"attention_captioner", 1e-3, {PARAMETERS(LSTM_GATES), READER, FEATURES(N), MAP(N)}, 1,
     attention_captioner, attention_captioner_back},
    {"regularised_captioner", 1e-3, {PARAMETERS(LSTM_GATES), FEATURES(N)}, 1,
     regularised_captioner, regularised_captioner_back},
    {"rewarded_captioner", 1e-3, {PARAMETERS(LSTM_GATES), READER, FEATURES(1), MAP(1)}, 1,
     rewarded_captioner, rewarded_captioner_back},
    {"told_captioner", 1e-3, {PARAMETERS(LSTM_GATES), CONCEPT, FEATURES(N), CONCEPTS(N)}, 1,
     told_captioner, told_captioner_back},
    {"tagged_captioner", 1e-3,
     {PARAMETERS(LSTM_GATES), READER, TAG_READER, CONCEPT, FEATURES(N), MAP(N), CONCEPTS(N)}, 1,
     tagged_captioner, tagged_captioner_back},
};
/* clang-format on */

const gradcheck_subject *gradcheck_captioner(size_t i)
{
    return i < sizeof captioners / sizeof *captioners ? &captioners[i] : NULL;
}
