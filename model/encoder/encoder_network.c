/* encoder_network.c: the table of EfficientNet-B0 (Tan & Le 2019, table 1), one row an MBConv block. */
#include "model/encoder/encoder_network.h"

#include <stdio.h>

static const struct {
    int kernel, stride, in, expanded, squeezed, out; /* squeezed = in / 4, out of `expanded` channels */
} rows[ENCODER_BLOCKS] = {
    {3, 1, 32, 32, 8, 16},                                                              /* 112 x 112 */
    {3, 2, 16, 96, 4, 24},      {3, 1, 24, 144, 6, 24},                                 /* 56 x 56 */
    {5, 2, 24, 144, 6, 40},     {5, 1, 40, 240, 10, 40},                                /* 28 x 28 */
    {3, 2, 40, 240, 10, 80},    {3, 1, 80, 480, 20, 80},    {3, 1, 80, 480, 20, 80},    /* 14 x 14 */
    {5, 1, 80, 480, 20, 112},   {5, 1, 112, 672, 28, 112},  {5, 1, 112, 672, 28, 112},  /* 14 x 14 */
    {5, 2, 112, 672, 28, 192},  {5, 1, 192, 1152, 48, 192}, {5, 1, 192, 1152, 48, 192}, /* 7 x 7 */
    {5, 1, 192, 1152, 48, 192}, {3, 1, 192, 1152, 48, 320},                             /* 7 x 7 */
};

static encoder_layer layer(int kernel, int stride, int in, int out)
{
    return (encoder_layer){.kernel = kernel, .stride = stride, .in = in, .out = out};
}

void encoder_network_init(encoder_network *network)
{
    *network = (encoder_network){.stem = layer(3, 2, 3, rows[0].in)};
    for (int i = 0; i < ENCODER_BLOCKS; i++) {
        encoder_block *b = &network->blocks[i];
        int in = rows[i].in, expanded = rows[i].expanded, squeezed = rows[i].squeezed, out = rows[i].out;
        if (expanded != in)
            b->expand = layer(1, 1, in, expanded);
        b->depthwise = layer(rows[i].kernel, rows[i].stride, 1, expanded);
        b->reduce = layer(1, 1, expanded, squeezed);
        b->excite = layer(1, 1, squeezed, expanded);
        b->project = layer(1, 1, expanded, out);
        b->residual = rows[i].stride == 1 && in == out;
    }
    network->head = layer(1, 1, rows[ENCODER_BLOCKS - 1].out, CAPTION_FEATURES);
    network->classifier = layer(1, 1, CAPTION_FEATURES, CAPTION_CLASSES);
}

static int each_of_block(encoder_block *b, int index,
                         int (*visit)(void *context, const char *name, encoder_layer *layer), void *context)
{
    encoder_layer *layers[] = {&b->expand, &b->depthwise, &b->reduce, &b->excite, &b->project};
    static const char *const names[] = {"expand", "depthwise", "reduce", "excite", "project"};
    int result = 0;
    for (size_t i = 0; i < sizeof layers / sizeof *layers && !result; i++) {
        char name[ENCODER_NAME_BYTES];
        snprintf(name, sizeof name, "blocks.%d.%s", index, names[i]);
        if (layers[i]->out > 0)
            result = visit(context, name, layers[i]);
    }
    return result;
}

int encoder_network_each(encoder_network *network, int (*visit)(void *context, const char *name, encoder_layer *layer),
                         void *context)
{
    int result = visit(context, "stem", &network->stem);
    for (int i = 0; i < ENCODER_BLOCKS && !result; i++)
        result = each_of_block(&network->blocks[i], i, visit, context);
    if (!result)
        result = visit(context, "head", &network->head);
    if (!result)
        result = visit(context, "classifier", &network->classifier);
    return result;
}

size_t encoder_layer_size(const encoder_layer *l)
{
    return (size_t)l->kernel * (size_t)l->kernel * (size_t)l->in * (size_t)l->out;
}
