/* oneDNN's primitives of a convolution: what each reads and writes, in which layout, and the reorders of weights
 * between their own layout and the one that the primitives like best. conv.c runs them. */
#include "kernels/cpu/conv.h"

static int tensor_create(dnnl_engine_t engine, onednn_view description, struct tensor *tensor, struct error *error)
{
    tensor->bytes = dnnl_memory_desc_get_size(description);
    DNNL_CHECK(dnnl_memory_create(&tensor->memory, description, engine, DNNL_MEMORY_NONE));
    return 0;
}

/* Makes the primitive of a description and its scratchpad; takes the description. */
static int operation_create(dnnl_engine_t engine, dnnl_primitive_desc_t description, struct operation *operation,
                            struct error *error)
{
    onednn_view scratchpad = dnnl_primitive_desc_query_md(description, dnnl_query_scratchpad_md, 0);
    int result = tensor_create(engine, scratchpad, &operation->scratchpad, error);
    dnnl_status_t status = dnnl_primitive_create(&operation->primitive, description);
    dnnl_primitive_desc_destroy(description);
    if (!result && status != dnnl_success)
        result = error_set(error, "oneDNN: making a primitive: %s", dnnl_status2str(status));
    return result;
}

static int attributes_create(const struct conv_shape *shape, dnnl_primitive_attr_t *out, struct error *error)
{
    DNNL_CHECK(dnnl_primitive_attr_create(out));
    DNNL_CHECK(dnnl_primitive_attr_set_scratchpad_mode(*out, dnnl_scratchpad_mode_user));
    if (!shape || !(shape->relu || shape->accumulate))
        return 0;
    dnnl_post_ops_t post;
    DNNL_CHECK(dnnl_post_ops_create(&post));
    dnnl_status_t status = shape->relu ? onednn_append_relu(post) : onednn_append_sum(post);
    if (status == dnnl_success)
        status = dnnl_primitive_attr_set_post_ops(*out, post);
    dnnl_post_ops_destroy(post);
    return status == dnnl_success ? 0 : error_set(error, "oneDNN: post-operation: %s", dnnl_status2str(status));
}

/* Memory descriptions and geometry of one convolution. */
struct layout {
    dnnl_memory_desc_t x, y, bias, weights, raw_weights, gradient;
    struct onednn_geometry geometry;
};

static int layout_make(const struct conv *conv, dnnl_data_type_t type, struct layout *l, struct error *error)
{
    const struct conv_shape *s = &conv->shape;
    const int dims = s->groups > 1 ? 5 : 4;
    dnnl_dims_t x = {s->n, s->cin, s->h, s->w}, y = {s->n, s->cout, conv->out_h, conv->out_w}, bias = {s->cout};
    dnnl_dims_t plain = {s->cout, s->cin, s->k, s->k};
    dnnl_dims_t grouped = {s->groups, s->cout / s->groups, s->cin / s->groups, s->k, s->k};
    dnnl_dims_t *w = s->groups > 1 ? &grouped : &plain;
    const dnnl_format_tag_t raw_tag = s->groups > 1 ? dnnl_goihw : dnnl_oihw;
    l->geometry.strides[0] = l->geometry.strides[1] = s->stride;
    l->geometry.padding[0] = l->geometry.padding[1] = s->k / 2;
    DNNL_CHECK(onednn_describe(&l->x, 4, x, type, dnnl_nhwc));
    DNNL_CHECK(onednn_describe(&l->y, 4, y, type, dnnl_nhwc));
    DNNL_CHECK(onednn_describe(&l->bias, 1, bias, dnnl_f32, dnnl_a));
    DNNL_CHECK(onednn_describe(&l->weights, dims, *w, type, dnnl_format_tag_any));
    DNNL_CHECK(onednn_describe(&l->gradient, dims, *w, dnnl_f32, dnnl_format_tag_any));
    DNNL_CHECK(onednn_describe(&l->raw_weights, dims, *w, dnnl_f32, raw_tag));
    return 0;
}

static void layout_free(struct layout *l)
{
    dnnl_memory_desc_t *descriptions[] = {&l->x, &l->y, &l->bias, &l->weights, &l->raw_weights, &l->gradient};
    for (size_t i = 0; i < sizeof descriptions / sizeof *descriptions; i++)
        onednn_release(descriptions[i]);
}

/* A reorder between two weight layouts; `from` and `to` may differ in type as well. */
static int reorder_create(dnnl_engine_t engine, onednn_view from, onednn_view to, struct operation *operation,
                          struct error *error)
{
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_primitive_desc_t description = NULL;
    int result = attributes_create(NULL, &attributes, error);
    if (!result) {
        dnnl_status_t status = dnnl_reorder_primitive_desc_create(&description, from, engine, to, engine, attributes);
        result = status == dnnl_success ? operation_create(engine, description, operation, error)
                                        : error_set(error, "oneDNN: weight layout: %s", dnnl_status2str(status));
    }
    if (attributes)
        dnnl_primitive_attr_destroy(attributes);
    return result;
}

static int described(const struct conv_shape *s, dnnl_status_t status, struct error *error)
{
    if (status == dnnl_success)
        return 0;
    return error_set(error, "oneDNN has no %dx%d convolution for %d -> %d channels in %s: %s", s->k, s->k, s->cin,
                     s->cout, s->dtype == DTYPE_BF16 ? "bf16" : "fp32", dnnl_status2str(status));
}

