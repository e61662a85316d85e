/* The few calls of oneDNN's C API that differ between its versions 2 (Debian 12, Ubuntu 22.04) and 3 (Debian 13, Ubuntu
 * 24.04), under one name each, so that conv.c and conv_create.c need not know. */
#ifndef NFBENCH_KERNELS_CPU_ONEDNN_H
#define NFBENCH_KERNELS_CPU_ONEDNN_H

#include <oneapi/dnnl/dnnl.h>
#include <oneapi/dnnl/dnnl_debug.h>

/* Strides and paddings (the same on both sides) by height and width. */
struct onednn_geometry {
    dnnl_dims_t strides, padding;
};

#if DNNL_VERSION_MAJOR >= 3

typedef const_dnnl_memory_desc_t onednn_view; /* a memory description that someone else owns */

static inline onednn_view onednn_view_of(const dnnl_memory_desc_t *description)
{
    return *description;
}

static inline dnnl_status_t onednn_describe(dnnl_memory_desc_t *out, int count, const dnnl_dims_t dims,
                                            dnnl_data_type_t type, dnnl_format_tag_t tag)
{
    return dnnl_memory_desc_create_with_tag(out, count, dims, type, tag);
}

static inline void onednn_release(dnnl_memory_desc_t *description)
{
    if (*description)
        dnnl_memory_desc_destroy(*description);
    *description = NULL;
}

static inline dnnl_status_t onednn_bind(dnnl_memory_t memory, void *pointer, dnnl_stream_t stream)
{
    (void)stream;
    return dnnl_memory_set_data_handle(memory, pointer);
}

static inline dnnl_status_t onednn_append_relu(dnnl_post_ops_t post)
{
    return dnnl_post_ops_append_eltwise(post, dnnl_eltwise_relu, 0.0f, 0.0f);
}

static inline dnnl_status_t onednn_append_sum(dnnl_post_ops_t post)
{
    return dnnl_post_ops_append_sum(post, 1.0f, 0, dnnl_data_type_undef);
}

static const dnnl_dims_t onednn_no_dilation;

static inline dnnl_status_t onednn_forward(dnnl_primitive_desc_t *out, dnnl_engine_t engine, onednn_view x,
                                           onednn_view weights, onednn_view bias, onednn_view y,
                                           const struct onednn_geometry *g, dnnl_primitive_attr_t attributes)
{
    return dnnl_convolution_forward_primitive_desc_create(out, engine, dnnl_forward_training, dnnl_convolution_direct,
                                                          x, weights, bias, y, g->strides, onednn_no_dilation,
                                                          g->padding, g->padding, attributes);
}

static inline dnnl_status_t onednn_backward_data(dnnl_primitive_desc_t *out, dnnl_engine_t engine, onednn_view x,
                                                 onednn_view weights, onednn_view y, const struct onednn_geometry *g,
                                                 dnnl_primitive_desc_t forward, dnnl_primitive_attr_t attributes)
{
    return dnnl_convolution_backward_data_primitive_desc_create(out, engine, dnnl_convolution_direct, x, weights, y,
                                                                g->strides, onednn_no_dilation, g->padding, g->padding,
                                                                forward, attributes);
}

static inline dnnl_status_t onednn_backward_weights(dnnl_primitive_desc_t *out, dnnl_engine_t engine, onednn_view x,
                                                    onednn_view weights, onednn_view bias, onednn_view y,
                                                    const struct onednn_geometry *g, dnnl_primitive_desc_t forward,
                                                    dnnl_primitive_attr_t attributes)
{
    return dnnl_convolution_backward_weights_primitive_desc_create(out, engine, dnnl_convolution_direct, x, weights,
                                                                   bias, y, g->strides, onednn_no_dilation, g->padding,
                                                                   g->padding, forward, attributes);
}

#else

typedef const dnnl_memory_desc_t *onednn_view;

static inline onednn_view onednn_view_of(const dnnl_memory_desc_t *description)
{
    return description;
}

static inline dnnl_status_t onednn_describe(dnnl_memory_desc_t *out, int count, const dnnl_dims_t dims,
                                            dnnl_data_type_t type, dnnl_format_tag_t tag)
{
    return dnnl_memory_desc_init_by_tag(out, count, dims, type, tag);
}

static inline void onednn_release(dnnl_memory_desc_t *description)
{
    (void)description;
}

static inline dnnl_status_t onednn_bind(dnnl_memory_t memory, void *pointer, dnnl_stream_t stream)
{
    return dnnl_memory_set_data_handle_v2(memory, pointer, stream);
}

static inline dnnl_status_t onednn_append_relu(dnnl_post_ops_t post)
{
    return dnnl_post_ops_append_eltwise(post, 1.0f, dnnl_eltwise_relu, 0.0f, 0.0f);
}

static inline dnnl_status_t onednn_append_sum(dnnl_post_ops_t post)
{
    return dnnl_post_ops_append_sum(post, 1.0f);
}

static inline dnnl_status_t onednn_forward(dnnl_primitive_desc_t *out, dnnl_engine_t engine, onednn_view x,
                                           onednn_view weights, onednn_view bias, onednn_view y,
                                           const struct onednn_geometry *g, dnnl_primitive_attr_t attributes)
{
    dnnl_convolution_desc_t d;
    dnnl_status_t status = dnnl_convolution_forward_desc_init(&d, dnnl_forward_training, dnnl_convolution_direct, x,
                                                              weights, bias, y, g->strides, g->padding, g->padding);
    return status ? status : dnnl_primitive_desc_create(out, &d, attributes, engine, NULL);
}

static inline dnnl_status_t onednn_backward_data(dnnl_primitive_desc_t *out, dnnl_engine_t engine, onednn_view x,
                                                 onednn_view weights, onednn_view y, const struct onednn_geometry *g,
                                                 dnnl_primitive_desc_t forward, dnnl_primitive_attr_t attributes)
{
    dnnl_convolution_desc_t d;
    dnnl_status_t status = dnnl_convolution_backward_data_desc_init(&d, dnnl_convolution_direct, x, weights, y,
                                                                    g->strides, g->padding, g->padding);
    return status ? status : dnnl_primitive_desc_create(out, &d, attributes, engine, forward);
}

static inline dnnl_status_t onednn_backward_weights(dnnl_primitive_desc_t *out, dnnl_engine_t engine, onednn_view x,
                                                    onednn_view weights, onednn_view bias, onednn_view y,
                                                    const struct onednn_geometry *g, dnnl_primitive_desc_t forward,
                                                    dnnl_primitive_attr_t attributes)
{
    dnnl_convolution_desc_t d;
    dnnl_status_t status = dnnl_convolution_backward_weights_desc_init(&d, dnnl_convolution_direct, x, weights, bias, y,
                                                                       g->strides, g->padding, g->padding);
    return status ? status : dnnl_primitive_desc_create(out, &d, attributes, engine, forward);
}

#endif

#endif
