/* How parameters begin: the identity of Dirac initialisation, where a convolution has the shape for it. */
#include "engine/parameters.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 4096 };

static struct parameter_list list;
static float values[MOST];

static void list_of(struct model_spec *spec)
{
    struct train_options options;
    struct error error;
    assert_int_equal(model_preset("micro", spec, &options, &error), 0);
    spec->init = INIT_DIRAC;
    spec->squeeze_excite = 0.5f;
    spec->stage_count = 1;
    spec->stages[0] = (struct stage_spec){.width = 16, .mid = 8, .blocks = 1, .stride = 1};
}

static const struct parameter *initialize(const struct model_spec *spec, const char *name)
{
    const int index = parameters_find(&list, name);
    assert_in_range(index, 0, list.count - 1);
    assert_in_range(list.items[index].count, 1, MOST);
    parameters_initialize(&list, spec, index, 7, values);
    return &list.items[index];
}

/* Whether a row of weights is 1 in the middle of that input's kernel, and 0 elsewhere. */
static bool is_identity(const struct parameter *p, int row, int input)
{
    const int area = p->dims[2] * p->dims[3], count = p->dims[1] * area;
    for (int i = 0; i < count; i++)
        if (values[row * count + i] != (i == input * area + area / 2 ? 1.0f : 0.0f))
            return false;
    return true;
}

/* The first `rows` are the identity, those behind them are drawn. */
static void expect_identity(const struct model_spec *spec, const char *name, int rows)
{
    const struct parameter *p = initialize(spec, name);
    for (int row = 0; row < p->dims[0]; row++)
        for (int input = 0; input < p->dims[1]; input++)
            assert_int_equal(is_identity(p, row, input), row < rows && row == input);
    for (int row = rows; row < p->dims[0]; row++)
        assert_true(values[(size_t)row * p->count / (size_t)p->dims[0]] != 0);
}

static void dirac_is_the_identity_on_the_channels_there_are(void **state)
{
    (void)state;
    struct model_spec spec;
    struct error error;
    list_of(&spec);
    assert_int_equal(parameters_list(&spec, &list, &error), 0);
    expect_identity(&spec, "stem.weight", 3);           /* 3 -> 16 */
    expect_identity(&spec, "blocks.0.conv0.weight", 8); /* 16 -> 8 */
    expect_identity(&spec, "blocks.0.conv1.weight", 8);
    expect_identity(&spec, "blocks.0.conv3.weight", 8); /* 8 -> 16 */
    parameters_free(&list);
}

/* Dense layers have none; what is drawn is what `he` draws. */
static void all_else_begins_as_by_he(void **state)
{
    (void)state;
    struct model_spec spec;
    struct error error;
    float he[MOST];
    list_of(&spec);
    assert_int_equal(parameters_list(&spec, &list, &error), 0);
    static const char *const names[] = {"blocks.0.se.fc0.weight", "head.weight", "head.bias", "blocks.0.conv1.gain"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct model_spec other = spec;
        other.init = INIT_HE;
        const struct parameter *p = initialize(&other, names[i]);
        memcpy(he, values, p->count * sizeof *he);
        initialize(&spec, names[i]);
        assert_memory_equal(values, he, p->count * sizeof *he);
    }
    parameters_free(&list);
}

/* In each group by itself, so that the whole is the identity. */
static void dirac_goes_through_groups(void **state)
{
    (void)state;
    struct model_spec spec;
    struct error error;
    list_of(&spec);
    spec.group_width = 4;
    assert_int_equal(parameters_list(&spec, &list, &error), 0);
    const struct parameter *p = initialize(&spec, "blocks.0.conv1.weight");
    assert_int_equal(p->dims[0], 8);
    assert_int_equal(p->dims[1], 4);
    for (int row = 0; row < 8; row++)
        assert_true(is_identity(p, row, row % 4));
    parameters_free(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dirac_is_the_identity_on_the_channels_there_are),
        cmocka_unit_test(all_else_begins_as_by_he),
        cmocka_unit_test(dirac_goes_through_groups),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
