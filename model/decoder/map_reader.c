#include "model/decoder/map_reader.h"

#include <string.h>

#include "model/kernels/activation.h"
#include "model/kernels/gemm.h"
#include "model/layers/affine.h"
#include "model/layers/attention.h"

static int images_of(const X(map_readers) *r)
{
    return r->n / r->per_image;
}

static attention_shape shape_of(const decoder_shape *s, int rows, int stride)
{
    return (attention_shape){rows, stride, s->positions, s->attention, s->hidden};
}

void X(map_reader_project)(const decoder_shape *s, const X(map_reader_weights) *w, int images, const real *map,
                           const X(map_view) *view)
{
    int rows = images * s->positions;
    X(affine_forward)(rows, s->channels, s->attention, map, w->w_map, w->b_map, view->tile);
    X(vector_tanh)((size_t)rows * s->attention, view->tile);
    gemm(rows, s->attention, s->attention, view->tile, w->w_key, 0, view->keys);
    gemm(rows, s->hidden, s->attention, view->tile, w->w_value, 0, view->values);
}

/* Of image i. */
static const real *keys_of(const decoder_shape *s, const X(map_view) *view, int i)
{
    return view->keys + (size_t)i * s->positions * s->attention;
}

static const real *values_of(const decoder_shape *s, const X(map_view) *view, int i)
{
    return view->values + (size_t)i * s->positions * s->hidden;
}

void X(map_reader_look)(const decoder_shape *s, const X(map_reader_weights) *w, const X(map_view) *view,
                        const X(map_readers) *r, real *z)
{
    const attention_shape shape = shape_of(s, r->t, r->n);
    X(affine_forward)(r->t * r->n, s->hidden, s->attention, r->h, w->w_query, w->b_query, r->query);
    for (int k = 0; k < r->n; k++) {
        int i = k / r->per_image;
        X(attention_forward)(&shape, r->query + (size_t)k * s->attention, keys_of(s, view, i), values_of(s, view, i),
                             r->looks + (size_t)k * s->positions, z + (size_t)k * s->hidden);
    }
}

void X(map_reader_step)(const decoder_shape *s, const X(map_reader_weights) *w, const X(map_view) *view, int n,
                        const int *image, const real *h, real *query, real *looks, real *z)
{
    const attention_shape shape = shape_of(s, 1, 1);
    X(affine_forward)(n, s->hidden, s->attention, h, w->w_query, w->b_query, query);
    for (int r = 0; r < n; r++)
        X(attention_forward)(&shape, query + (size_t)r * s->attention, keys_of(s, view, image[r]),
                             values_of(s, view, image[r]), looks + (size_t)r * s->positions, z + (size_t)r * s->hidden);
}

/* Through the attention of every caption: dz -> dquery, dlooks, and dview's keys and values. */
static void look_backward(const decoder_shape *s, const X(map_view) *view, const X(map_readers) *r,
                          const X(map_view) *dview, real *dquery, real *dlooks, const real *dz)
{
    const attention_shape shape = shape_of(s, r->t, r->n);
    size_t positions = (size_t)images_of(r) * s->positions, keys = s->attention, values = s->hidden;
    memset(dview->keys, 0, positions * keys * sizeof(real));
    memset(dview->values, 0, positions * values * sizeof(real));
    for (int k = 0; k < r->n; k++) {
        int i = k / r->per_image;
        size_t place = (size_t)i * s->positions, look = (size_t)k * s->positions;
        X(attention_backward)(&shape, r->query + k * keys, keys_of(s, view, i), values_of(s, view, i), r->looks + look,
                              dz + k * values, dlooks + look, dquery + k * keys, dview->keys + place * keys,
                              dview->values + place * values);
    }
}

/* Through the projections: dview's keys and values -> its tile, the weights, dmap. */
static void project_backward(const decoder_shape *s, const X(map_reader_weights) *w, int images, const real *map,
                             const X(map_view) *view, const X(map_view) *dview, real *dmap,
                             const X(map_reader_gradients) *dw)
{
    int rows = images * s->positions, width = s->attention;
    gemm_nt(rows, width, width, dview->keys, w->w_key, 0, dview->tile);
    gemm_nt(rows, width, s->hidden, dview->values, w->w_value, 1, dview->tile);
    X(affine_backward)(rows, width, width, view->tile, w->w_key, dview->keys, NULL, dw->w_key, NULL);
    X(affine_backward)(rows, width, s->hidden, view->tile, w->w_value, dview->values, NULL, dw->w_value, NULL);
    for (size_t i = 0; i < (size_t)rows * width; i++)
        dview->tile[i] *= 1 - view->tile[i] * view->tile[i];
    X(affine_backward)(rows, s->channels, width, map, w->w_map, dview->tile, dmap, dw->w_map, dw->b_map);
}

void X(map_reader_backward)(const decoder_shape *s, const X(map_reader_weights) *w, const real *map,
                            const X(map_view) *view, const X(map_readers) *r, const X(map_view) *dview, real *dquery,
                            real *dlooks, real *dz, real *dmap, const X(map_reader_gradients) *dw)
{
    int rows = r->t * r->n;
    look_backward(s, view, r, dview, dquery, dlooks, dz);
    project_backward(s, w, images_of(r), map, view, dview, dmap, dw);
    gemm_nt(rows, s->hidden, s->attention, dquery, w->w_query, 1, dz);
    X(affine_backward)(rows, s->hidden, s->attention, r->h, w->w_query, dquery, NULL, dw->w_query, dw->b_query);
}
