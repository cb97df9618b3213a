/* map_reader.c: attention over the encoder's map, forward and backward: keys and values once an image, then one query
 * a word (equations: map_reader.h). Compiled twice (real.h). */
#include "model/decoder/map_reader.h"

#include <string.h>

#include "model/kernels/activation.h"
#include "model/kernels/gemm.h"
#include "model/layers/affine.h"
#include "model/layers/attention.h"

void X(concept_map)(const decoder_shape *s, const real *w_embed, int images, const X(decoder_images) *of, real *map)
{
    for (int i = 0; i < images * s->tags; i++, map += s->words) {
        const int concept = of->tags[i];
        const real p = of->concepts[(size_t)(i / s->tags) * s->concepts + concept];
        const real *word = w_embed + (size_t)of->concept_words[concept] * s->words;
        for (int j = 0; j < s->words; j++)
            map[j] = p * word[j];
    }
}

void X(concept_map_backward)(const decoder_shape *s, const real *w_embed, int images, const X(decoder_images) *of,
                             const real *dmap, real *dw_embed, real *dconcepts)
{
    for (int i = 0; i < images * s->tags; i++, dmap += s->words) {
        const int concept = of->tags[i];
        const size_t at = (size_t)(i / s->tags) * s->concepts + concept;
        const size_t word = (size_t)of->concept_words[concept] * s->words;
        for (int j = 0; dw_embed && j < s->words; j++)
            dw_embed[word + j] += of->concepts[at] * dmap[j];
        for (int j = 0; dconcepts && j < s->words; j++)
            dconcepts[at] += dmap[j] * w_embed[word + j];
    }
}

void X(map_reader_project)(const decoder_shape *s, const X(map_reader_weights) *w, const real *map,
                           const X(map_view) *view)
{
    int rows = view->images * s->positions;
    X(affine_forward)(rows, s->channels, s->attention, map, w->w_map, w->b_map, view->tile);
    X(vector_tanh)((size_t)rows * s->attention, view->tile);
    gemm(rows, s->attention, s->attention, view->tile, w->w_key, 0, view->keys);
    gemm(rows, s->hidden, s->attention, view->tile, w->w_value, 0, view->values);
}

/* Image i alone. */
static X(map_view) view_of(const decoder_shape *s, const X(map_view) *v, int i)
{
    size_t place = (size_t)i * s->positions;
    return (X(map_view)){1, v->tile + place * s->attention, v->keys + place * s->attention,
                         v->values + place * s->hidden};
}

static attention_shape shape_of(const decoder_shape *s, int rows)
{
    return (attention_shape){rows, s->positions, s->attention, s->hidden};
}

/* out[j] = in[place[j]] */
static void gather(const X(map_readers) *r, int width, const real *in, real *out)
{
    for (int j = 0; j < r->rows; j++)
        memcpy(out + (size_t)j * width, in + (size_t)r->place[j] * width, width * sizeof *out);
}

/* out[place[j]] += in[j] */
static void scatter(const X(map_readers) *r, int width, const real *in, real *out)
{
    for (int j = 0; j < r->rows; j++, in += width) {
        real *row = out + (size_t)r->place[j] * width;
        for (int i = 0; i < width; i++)
            row[i] += in[i];
    }
}

void X(map_reader_look)(const decoder_shape *s, const X(map_reader_weights) *w, const X(map_view) *view,
                        const X(map_readers) *r, real *z)
{
    gather(r, s->hidden, z, r->state);
    X(affine_forward)(r->rows, s->hidden, s->attention, r->state, w->w_query, w->b_query, r->query);
    size_t first = 0;
    for (int i = 0; i < view->images; first += r->count[i++]) {
        const attention_shape shape = shape_of(s, r->count[i]);
        const X(map_view) v = view_of(s, view, i);
        X(attention_forward)(&shape, r->query + first * s->attention, v.keys, v.values, r->looks + first * s->positions,
                             r->seen + first * s->hidden);
    }
    scatter(r, s->hidden, r->seen, z);
}

void X(map_reader_step)(const decoder_shape *s, const X(map_reader_weights) *w, const X(map_view) *view, int n,
                        const int *image, real *query, real *looks, real *seen, real *z)
{
    X(affine_forward)(n, s->hidden, s->attention, z, w->w_query, w->b_query, query);
    for (int first = 0, next = 0; first < n; first = next) {
        while (next < n && image[next] == image[first])
            next++;
        const attention_shape shape = shape_of(s, next - first);
        const X(map_view) v = view_of(s, view, image[first]);
        X(attention_forward)(&shape, query + (size_t)first * s->attention, v.keys, v.values,
                             looks + (size_t)first * s->positions, seen + (size_t)first * s->hidden);
    }
    for (size_t i = 0; i < (size_t)n * s->hidden; i++)
        z[i] += seen[i];
}

/* Through the attention of every image: r->seen, which holds the gradient of what was seen -> dquery, dlooks, and
 * dview's keys and values. */
static void look_backward(const decoder_shape *s, const X(map_view) *view, const X(map_readers) *r,
                          const X(map_view) *dview, real *dquery, real *dlooks)
{
    size_t first = 0;
    for (int i = 0; i < view->images; first += r->count[i++]) {
        const attention_shape shape = shape_of(s, r->count[i]);
        const X(map_view) v = view_of(s, view, i), dv = view_of(s, dview, i);
        size_t key = first * s->attention, look = first * s->positions;
        X(attention_backward)(&shape, r->query + key, v.keys, v.values, r->looks + look, r->seen + first * s->hidden,
                              dlooks + look, dquery + key, dv.keys, dv.values);
    }
}

/* Through the projections: dview's keys and values -> its tile, the weights, dmap. */
static void project_backward(const decoder_shape *s, const X(map_reader_weights) *w, const real *map,
                             const X(map_view) *view, const X(map_view) *dview, real *dmap,
                             const X(map_reader_gradients) *dw)
{
    int rows = view->images * s->positions, width = s->attention;
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
    gather(r, s->hidden, dz, r->seen);
    look_backward(s, view, r, dview, dquery, dlooks);
    project_backward(s, w, map, view, dview, dmap, dw);
    X(affine_backward)(r->rows, s->hidden, s->attention, r->state, w->w_query, dquery, r->seen, dw->w_query,
                       dw->b_query);
    scatter(r, s->hidden, r->seen, dz);
}
