/* encoder_kernels.c: the encoder's convolutions in oneDNN and in XNNPACK, on one thread.
 *
 *     encoder_kernels SECONDS        CSV as captiond bench encoder begins it; best_ms is the shortest pass
 *
 * Neither library knows the network, so this runs its convolutions one after the other, each as the library likes it
 * best: weights packed beforehand, and the layout of every map the library's own choice, without a conversion between
 * two layers. oneDNN applies swish within the convolution, XNNPACK has it as a sigmoid and a product. Residual sums and
 * squeeze-and-excitation are left out: a whole encoder made of these would be slower. Weights and maps are constants;
 * what is in them changes nothing in the timing. Built by encoder.sh where libdnnl-dev and libxnnpack-dev are there. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <dnnl.h>
#include <xnnpack.h>

#include "model/encoder/encoder_network.h"

enum { MAX_LAYERS = 64, SIDE = 224 };

typedef struct layer {
    int side, outputs; /* of the input and of the output */
    int kernel, stride, in, out, groups, swish;
    dnnl_primitive_t primitive;
    dnnl_exec_arg_t args[4];
    xnn_operator_t convolution, sigmoid, product;
} layer;

typedef struct network {
    layer layers[MAX_LAYERS];
    int count;
    int side; /* of the next layer's input */
} network;

static void check(int bad, const char *what)
{
    if (bad) {
        fprintf(stderr, "encoder_kernels: %s failed (%d)\n", what, bad);
        exit(1);
    }
}

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
}

static float *constants(size_t n)
{
    float *x = NULL;
    check(posix_memalign((void **)&x, 64, n * sizeof *x), "memory");
    for (size_t i = 0; i < n; i++)
        x[i] = 0.01f;
    return x;
}

/* ---- the network ------------------------------------------------------------------------------------------------- */

static void add(network *n, const encoder_layer *l, int swish)
{
    const int depthwise = l->kernel > 1 && l->in == 1;
    layer *a = &n->layers[n->count++];
    *a = (layer){.side = n->side,
                 .outputs = n->side / l->stride,
                 .kernel = l->kernel,
                 .stride = l->stride,
                 .in = depthwise ? l->out : l->in,
                 .out = l->out,
                 .groups = depthwise ? l->out : 1,
                 .swish = swish};
    n->side = a->outputs;
}

static void list(network *n)
{
    encoder_network e;
    encoder_network_init(&e);
    n->side = SIDE;
    add(n, &e.stem, 1);
    for (int i = 0; i < ENCODER_BLOCKS; i++) {
        if (e.blocks[i].expand.out > 0)
            add(n, &e.blocks[i].expand, 1);
        add(n, &e.blocks[i].depthwise, 1);
        add(n, &e.blocks[i].project, 0);
    }
    add(n, &e.head, 1);
}

/* Zeros before and behind, as TensorFlow's SAME has them. */
static void padding(const layer *l, int *before, int *behind)
{
    const int all = (l->outputs - 1) * l->stride + l->kernel - l->side;
    *before = all > 0 ? all / 2 : 0;
    *behind = all > 0 ? all - all / 2 : 0;
}

/* ---- oneDNN ------------------------------------------------------------------------------------------------------ */

static dnnl_memory_t memory_of(const_dnnl_primitive_desc_t p, dnnl_query_t what, dnnl_engine_t engine)
{
    const dnnl_memory_desc_t *d = dnnl_primitive_desc_query_md(p, what, 0);
    dnnl_memory_t m;
    check(dnnl_memory_create(&m, d, engine, constants(dnnl_memory_desc_get_size(d) / sizeof(float))),
          "oneDNN's memory");
    return m;
}

static void make_onednn(layer *l, dnnl_engine_t engine)
{
    int before, behind;
    padding(l, &before, &behind);
    const dnnl_dims_t source = {1, l->in, l->side, l->side}, target = {1, l->out, l->outputs, l->outputs},
                      bias = {l->out};
    const dnnl_dims_t grouped = {l->groups, 1, 1, l->kernel, l->kernel}, dense = {l->out, l->in, l->kernel, l->kernel};
    const dnnl_dims_t strides = {l->stride, l->stride}, low = {before, before}, high = {behind, behind};
    dnnl_memory_desc_t s, w, b, t;
    check(dnnl_memory_desc_init_by_tag(&s, 4, source, dnnl_f32, dnnl_format_tag_any), "source");
    check(l->groups > 1 ? dnnl_memory_desc_init_by_tag(&w, 5, grouped, dnnl_f32, dnnl_format_tag_any)
                        : dnnl_memory_desc_init_by_tag(&w, 4, dense, dnnl_f32, dnnl_format_tag_any),
          "weight");
    check(dnnl_memory_desc_init_by_tag(&b, 1, bias, dnnl_f32, dnnl_a), "bias");
    check(dnnl_memory_desc_init_by_tag(&t, 4, target, dnnl_f32, dnnl_format_tag_any), "target");

    dnnl_convolution_desc_t convolution;
    dnnl_primitive_attr_t attributes;
    dnnl_post_ops_t after;
    dnnl_primitive_desc_t p;
    check(dnnl_convolution_forward_desc_init(&convolution, dnnl_forward_inference, dnnl_convolution_direct, &s, &w, &b,
                                             &t, strides, low, high),
          "convolution");
    check(dnnl_primitive_attr_create(&attributes), "attributes");
    check(dnnl_post_ops_create(&after), "post-ops");
    if (l->swish)
        check(dnnl_post_ops_append_eltwise(after, 1, dnnl_eltwise_swish, 1, 0), "swish");
    check(dnnl_primitive_attr_set_post_ops(attributes, after), "post-ops");
    check(dnnl_primitive_desc_create(&p, &convolution, attributes, engine, NULL), "oneDNN's choice");
    check(dnnl_primitive_create(&l->primitive, p), "oneDNN's primitive");
    l->args[0] = (dnnl_exec_arg_t){DNNL_ARG_SRC, memory_of(p, dnnl_query_src_md, engine)};
    l->args[1] = (dnnl_exec_arg_t){DNNL_ARG_WEIGHTS, memory_of(p, dnnl_query_weights_md, engine)};
    l->args[2] = (dnnl_exec_arg_t){DNNL_ARG_DST, memory_of(p, dnnl_query_dst_md, engine)};
    dnnl_memory_t m;
    check(dnnl_memory_create(&m, &b, engine, constants((size_t)l->out)), "bias");
    l->args[3] = (dnnl_exec_arg_t){DNNL_ARG_BIAS, m};
}

