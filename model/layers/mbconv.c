/* mbconv.c: see mbconv.h. The forward pass is that of encoder/encoder.c, written over `real` and keeping slopes. */
#include "model/layers/mbconv.h"

#include <string.h>

#include "model/kernels/activation.h"
#include "model/kernels/gemm.h"
#include "model/kernels/gemm_pieces.h"
#include "model/kernels/matrix.h"
#include "model/layers/squeeze_excite.h"

enum { WINDOW = 9 << 14 /* numbers: tile and window fill a 1 MB L2 in float */ };

/* ---- sizes ------------------------------------------------------------------------------------------------------- */

/* SAME: ceil(size / stride) outputs; the zeros that this needs are halved, the odd one goes behind. */
static void pad(int size, int kernel, int stride, int *outputs, int *before, int *framed)
{
    *outputs = (size + stride - 1) / stride;
    *framed = (*outputs - 1) * stride + kernel;
    *before = (*framed - size) / 2;
}

mbconv_frame X(mbconv_frame_of)(int height, int width, const X(filter) *filter)
{
    mbconv_frame f = {.height = height, .width = width};
    f.shape =
        (convolution_shape){.in = filter->in, .out = filter->out, .kernel = filter->kernel, .stride = filter->stride};
    pad(height, filter->kernel, filter->stride, &f.shape.rows, &f.top, &f.framed_height);
    pad(width, filter->kernel, filter->stride, &f.shape.cols, &f.left, &f.framed_width);
    return f;
}

static int window_rows(const mbconv_frame *f, int rows)
{
    return (rows - 1) * f->shape.stride + f->shape.kernel;
}

/* Rows of output that a window gives: as many as fit, but at least one. */
static int strip_rows(const mbconv_frame *f)
{
    const int fitting = WINDOW / f->framed_width / f->shape.out;
    const int rows = fitting < f->shape.kernel ? 1 : (fitting - f->shape.kernel) / f->shape.stride + 1;
    return rows < f->shape.rows ? rows : f->shape.rows;
}

/* Rows of the input that are followed back at once. */
static int strip_back(const mbconv_frame *f)
{
    const int rows = WINDOW / f->width / f->shape.out;
    return rows < 1 ? 1 : rows < f->height ? rows : f->height;
}

/* The frame of zeros that depthwise_backward wants around the outputs. */
typedef struct back_frame {
    int above, before; /* zero rows and columns there */
    int height, width; /* with the frame */
} back_frame;

static back_frame frame_back(const mbconv_frame *f)
{
    const convolution_shape *s = &f->shape;
    const int reach = (s->kernel - 1) / s->stride;
    const int last_row = (f->top + f->height - 1) / s->stride, last_col = (f->left + f->width - 1) / s->stride;
    return (back_frame){
        .above = reach,
        .before = reach,
        .height = reach + (last_row >= s->rows ? last_row + 1 : s->rows),
        .width = reach + (last_col >= s->cols ? last_col + 1 : s->cols),
    };
}

void X(mbconv_kept_sizes)(const X(mbconv) *b, const mbconv_frame *f, size_t count[MBCONV_KEPT])
{
    const size_t channels = (size_t)f->shape.out, outputs = (size_t)f->shape.rows * (size_t)f->shape.cols;
    count[0] = b->expand.out > 0 ? (size_t)f->height * (size_t)f->width * channels : 0;
    count[1] = count[2] = outputs * channels;
    count[3] = count[4] = channels;
    count[5] = (size_t)b->reduce.out;
    count[6] = outputs * (size_t)b->project.out;
}

void X(mbconv_scratch_sizes)(const X(mbconv) *b, const mbconv_frame *f, size_t count[MBCONV_SCRATCH])
{
    const size_t channels = (size_t)f->shape.out, outputs = (size_t)f->shape.rows * (size_t)f->shape.cols;
    const size_t forward = (size_t)window_rows(f, strip_rows(f)) * (size_t)f->framed_width * channels;
    const size_t backward = (size_t)strip_back(f) * (size_t)f->width * channels;
    const back_frame back = frame_back(f);
    count[0] = forward > backward ? forward : backward;
    count[1] = forward;
    count[2] = (size_t)f->shape.rows * channels;
    count[3] = count[5] = channels;
    count[4] = (size_t)b->reduce.out;
    count[6] = (outputs > (size_t)b->project.out ? outputs : (size_t)b->project.out) * channels;
    count[7] = (size_t)back.height * (size_t)back.width * channels;
}

/* ---- forward ----------------------------------------------------------------------------------------------------- */

