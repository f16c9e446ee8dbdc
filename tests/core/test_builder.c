/*
 * The builder: every kind of step, growth, refusals, failing allocations, and that what it builds
 * can be moved.
 */
#include "message/message.h"
#include "message_fixture.h"
#include "troupe/error.h"

#include "cmocka_all.h"

#include <stdlib.h>

static int setup(void **state) {
    pool_ctx *ctx = malloc(sizeof *ctx);
    assert_non_null(ctx);
    pool_ctx_init(ctx);
    *state = ctx;
    return 0;
}

static int teardown(void **state) {
    size_t live = pool_ctx_deinit(*state);
    free(*state);
    return live == 0 ? 0 : -1;
}

static const char *const labels[] = {"start", "", "end"};

/*
 * A route with something in most fields; strings in the elements of a list come after the list
 * itself.
 */
static int build_route(trp_ctx *ctx, size_t tail_hint, trp_message **out) {
    trp_builder b;
    trp_builder_init(&b, ctx, &route_type, tail_hint);
    trp_set(&b, route, closed, true);
    trp_builder_set(&b, offsetof(route, at.label), "here", 4);
    size_t path = trp_set_list(&b, route, path, point, 3);
    for (size_t i = 0; i < 3; i++) {
        size_t at = path + i * sizeof(point);
        point *p = trp_builder_at(&b, at);
        if (p != NULL) {
            p->x = (double)i;
        }
        trp_builder_set_text(&b, at + offsetof(point, label), labels[i]);
    }
    size_t names = trp_set_list(&b, route, names, trp_slice, 2);
    trp_builder_set(&b, names, "odd", 3);
    trp_builder_set(&b, names + sizeof(trp_slice), "lengths", 7);
    size_t times = trp_set_list(&b, route, times, int64_t, 2);
    int64_t *time = trp_builder_at(&b, times + sizeof(int64_t));
    if (time != NULL) {
        *time = -5;
    }
    return trp_builder_finish(&b, out);
}

static void check_route(const route *body) {
    assert_true(body->closed);
    assert_string_equal(trp_slice_text(&body->at.label), "here");
    assert_int_equal(body->path.length, 3);
    unsigned i = 0;
    TRP_LIST_FOR_EACH (point, p, &body->path) {
        assert_int_equal((uintptr_t)p % 8, 0);
        assert_true(p->x == (double)i && p->y == 0);
        assert_string_equal(trp_slice_text(&p->label), labels[i]);
        assert_int_equal(p->label.length, strlen(labels[i]));
        i++;
    }
    assert_int_equal(i, 3);
    assert_string_equal(trp_slice_text(TRP_LIST_AT(trp_slice, &body->names, 1)), "lengths");
    assert_null(TRP_LIST_AT(trp_slice, &body->names, 2));
    assert_int_equal(*TRP_LIST_AT(int64_t, &body->times, 1), -5);
    assert_int_equal(body->extras.length, 0);
}

static void test_all_steps_build_what_the_reader_reads(void **state) {
    pool_ctx *ctx = *state;
    for (size_t hint = 0; hint < 400; hint += 7) {
        trp_message *message = NULL;
        assert_int_equal(build_route(pool_ctx_of(ctx), hint, &message), 0);
        check_route(route_of(message));
        pool_ctx_drop(ctx, message);
    }
}

static void test_block_can_be_moved_as_a_whole(void **state) {
    pool_ctx *ctx = *state;
    trp_message *message = NULL;
    assert_int_equal(build_route(pool_ctx_of(ctx), 0, &message), 0);
    size_t length = trp_message_length(message);
    void *elsewhere = malloc(length);
    assert_non_null(elsewhere);
    memcpy(elsewhere, trp_message_body(message), length);
    memset(trp_message_body(message), 0xee, length);
    pool_ctx_drop(ctx, message);
    check_route(elsewhere);
    free(elsewhere);
}

