#include <stdio.h>
#include <string.h>
#include <troupe/native.h>
#include <troupe/troupe.h>

static void greet(trp_ctx *ctx, void *state, trp_message *message) {
    (void)ctx, (void)state;
    printf("hello, %s\n", (const char *)trp_message_body(message));
}

static const trp_behaviour greeter = {TRP_BEHAVIOUR("greeter"), .handle = greet};

static int begin(trp_ctx *ctx, void *name) {
    trp_pid pid;
    int error = trp_spawn(ctx, &greeter, NULL, &pid);
    return error ? error : trp_send(ctx, pid, trp_message_new_bytes(ctx, name, strlen(name) + 1));
}

int main(void) {
    trp_native *native = NULL;
    int error = trp_native_create(NULL, &native); /* a thread and a loop per processor */
    error = error ? error : trp_native_call_wait(native, 0, begin, "world");
    error = error ? error : trp_native_start(native);
    trp_native_stop(native, TRP_NS_PER_S); /* actors first handle what they were sent */
    trp_native_destroy(native);
    return error ? fprintf(stderr, "hello: %s\n", trp_error_text(error)), 1 : 0;
}