/* Rows begin..end of the frame, inside the map, into the window: e and its slope, or x as it is. */
static void fill_inside(const X(mbconv) *b, const mbconv_frame *f, int begin, int end, const real *in,
                        const X(mbconv_kept) *kept, real *tile, real *window)
{
    const size_t channels = (size_t)f->shape.out, width = (size_t)f->width, row = width * channels;
    const size_t first = (size_t)(begin - f->top), step = (size_t)f->framed_width * channels;
    const int rows = end - begin;
    window += (size_t)f->left * channels;
    if (b->expand.out == 0) {
        for (int y = 0; y < rows; y++)
            memcpy(window + (size_t)y * step, in + (first + (size_t)y) * row, row * sizeof *in);
        return;
    }
    gemm_pieces(rows * f->width, b->expand.out, b->expand.in, in + first * width * (size_t)b->expand.in,
                b->expand.weight, 0, tile);
    for (int y = 0; y < rows; y++)
        X(vector_bias_swish_slope)(width, channels, tile + (size_t)y * row, b->expand.bias, window + (size_t)y * step,
                                   kept->expand_slope + (first + (size_t)y) * row);
}

/* Rows begin..end of the frame; zeros above and below the map. The columns beside it are zero already. */
static void fill_window(const X(mbconv) *b, const mbconv_frame *f, int begin, int end, const real *in,
                        const X(mbconv_kept) *kept, real *tile, real *window)
{
    const size_t step = (size_t)f->framed_width * (size_t)f->shape.out;
    const int below = f->top + f->height, first = begin < f->top ? f->top : begin, last = end < below ? end : below;
    for (int y = begin; y < end; y++)
        if (y < first || y >= last)
            memset(window + (size_t)(y - begin) * step, 0, step * sizeof *window);
    if (first < last)
        fill_inside(b, f, first, last, in, kept, tile, window + (size_t)(first - begin) * step);
}

/* in -> kept->filtered and its slope, s->row_sums: window by window; neighbours share kernel - stride rows. */
static void filter_forward(const X(mbconv) *b, const mbconv_frame *f, const real *in, const X(mbconv_kept) *kept,
                           const X(mbconv_scratch) *s)
{
    const size_t channels = (size_t)f->shape.out, step = (size_t)f->framed_width * channels;
    const int rows = strip_rows(f);
    convolution_shape strip = f->shape;
    int shared = 0;
    memset(s->window, 0, (size_t)window_rows(f, rows) * step * sizeof *s->window);
    for (int y = 0; y < f->shape.rows; y += strip.rows) {
        const int begin = y * f->shape.stride;
        const size_t at = (size_t)y * (size_t)f->shape.cols * channels;
        strip.rows = f->shape.rows - y < rows ? f->shape.rows - y : rows;
        fill_window(b, f, begin + shared, begin + window_rows(f, strip.rows), in, kept, s->tile,
                    s->window + (size_t)shared * step);
        X(depthwise_bias_swish_slope)(&strip, s->window, b->depthwise.weight, b->depthwise.bias, kept->filtered + at,
                                      kept->filter_slope + at, s->row_sums + (size_t)y * channels);
        shared = f->shape.kernel - f->shape.stride;
        memmove(s->window, s->window + (size_t)(strip.rows * f->shape.stride) * step,
                (size_t)shared * step * sizeof *s->window);
    }
}

static X(squeeze_excite) gate_of(const X(mbconv) *b)
{
    return (X(squeeze_excite)){b->depthwise.out, b->reduce.out,    b->reduce.weight,
                               b->reduce.bias,   b->excite.weight, b->excite.bias};
}

/* The sums over rows to the mean over positions. */
static void mean_of(const mbconv_frame *f, const real *row_sums, real *mean)
{
    const size_t channels = (size_t)f->shape.out;
    X(sum_rows)((size_t)f->shape.rows, channels, row_sums, mean);
    for (size_t c = 0; c < channels; c++)
        mean[c] /= (real)(f->shape.rows * f->shape.cols);
}

/* y = (f * g) W + b = f (g * W) + b: the gate goes to the smaller factor. */
static void project_forward(const X(mbconv) *b, const mbconv_frame *f, const real *in, const X(mbconv_kept) *kept,
                            real *scaled)
{
    const size_t positions = (size_t)(f->shape.rows * f->shape.cols);
    const size_t channels = (size_t)b->project.in, out = (size_t)b->project.out;
    const real *filtered = kept->filtered, *weight = b->project.weight;
    if (positions < out) {
        X(scale_columns)(positions, channels, filtered, kept->gate, scaled);
        filtered = scaled;
    } else {
        X(scale_rows)(channels, out, weight, kept->gate, scaled);
        weight = scaled;
    }
    if (b->residual)
        memcpy(kept->out, in, positions * out * sizeof *in);
    else
        memset(kept->out, 0, positions * out * sizeof *in);
    X(add_to_rows)(positions, out, kept->out, b->project.bias);
    gemm_pieces((int)positions, b->project.out, b->project.in, filtered, weight, 1, kept->out);
}

void X(mbconv_forward)(const X(mbconv) *b, const mbconv_frame *f, const real *in, const X(mbconv_kept) *kept,
                       const X(mbconv_scratch) *s)
{
    const X(squeeze_excite) gate = gate_of(b);
    filter_forward(b, f, in, kept, s);
    mean_of(f, s->row_sums, s->mean);
    X(squeeze_excite_forward)(&gate, s->mean, kept->gate, kept->gate_slope, kept->reduce_slope, s->reduced);
    project_forward(b, f, in, kept, s->scaled);
}