static void test_many_small_steps_grow_the_block(void **state) {
    pool_ctx *ctx = *state;
    enum { COUNT = 2000 };
    trp_builder b;
    trp_builder_init(&b, pool_ctx_of(ctx), &route_type, 0);
    size_t names = trp_set_list(&b, route, names, trp_slice, COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        char text[3] = {(char)('a' + i % 26), (char)('a' + i / 26 % 26), 0};
        trp_builder_set_text(&b, names + i * sizeof(trp_slice), text);
    }
    trp_message *message = NULL;
    assert_int_equal(trp_builder_finish(&b, &message), 0);
    const route *body = route_of(message);
    for (uint32_t i = 0; i < COUNT; i++) {
        const char *text = trp_slice_text(TRP_LIST_AT(trp_slice, &body->names, i));
        assert_int_equal(text[0], 'a' + i % 26);
        assert_int_equal(text[1], 'a' + i / 26 % 26);
        assert_int_equal(text[2], 0);
    }
    assert_true(ctx->allocations < 20);
    pool_ctx_drop(ctx, message);
}

static void test_new_body_and_lists_are_zero(void **state) {
    pool_ctx *ctx = *state;
    trp_message *dirty = trp_message_new_bytes(pool_ctx_of(ctx), NULL, 300);
    memset(trp_message_body(dirty), 0xee, 300);
    pool_ctx_drop(ctx, dirty);
    trp_builder b;
    trp_builder_init(&b, pool_ctx_of(ctx), &route_type, 204);
    trp_builder_set(&b, offsetof(route, at.label), "x", 1); /* what follows needs padding */
    size_t heights = trp_set_list(&b, route, heights, double, 5);
    trp_message *message = NULL;
    assert_int_equal(heights % 8, 0);
    assert_int_equal(trp_builder_finish(&b, &message), 0);
    static const uint8_t zeros[5 * sizeof(double)];
    const uint8_t *body = trp_message_body(message);
    assert_memory_equal(body + heights, zeros, sizeof zeros);
    assert_memory_equal(body + sizeof(route) + 2, zeros, heights - sizeof(route) - 2);
    pool_ctx_drop(ctx, message);
}

static void test_empty_steps_leave_the_field_empty(void **state) {
    pool_ctx *ctx = *state;
    trp_builder b;
    trp_builder_init(&b, pool_ctx_of(ctx), &greeting_type, 0);
    trp_set_text(&b, greeting, text, "first");
    trp_set_text(&b, greeting, text, NULL);
    assert_int_equal(trp_set_list(&b, greeting, numbers, uint32_t, 0), 0);
    trp_message *message = NULL;
    assert_int_equal(trp_builder_finish(&b, &message), 0);
    assert_int_equal(greeting_of(message)->text.length, 0);
    assert_int_equal(greeting_of(message)->text.offset, 0);
    assert_int_equal(greeting_of(message)->numbers.length, 0);
    pool_ctx_drop(ctx, message);
}

static void assert_refused(trp_builder *b, int error) {
    trp_message *message = NULL;
    assert_null(trp_builder_body(b));
    assert_null(trp_builder_at(b, 0));
    trp_builder_set(b, 0, "x", 1);
    assert_int_equal(trp_builder_list(b, 0, 1, 1), 0);
    assert_int_equal(trp_builder_finish(b, &message), error);
    assert_null(message);
}

static void test_misplaced_slices_are_refused(void **state) {
    trp_ctx *ctx = pool_ctx_of(*state);
    trp_builder b;
    trp_builder_init(&b, ctx, &greeting_type, 0);
    trp_builder_set(&b, sizeof(greeting) - sizeof(trp_slice) + 1, "x", 1);
    assert_refused(&b, TRP_EINVAL);
    trp_builder_init(&b, ctx, &greeting_type, 0);
    trp_builder_set(&b, SIZE_MAX, "x", 1);
    assert_refused(&b, TRP_EINVAL);
    trp_builder_init(&b, ctx, &nudge_type, 0); /* smaller than a slice */
    trp_builder_set(&b, 0, "x", 1);
    assert_refused(&b, TRP_EINVAL);
    trp_builder_init(&b, ctx, &greeting_type, 0);
    assert_int_equal(trp_builder_list(&b, offsetof(greeting, numbers), 3, 0), 0);
    assert_refused(&b, TRP_EINVAL);
}

