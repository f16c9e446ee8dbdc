/* How often a supervisor may start children again, and how long it waits before it does. */
#include "service/supervisor.h"

#include "troupe/timer.h"

bool trpi_supervisor_count_restart(trp_ctx *ctx, trpi_supervisor *self) {
    uint32_t intensity = self->config.intensity;
    uint64_t now = trp_now_ns(ctx);
    if (intensity == 0) {
        return true;
    }
    uint64_t *oldest = &self->restarts[self->restarts_count % intensity];
    bool is_too_many = self->restarts_count >= intensity && now - *oldest <= self->config.period_ns;
    *oldest = now;
    self->restarts_count++;
    return is_too_many;
}

/* A number that differs from call to call, for jitter: up to a quarter of `delay_ns`. */
static uint64_t jitter(const trpi_supervisor *self, const trpi_child *child, uint64_t delay_ns) {
    uint64_t mixed =
        (child->started_ns ^ (self->restarts_count << 32)) * UINT64_C(0x9e3779b97f4a7c15);
    return delay_ns / 4 == 0 ? 0 : (mixed >> 16) % (delay_ns / 4);
}

uint64_t trpi_supervisor_next_delay(const trpi_supervisor *self, trpi_child *child,
                                    uint64_t lived_ns) {
    uint64_t least = self->config.backoff_min_ns;
    uint64_t most = self->config.backoff_max_ns < least ? least : self->config.backoff_max_ns;
    if (least == 0) {
        return 0;
    }
    if (child->delay_ns == 0 || lived_ns >= most) {
        child->delay_ns = least;
    } else {
        child->delay_ns = child->delay_ns > most / 2 ? most : child->delay_ns * 2;
    }
    return child->delay_ns + jitter(self, child, child->delay_ns);
}