static int forward_create(struct cpu_conv *c, dnnl_engine_t engine, const struct layout *l,
                          dnnl_primitive_attr_t attributes, dnnl_primitive_desc_t *description, struct error *error)
{
    dnnl_status_t status = onednn_forward(description, engine, onednn_view_of(&l->x), onednn_view_of(&l->weights),
                                          onednn_view_of(&l->bias), onednn_view_of(&l->y), &l->geometry, attributes);
    if (described(&c->conv.shape, status, error))
        return -1;
    onednn_view packed = dnnl_primitive_desc_query_md(*description, dnnl_query_weights_md, 0);
    if (tensor_create(engine, packed, &c->forward_weights, error) ||
        reorder_create(engine, onednn_view_of(&l->raw_weights), packed, &c->pack_forward, error))
        return -1;
    return 0;
}

static int backward_data_create(struct cpu_conv *c, dnnl_engine_t engine, const struct layout *l,
                                dnnl_primitive_attr_t attributes, dnnl_primitive_desc_t hint, struct error *error)
{
    dnnl_primitive_desc_t description = NULL;
    dnnl_status_t status =
        onednn_backward_data(&description, engine, onednn_view_of(&l->x), onednn_view_of(&l->weights),
                             onednn_view_of(&l->y), &l->geometry, hint, attributes);
    if (described(&c->conv.shape, status, error))
        return -1;
    onednn_view packed = dnnl_primitive_desc_query_md(description, dnnl_query_weights_md, 0);
    int result = tensor_create(engine, packed, &c->backward_weights_in, error);
    if (!result)
        result = reorder_create(engine, onednn_view_of(&l->raw_weights), packed, &c->pack_backward, error);
    if (result) {
        dnnl_primitive_desc_destroy(description);
        return result;
    }
    return operation_create(engine, description, &c->backward_data, error);
}

static int backward_weights_create(struct cpu_conv *c, dnnl_engine_t engine, const struct layout *l,
                                   dnnl_primitive_attr_t attributes, dnnl_primitive_desc_t hint, struct error *error)
{
    dnnl_primitive_desc_t description = NULL;
    dnnl_status_t status =
        onednn_backward_weights(&description, engine, onednn_view_of(&l->x), onednn_view_of(&l->gradient),
                                onednn_view_of(&l->bias), onednn_view_of(&l->y), &l->geometry, hint, attributes);
    if (described(&c->conv.shape, status, error))
        return -1;
    onednn_view packed = dnnl_primitive_desc_query_md(description, dnnl_query_diff_weights_md, 0);
    int result = tensor_create(engine, packed, &c->gradient, error);
    if (!result)
        result = reorder_create(engine, packed, onednn_view_of(&l->raw_weights), &c->unpack_gradient, error);
    if (result) {
        dnnl_primitive_desc_destroy(description);
        return result;
    }
    return operation_create(engine, description, &c->backward_weights, error);
}

static int primitives_create(struct cpu_conv *c, dnnl_engine_t engine, const struct layout *l, struct error *error)
{
    dnnl_primitive_attr_t fused = NULL, plain = NULL;
    dnnl_primitive_desc_t forward = NULL;
    int result = attributes_create(&c->conv.shape, &fused, error);
    if (!result)
        result = attributes_create(NULL, &plain, error);
    if (!result)
        result = forward_create(c, engine, l, fused, &forward, error);
    if (!result && c->conv.shape.input_gradient)
        result = backward_data_create(c, engine, l, plain, forward, error);
    if (!result && !c->own_weights && !c->conv.shape.frozen)
        result = backward_weights_create(c, engine, l, plain, forward, error);
    if (!result) {
        result = operation_create(engine, forward, &c->forward, error);
        forward = NULL;
    }
    if (forward)
        dnnl_primitive_desc_destroy(forward);
    if (plain)
        dnnl_primitive_attr_destroy(plain);
    if (fused)
        dnnl_primitive_attr_destroy(fused);
    return result;
}

int conv_primitives_create(struct cpu_conv *c, dnnl_engine_t engine, struct error *error)
{
    struct layout l = {0};
    const bool failed =
        layout_make(&c->conv, c->conv.shape.dtype == DTYPE_BF16 && !c->emulated ? dnnl_bf16 : dnnl_f32, &l, error) ||
        tensor_create(engine, onednn_view_of(&l.x), &c->x, error) ||
        tensor_create(engine, onednn_view_of(&l.y), &c->y, error) ||
        tensor_create(engine, onednn_view_of(&l.bias), &c->bias, error) ||
        tensor_create(engine, onednn_view_of(&l.raw_weights), &c->raw_weights, error) ||
        primitives_create(c, engine, &l, error);
    layout_free(&l);
    return failed ? -1 : 0;
}

void conv_primitives_destroy(struct cpu_conv *c)
{
    struct operation *operations[] = {&c->forward,      &c->backward_data, &c->backward_weights,
                                      &c->pack_forward, &c->pack_backward, &c->unpack_gradient};
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) {
        if (operations[i]->primitive)
            dnnl_primitive_destroy(operations[i]->primitive);
        if (operations[i]->scratchpad.memory)
            dnnl_memory_destroy(operations[i]->scratchpad.memory);
    }
    struct tensor *tensors[] = {
        &c->x, &c->y, &c->bias, &c->raw_weights, &c->forward_weights, &c->backward_weights_in, &c->gradient};
    for (size_t i = 0; i < sizeof tensors / sizeof *tensors; i++)
        if (tensors[i]->memory)
            dnnl_memory_destroy(tensors[i]->memory);
}
