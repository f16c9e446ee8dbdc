#include <stdio.h>
#include <troupe/native.h>
#include <troupe/troupe.h>

static void greet(trp_ctx *ctx, void *state, trp_message *message) {
    (void)state;
    printf("hello, %s\n", (const char *)trp_message_body(message));
    trp_stop_self(ctx);
}

static const trp_behaviour greeter = {TRP_BEHAVIOUR("greeter"), .handle = greet};

static int program(trp_ctx *ctx, void *arg) { /* a routine: an actor that may wait */
    (void)arg;
    trp_pid pid;
    int error = trp_spawn(ctx, &greeter, NULL, &pid);
    error = error ? error : trp_send(ctx, pid, trp_message_new_bytes(ctx, "world", 6));
    return error ? error : trp_join(ctx, pid, TRP_NEVER, NULL);
}

static const trp_routine first = {TRP_ROUTINE("program", program, 0)};

int main(void) {
    int error = trp_native_run(NULL, &first.behaviour, NULL); /* a thread per processor */
    return error ? fprintf(stderr, "hello: %s\n", trp_error_text(error)), 1 : 0;
}