static void run_onednn(network *n, dnnl_stream_t stream)
{
    for (int i = 0; i < n->count; i++)
        check(dnnl_primitive_execute(n->layers[i].primitive, stream, 4, n->layers[i].args), "oneDNN");
    check(dnnl_stream_wait(stream), "oneDNN");
}

/* ---- XNNPACK ----------------------------------------------------------------------------------------------------- */

static void make_xnnpack(layer *l)
{
    int before, behind;
    padding(l, &before, &behind);
    const unsigned low = (unsigned)before, high = (unsigned)behind, kernel = (unsigned)l->kernel;
    const size_t in = (size_t)l->in, out = (size_t)l->out, groups = (size_t)l->groups;
    const size_t positions = (size_t)(l->outputs * l->outputs), shape[] = {positions * out};
    float *source = constants((size_t)(l->side * l->side) * in + XNN_EXTRA_BYTES);
    float *target = constants(positions * out + XNN_EXTRA_BYTES), *gate = constants(positions * out + XNN_EXTRA_BYTES);
    check(xnn_create_convolution2d_nhwc_f32(low, high, high, low, kernel, kernel, (unsigned)l->stride,
                                            (unsigned)l->stride, 1, 1, (unsigned)groups, in / groups, out / groups, in,
                                            out, constants((size_t)(l->kernel * l->kernel) * in / groups * out),
                                            constants(out), -1e30f, 1e30f, 0, &l->convolution),
          "XNNPACK's convolution");
    check(xnn_setup_convolution2d_nhwc_f32(l->convolution, 1, (size_t)l->side, (size_t)l->side, source, target, NULL),
          "XNNPACK's convolution");
    if (!l->swish)
        return;
    check(xnn_create_sigmoid_nc_f32(out, out, out, 0, &l->sigmoid), "XNNPACK's sigmoid");
    check(xnn_setup_sigmoid_nc_f32(l->sigmoid, positions, target, gate, NULL), "XNNPACK's sigmoid");
    check(xnn_create_multiply_nd_f32(-1e30f, 1e30f, 0, &l->product), "XNNPACK's product");
    check(xnn_setup_multiply_nd_f32(l->product, 1, shape, 1, shape, target, gate, target, NULL), "XNNPACK's product");
}

static void run_xnnpack(network *n)
{
    for (int i = 0; i < n->count; i++) {
        layer *l = &n->layers[i];
        check(xnn_run_operator(l->convolution, NULL), "XNNPACK");
        if (l->swish) {
            check(xnn_run_operator(l->sigmoid, NULL), "XNNPACK");
            check(xnn_run_operator(l->product, NULL), "XNNPACK");
        }
    }
}

/* ---- the clock --------------------------------------------------------------------------------------------------- */

static void report(const char *name, long passes, double elapsed, double best)
{
    printf("%s,1,1,%ld,%.1f,%.2f,%.2f\n", name, passes, 1000 * (double)passes / elapsed, elapsed / (double)passes,
           best);
}

int main(int argc, char **argv)
{
    static network n;
    const double seconds = argc > 1 ? atof(argv[1]) : 1;
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    list(&n);
    check(dnnl_engine_create(&engine, dnnl_cpu, 0), "oneDNN's engine");
    check(dnnl_stream_create(&stream, engine, dnnl_stream_default_flags), "oneDNN's stream");
    check(xnn_initialize(NULL), "XNNPACK's start");
    for (int i = 0; i < n.count; i++) {
        make_onednn(&n.layers[i], engine);
        make_xnnpack(&n.layers[i]);
    }
    puts("implementation,threads,batch,images,images_per_second,ms_per_image,best_latency_ms");
    for (int peer = 0; peer < 2; peer++) {
        double best = 1e30, begin = now_ms(), elapsed = 0;
        long passes = 0;
        for (double last = begin; elapsed < 1000 * seconds; passes++) {
            if (peer == 0)
                run_onednn(&n, stream);
            else
                run_xnnpack(&n);
            const double now = now_ms();
            best = now - last < best ? now - last : best;
            elapsed = now - begin;
            last = now;
        }
        report(peer == 0 ? "onednn-convolutions" : "xnnpack-convolutions", passes, elapsed, best);
    }
    return 0;
}