static void test_too_much_is_refused_and_not_allocated(void **state) {
    trp_ctx *ctx = pool_ctx_of(*state);
    trp_builder b;
    trp_builder_init(&b, ctx, &greeting_type, TRP_MESSAGE_MAX);
    assert_refused(&b, TRP_ETOOBIG);
    trp_builder_init(&b, ctx, &greeting_type, SIZE_MAX);
    assert_refused(&b, TRP_ETOOBIG);
    trp_builder_init(&b, ctx, &greeting_type, 0);
    trp_set_list(&b, greeting, numbers, uint32_t, TRP_MESSAGE_MAX / sizeof(uint32_t));
    assert_refused(&b, TRP_ETOOBIG);
    trp_builder_init(&b, ctx, &greeting_type, 0);
    trp_set_list(&b, greeting, numbers, uint32_t, SIZE_MAX / sizeof(uint32_t) + 2);
    assert_refused(&b, TRP_ETOOBIG);
    trp_builder_init(&b, ctx, &greeting_type, 0);
    trp_builder_set(&b, 0, "", TRP_MESSAGE_MAX);
    assert_refused(&b, TRP_ETOOBIG);
    assert_true(((pool_ctx *)*state)->largest <= TRPI_SLAB + 4096);
}

static void test_largest_message_can_be_built_in_two_steps(void **state) {
    pool_ctx *ctx = *state;
    trp_builder b;
    trp_message *message = NULL;
    size_t half = TRP_MESSAGE_MAX / 2;
    trp_builder_init(&b, pool_ctx_of(ctx), &route_type, 0);
    trp_set_list(&b, route, flags, bool, half);
    trp_set_list(&b, route, heights, double, (half - sizeof(route)) / sizeof(double));
    assert_int_equal(trp_builder_finish(&b, &message), 0);
    assert_int_equal(trp_message_length(message), TRP_MESSAGE_MAX);
    pool_ctx_drop(ctx, message);
}

static void test_finish_twice_is_an_error(void **state) {
    pool_ctx *ctx = *state;
    trp_builder b;
    trp_message *message = NULL;
    trp_builder_init(&b, pool_ctx_of(ctx), &nudge_type, 0);
    assert_int_equal(trp_builder_finish(&b, &message), 0);
    assert_non_null(nudge_of(message));
    pool_ctx_drop(ctx, message);
    assert_int_equal(trp_builder_finish(&b, &message), TRP_ESTATE);
}

/* Large enough to leave the pool, so that every step asks the host. */
static int build_large(trp_ctx *ctx, trp_message **out) {
    static char large[5000];
    memset(large, 'x', sizeof large);
    trp_builder b;
    trp_builder_init(&b, ctx, &greeting_type, 0);
    trp_builder_set_field(&b, greeting, text, large, 3000);
    trp_set_list(&b, greeting, numbers, uint32_t, 4000);
    trp_builder_set_field(&b, greeting, text, large, sizeof large);
    return trp_builder_finish(&b, out);
}

static void test_every_allocation_fails_once(void **state) {
    (void)state;
    unsigned failures = 0;
    for (uint64_t n = 1;; n++) {
        pool_ctx ctx;
        trp_message *message = NULL;
        pool_ctx_init(&ctx);
        ctx.fail_at = n;
        int error = build_large(pool_ctx_of(&ctx), &message);
        if (error == 0) {
            pool_ctx_drop(&ctx, message);
        } else {
            assert_int_equal(error, TRP_ENOMEM);
            assert_null(message);
            failures++;
        }
        assert_int_equal(pool_ctx_deinit(&ctx), 0);
        if (ctx.allocations < n) {
            break;
        }
    }
    assert_true(failures >= 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_all_steps_build_what_the_reader_reads, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_block_can_be_moved_as_a_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_small_steps_grow_the_block, setup, teardown),
        cmocka_unit_test_setup_teardown(test_new_body_and_lists_are_zero, setup, teardown),
        cmocka_unit_test_setup_teardown(test_empty_steps_leave_the_field_empty, setup, teardown),
        cmocka_unit_test_setup_teardown(test_misplaced_slices_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_much_is_refused_and_not_allocated, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_largest_message_can_be_built_in_two_steps, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_finish_twice_is_an_error, setup, teardown),
        cmocka_unit_test(test_every_allocation_fails_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