/* ---- backward ---------------------------------------------------------------------------------------------------- */

/* dproduct = d loss/d(f * g) [positions, E]  ->  term [E]: what each position's df gets through the mean and the gate,
 * dmean / positions. */
static void gate_backward(const X(mbconv) *b, const mbconv_frame *f, const X(mbconv_kept) *kept, const real *dproduct,
                          const X(mbconv_scratch) *s)
{
    const X(squeeze_excite) gate = gate_of(b);
    const size_t channels = (size_t)f->shape.out, cols = (size_t)f->shape.cols;
    for (size_t y = 0; y < (size_t)f->shape.rows; y++)
        X(sum_products)(cols, channels, dproduct + y * cols * channels, kept->filtered + y * cols * channels,
                        s->row_sums + y * channels);
    X(sum_rows)((size_t)f->shape.rows, channels, s->row_sums, s->mean); /* dgate */
    X(squeeze_excite_backward)(&gate, kept->gate_slope, kept->reduce_slope, s->mean, s->term, s->reduced);
    for (size_t c = 0; c < channels; c++)
        s->term[c] /= (real)(f->shape.rows * f->shape.cols);
}

/* The gradient of the sums before f's swish, dsum = (dproduct * g + term) * slope, into its frame of zeros. */
static void frame_gradient(const mbconv_frame *f, const back_frame *back, const X(mbconv_kept) *kept,
                           const real *dproduct, const real *term, real *framed)
{
    const size_t channels = (size_t)f->shape.out, cols = (size_t)f->shape.cols, row = cols * channels;
    const size_t step = (size_t)back->width * channels, before = (size_t)back->before * channels;
    for (int y = 0; y < back->height; y++, framed += step) {
        const int from = y - back->above;
        if (from < 0 || from >= f->shape.rows) {
            memset(framed, 0, step * sizeof *framed);
            continue;
        }
        memset(framed, 0, before * sizeof *framed);
        X(scale_add_slope)(cols, channels, dproduct + (size_t)from * row, kept->gate, term,
                           kept->filter_slope + (size_t)from * row, framed + before);
        memset(framed + before + row, 0, (step - before - row) * sizeof *framed);
    }
}

/* Row y of the map: d loss/d(sum before e's swish), or d loss/dx without expansion. */
static void filter_backward(const X(mbconv) *b, const mbconv_frame *f, const back_frame *back, int y,
                            const X(mbconv_kept) *kept, const real *framed, real *out)
{
    const size_t channels = (size_t)f->shape.out, step = (size_t)back->width * channels;
    const int at = f->top + y;
    const real *dsum = framed + (size_t)(back->above + at / f->shape.stride) * step + (size_t)back->before * channels;
    const real *slope = b->expand.out > 0 ? kept->expand_slope + (size_t)y * (size_t)f->width * channels : NULL;
    X(depthwise_backward)(&f->shape, at, f->left, f->width, step, dsum, b->depthwise.weight, slope, out);
}

/* framed -> din, some rows at a time. */
static void expand_backward(const X(mbconv) *b, const mbconv_frame *f, const back_frame *back,
                            const X(mbconv_kept) *kept, const X(mbconv_scratch) *s, real *din)
{
    const size_t width = (size_t)f->width, channels = (size_t)f->shape.out, in = (size_t)b->expand.in;
    const int strip = strip_back(f);
    for (int y = 0; y < f->height; y += strip) {
        const int rows = f->height - y < strip ? f->height - y : strip;
        for (int i = 0; i < rows; i++)
            filter_backward(b, f, back, y + i, kept, s->framed, s->tile + (size_t)i * width * channels);
        gemm_nt(rows * f->width, b->expand.in, b->expand.out, s->tile, b->expand.weight, 0,
                din + (size_t)y * width * in);
    }
}

void X(mbconv_backward)(const X(mbconv) *b, const mbconv_frame *f, const X(mbconv_kept) *kept, const real *dout,
                        real *din, const X(mbconv_scratch) *s)
{
    const back_frame back = frame_back(f);
    const int positions = f->shape.rows * f->shape.cols;
    gemm_nt(positions, b->project.in, b->project.out, dout, b->project.weight, 0, s->scaled);
    gate_backward(b, f, kept, s->scaled, s);
    frame_gradient(f, &back, kept, s->scaled, s->term, s->framed);
    if (b->expand.out > 0)
        expand_backward(b, f, &back, kept, s, din);
    for (int y = 0; y < f->height && b->expand.out == 0; y++)
        filter_backward(b, f, &back, y, kept, s->framed, din + (size_t)y * (size_t)(f->width * f->shape.out));
    if (b->residual)
        for (size_t i = 0; i < (size_t)positions * (size_t)b->project.out; i++)
            din[i] += dout[i];
}
