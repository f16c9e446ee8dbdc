#!/usr/bin/env python3
"""Breaks rules of docs/semantics.md one at a time and sees the named test program fail.

Usage: run.py [ROOT] [--with PROGRAM] [NAME ...]
`--with scripts` runs that program on every mutant instead of the one named for it, and says what it said: which rules do
random scripts see broken, and how short is the script that shows it?
Compiles the core and one test program per mutant with the system's cc, outside of the build tree. Exits 1 if
a mutant survives, does not apply any more, or does not compile, or if the unbroken core fails a test.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

# (rule, name, file below core/src, text, its replacement, test program)
MUTANTS = [
    (1, "stack_instead_of_queue", "mailbox/mailbox.h", "trpi_mailbox_link(previous, link);\n    return false;",
     "(void)previous;\n    return false;", "send"),
    (3, "dead_letters_not_counted", "actor/discard.c", "trpi_count(&ctx->dead_letters, 1);", "", "send"),
    (5, "kept_messages_leak", "actor/end.c", "while (side->held != NULL) {", "while (side->held != NULL && false) {", "request"),
    (7, "generation_ignored", "actor/actor.h",
     "trpi_load(&actor->generation, TRPI_ACQUIRE) != generation ||\n        (generation & 1) == 0", "false", "send"),
    (8, "failed_init_lives_on", "actor/spawn.c", "        untie(ctx, &made);\n", "        return error;\n", "spawn"),
    (9, "last_reason_counts", "actor/control.c", "ctx->frame.actor != NULL && !ctx->frame.is_ending",
     "ctx->frame.actor != NULL", "exit"),
    (10, "terminate_after_kill", "actor/run.c", "reason.kind != TRP_EXIT_KILLED", "true", "exit"),
    (14, "drain_lets_in", "service/ending.c", "trpi_store(&actor->closed, pid.generation, TRPI_RELAXED);", "", "filter"),
    (15, "no_escalation", "service/ending.c", "        self->stage++;\n    }\n    if (enter_stage", "    }\n    if (enter_stage", "filter"),
    (16, "timers_survive", "actor/end.c", "    give_up_entries(ctx, actor);\n", "", "timer"),
    (19, "dead_target_is_silent", "actor/discard.c", "        send_down(ctx, to, message, reason);\n        return;",
     "        break;", "monitor"),
    (20, "demonitor_forgets", "actor/monitor.c", "    trpi_entry_give_up(ctx, entry);\n", "", "monitor"),
    (21, "names_freed_late", "service/name.c", "remove_record(ctx->runtime->names, record);\n        trpi_pool_free",
     "trpi_pool_free", "name"),
    (23, "normal_ends_propagate", "base/exit.c", "reason->kind != TRP_EXIT_NORMAL", "reason->kind >= 0", "link"),
    (24, "double_links_told_twice", "actor/link.c", "    signal->is_fateful = end_doubles(actor, bond.peer) || bond.is_fateful;\n", "", "link"),
    (25, "trapped_tag_lost", "actor/link.c", "signal->exited.tag = bond.ref;", "", "link"),
    (27, "unlink_does_not_void", "actor/link.c", "    if (bond.is_over) {\n        return false;\n    }\n", "", "link"),
    (29, "failed_child_is_heard_of", "actor/spawn.c", "made->link->is_over = true;", "", "link"),
    (31, "unanswered_is_forgotten", "actor/dispatch.c", "if (message->kind == TRPI_REQUEST && (message->flags & TRPI_FLAG_SETTLED) == 0) {",
     "if (false) {", "request"),
    (34, "late_reply_not_counted", "actor/request.c", "trpi_count(&ctx->late_replies, 1);", "", "request"),
    (36, "self_call_allowed", "actor/request.c", "trp_pid_equal(to, trp_self(ctx))", "false", "request"),
    (38, "timers_early", "base/wheel.c", "rest == 0 ? tick : tick + 1", "tick", "timer"),
    (40, "interval_once", "actor/dispatch.c", "if (entry->u.period_ns == 0) {", "if (true) {", "timer"),
    (118, "kill_after_waits_its_turn", "actor/dispatch.c", "            (void)trpi_deliver_kill(ctx, to, kept);\n", "            (void)trpi_deliver(ctx, to, kept);\n", "timer"),
    (38, "timers_skip_a_level", "base/wheel.c", "slot_of(tick, level - 1)", "slot_of(tick, level_for(distance))", "wheel"),
    (41, "filter_lets_all_through", "actor/stash.c",
     "return stash->is_filtering ? matches(stash, key) :", "return stash->is_filtering ? true :", "filter"),
    (42, "untagged_matches", "actor/stash.c", "    if (key.value == 0) {\n        return false;\n    }\n    if (key.is_ref)",
     "    if (key.value == 0) {\n        return true;\n    }\n    if (key.is_ref)", "filter"),
    (44, "oldest_not_dropped", "actor/run.c", "(actor->flags & TRPI_ACTOR_DROPS_OLDEST) != 0 && message", "false && message", "filter"),
    (46, "events_wait", "actor/stash.c", ": is_event || stash->heap_len == 0", ": stash->heap_len == 0", "filter"),
    (47, "children_stop_forwards", "service/supervisor_plan.c",
     "    trpi_child *child = self->children.last;\n    while (child != NULL && !child->must_stop) {\n        child = child->previous;",
     "    trpi_child *child = self->children.first;\n    while (child != NULL && !child->must_stop) {\n        child = child->next;",
     "supervisor"),
    (48, "rest_is_all", "service/supervisor.c", "mark_group(self, child);", "mark_group(self, self->children.first);", "supervisor"),
    (49, "transient_always", "service/supervisor.c", "(child->spec.restart == TRP_TRANSIENT && is_abnormal)",
     "child->spec.restart == TRP_TRANSIENT", "supervisor"),
    (50, "never_too_many", "service/supervisor_restart.c", "self->restarts_count >= intensity && now - *oldest <= self->config.period_ns",
     "false", "supervisor"),
    (51, "backoff_does_not_grow", "service/supervisor_restart.c", "child->delay_ns * 2", "child->delay_ns", "supervisor"),
    (52, "deaf_child_lives", "service/supervisor.c", "(void)trp_kill(ctx, self->waits_for->pid);", "", "supervisor"),
    (56, "one_slot_more", "service/channel_ring.c", "used >= channel->capacity ? 0 :", "used > channel->capacity ? 0 : 1 +", "channel"),
    (57, "closed_hides_the_rest", "service/channel_ring.c", "        size_t full = full_from(channel, head, count);",
     "        size_t full = trp_channel_is_closed(channel) ? 0 : full_from(channel, head, count);", "channel"),
    (59, "last_end_keeps_open", "service/channel.c", "        (void)trp_channel_close(ctx, channel);\n", "", "channel"),
    (61, "reserved_name_is_shown", "service/name.c", "return give(ctx, name, TRP_PID_NONE);", "return give(ctx, name, trp_self(ctx));",
     "name"),
    (61, "name_stays_reserved", "service/name.c", "        record->pid = trpi_actor_pid(actor);\n", "", "name"),
    (62, "get_says_new", "service/name_spawn.c", "*is_new = is_spawned;", "*is_new = true;", "name"),
    (69, "message_is_forgotten", "service/offload.c", "        (void)trpi_send_reply(ctx, message);", "        trpi_message_free(&ctx->sched.pool, message);",
     "offload"),
    (70, "work_for_the_dead", "service/offload.c", "!is_canceled && trpi_cas_u32(&doing->state, &expected, RUNNING, TRPI_ACQ_REL)",
     "!is_canceled && (trpi_cas_u32(&doing->state, &expected, RUNNING, TRPI_ACQ_REL), true)", "offload"),
    (70, "late_result_leaks", "service/offload.c", "TRPI_ACQ_REL) == FINISHED) {", "TRPI_ACQ_REL) == FINISHED && false) {", "offload"),
    (71, "canceled_although_it_runs", "service/offload.c", "        return TRP_ESTATE;\n    }\n    trpi_entry_release", "    }\n    trpi_entry_release",
     "offload"),
    (72, "stop_leaves_work_behind", "runtime/stop.c", "trpi_load(&runtime->jobs, TRPI_ACQUIRE) == 0", "true", "offload"),
    (63, "fate_needs_a_failure", "actor/link.c", "return signal->is_fateful ||", "return", "link"),
    (63, "fate_of_a_double_is_lost", "actor/link.c", "end_doubles(actor, bond.peer) || bond.is_fateful",
     "(end_doubles(actor, bond.peer), bond.is_fateful)", "link"),
    (64, "living_monitor_takes_the_dead", "actor/monitor.c", "    if (!trp_is_alive(ctx, pid)) {\n", "    if (false) {\n", "monitor"),
    (78, "filter_is_not_asked", "service/output_port.c", "!sub->options.filter(message, sub->arg)", "false", "output_port"),
    (79, "subscription_without_limit", "service/output_port.c", "bool is_full = sub->sent - sub->received >= sub->options.limit;",
     "bool is_full = false;", "output_port"),
    (79, "oldest_is_kept", "service/subscription.c", "sub->options.policy == TRP_MAILBOX_DROP_OLDEST;", "false;", "output_port"),
    (79, "loss_is_not_counted", "service/output_port.c", "    sub->lost++;\n    return false;", "    return false;", "output_port"),
    (79, "publisher_is_not_muted", "service/output_port.c", "if (is_too_much && wait_for_room(ctx, sub)) {", "if (false) {", "output_port"),
    (79, "publisher_waits_for_the_dead", "service/subscription.c",
     "    if (question != NULL) {\n        trpi_room_answer(ctx, question);\n    }\n    if (!is_left_behind)",
     "    if (!is_left_behind)", "output_port"),
    (80, "subscriber_stays", "service/subscription.c", "    } else if (sub->pprev != NULL) {\n        trpi_subscription_unlink(sub);\n",
     "    } else if (sub->pprev != NULL) {\n        sub->has_gone = true;\n        is_left_behind = true;\n", "output_port"),
    (81, "port_ends_in_silence", "service/output_port.c", "        (void)trpi_send_reply(ctx, closed);",
     "        trpi_message_free(&ctx->sched.pool, closed);", "output_port"),
    (114, "those_in_init_are_counted", "service/watch.c", "bool is_in_init = trpi_map_get(&of->known, i) != NULL;", "bool is_in_init = false;",
     "watch"),
    (114, "failed_init_is_heard_of", "service/watch.c", "if (value == (void *)(uintptr_t)pid.generation) {", "if (value != NULL) {", "watch"),
    (114, "second_watch_knows_nothing", "service/watch.c", "        tell_known(ctx, of, by);\n", "", "watch"),
    (114, "one_scheduler_tells", "service/watch.c", "    ctx->observe = observe;\n", "    ctx->observe = ctx->sched.index == 0 ? observe : NULL;\n",
     "watch"),
    (115, "blindness_is_silent", "service/watch.c", "    put(box, by->lost);\n    by->lost = NULL;", "    (void)box;", "watch"),
    (60, "wake_is_swallowed", "service/channel_wait.c", "        pass_on(ctx, wait);\n    } else {\n        trpi_message_free",
     "    } else {\n        trpi_message_free", "channel"),
    (65, "delegate_answers_twice", "actor/request.c", "    (void)trp_send(ctx, to, request);\n    return 0;",
     "    (void)trp_reply_error(ctx, request, TRP_ECANCELED, NULL);\n    (void)trp_send(ctx, to, request);\n    return 0;", "delegation"),
    (66, "deadline_of_the_last_user", "actor/request.c", "uint64_t deadline = TRP_NEVER;", "uint64_t deadline = trpi_load(&entry->deadline_ns, TRPI_RELAXED);", "delegation"),
    (66, "all_the_time_from_the_start", "actor/request.c", "deadline > now ? deadline - now : 0", "deadline", "delegation"),
    (67, "reply_goes_where_the_request_went", "node/inbound.c", "(answer->reserved & TRPI_SIGNED) != 0 ?", "false ?", "node_request"),
    (67, "nobody_signs", "actor/send.c", "(uint16_t)(replier->slot.index | TRPI_SIGNED)", "0", "node_request"),
    (68, "pieces_overwrite_each_other", "message/bytes.c", "trpi_body(writer->builder.message) + at", "trpi_body(writer->builder.message)", "bytes"),
    (82, "taken_out_twice", "actor/resource.c", "        found->resource = NULL;\n", "", "resource"),
    (83, "cargo_leaks", "message/message.c", "    if (trpi_message_carries(message)) {", "    if (false) {", "resource"),
    (83, "failed_request_keeps_its_cargo", "actor/discard.c", "    trpi_message_unload(&ctx->sched.pool, request);\n", "", "resource"),
    (84, "end_is_not_released", "service/channel_resource.c", "    trp_channel_release(ctx, channel, TRP_CHANNEL_SEND);\n", "", "resource"),
    (85, "cargo_is_lost_on_the_way", "node/encode.c", "        fail(encoder, TRP_ENOTSUP);\n", "", "node_request"),
    (87, "youngest_waiter_gets_it", "actor/coroutine.c", "if (found == NULL && takes(*at, key)) {", "if (takes(*at, key)) {", "coroutine"),
    (88, "any_takes_answers", "actor/coroutine.c", "if (key.is_ref && trpi_wish_matches(*at, key)) {", "if (false) {", "coroutine"),
    (91, "lent_on_and_on", "actor/coroutine.c", "        trpi_routine_end_borrow(ctx);\n", "", "coroutine"),
    (92, "joined_twice", "actor/coroutine.c", "        *result = target->result;\n    }\n    forget(ctx, all, target);",
     "        *result = target->result;\n    }", "coroutine"),
    (93, "others_go_on", "actor/coroutine.c", " && !ctx->frame.is_ending) {", ") {", "coroutine"),
    (94, "joined_twice_is_in_twice", "service/group.c",
     "    if (*find_membership(mine, scope, group) != NULL) {\n        return 0;\n    }\n", "", "group"),
    (96, "leave_is_not_told", "service/group.c", "trpi_group_end_leaves(ctx, who, &box);", "trpi_group_end_leaves(ctx, who, NULL);",
     "group_watch"),
    (98, "end_of_a_member_is_not_told", "service/group.c", "        trpi_group_end_leaves(ctx, who, &box);",
     "        trpi_group_end_leaves(ctx, who, NULL);", "group"),
    (102, "sleep_ends_with_any_message", "actor/routine.c", "error = trpi_routine_wait(ctx, &filter, 0, 0, &ignored);",
     "error = trpi_routine_wait(ctx, NULL, 0, 0, &ignored);", "routine"),
    (103, "result_is_ignored", "actor/routine.c", "state->is_done && state->result == 0", "state->is_done", "routine_end"),
    (107, "reason_is_cut", "actor/discard.c", "    request = widen(ctx, request, reason);\n", "", "exit"),
    (110, "outcomes_out_of_place", "service/request_many.c", "(ref_slot){ref, index}", "(ref_slot){ref, index ^ 1}", "request_many"),
    (111, "deadline_for_nobody", "service/request_many.c", "what->timeout_ns, &ref);", "TRP_NEVER, &ref);", "request_many"),
    (112, "collector_lives_on", "service/request_many.c", "    (void)trp_stop(ctx, wait->collector, &reason);", "    (void)reason;", "request_many"),
    (113, "errors_are_not_forwarded", "service/request_forward.c", "    refuse(ctx, self, error->code, &error->reason);",
     "    (void)error;", "request_many"),
    (113, "unsendable_reply_is_lost", "service/request_forward.c", "if (error == 0 || error == TRP_ENOPROC) {", "if (true) {", "node_request"),
    (2, "events_overtake_unasked", "actor/spawn.c", "has_memory && options != NULL && options->events_first", "has_memory", "monitor"),
    (4, "refused_message_is_dropped", "actor/send.c",
     "    if (decision == REFUSE) {\n        return TRP_EFULL;\n    }\n    if (!release_from_sender",
     "    if (decision == REFUSE) {\n        trp_message_drop(ctx, message);\n        return TRP_EFULL;\n    }\n    if (!release_from_sender",
     "send"),
    (6, "backlog_is_forgotten", "actor/discard.c", "        dead_letter(ctx, to, message, error);\n        break;", "        break;", "exit"),
    (11, "stop_is_a_kill", "actor/control.c", "    return trpi_deliver(ctx, pid, stop);",
     "    trpi_message_free(&ctx->sched.pool, stop);\n    return trp_kill(ctx, pid);", "exit"),
    (12, "kill_waits_its_turn", "actor/control.c", "            trpi_store(&actor->kill, pid.generation, TRPI_RELAXED);\n", "", "exit"),
    (13, "abort_leaks_its_message", "actor/end.c", "->reserved = TRPI_OWES_FREE;", "->reserved = TRPI_OWES_NOTHING;", "exit"),
    (17, "stop_is_not_deferred", "actor/dispatch.c", "(actor->behaviour->flags & TRP_BEHAVIOUR_DEFERS_STOP) == 0", "true", "supervisor"),
    (18, "only_the_last_monitor_counts", "actor/end.c", "if (block->kind == TRPI_LINK && bond->is_over) {",
     "if ((block->kind == TRPI_LINK && bond->is_over) || (block->kind == TRPI_MONITOR && next != NULL)) {", "monitor"),
    (22, "down_takes_memory", "actor/discard.c", "    trp_down *down = trpi_body(monitor);\n",
     "    if ((monitor = trp_message_copy(ctx, monitor)) == NULL) {\n        return;\n    }\n    trp_down *down = trpi_body(monitor);\n",
     "monitor"),
    (26, "kill_comes_as_a_shutdown", "actor/link.c", "    signal->other = bond.other;\n",
     "    signal->other = bond.other;\n    if (reason->kind == TRP_EXIT_KILLED) {\n        signal->exited.reason.kind = TRP_EXIT_SHUTDOWN;\n    }\n",
     "link"),
    (28, "the_dead_failed", "actor/send.c", "error == TRP_ENOPROC ? TRP_EXIT_NOPROC : TRP_EXIT_ERROR", "TRP_EXIT_ERROR", "link"),
    (30, "answered_and_timed_out", "actor/dispatch.c", "    if (wait == NULL || wait->woken(ctx, wait)) {",
     "    if (wait != NULL && wait->woken(ctx, wait)) {", "request"),
    (32, "kept_request_dies_in_silence", "actor/end.c", "            trpi_settle(ctx, message, TRP_EFAILED, reason);\n        } else {\n            trpi_message_free",
     "            trpi_message_free(&ctx->sched.pool, message);\n        } else {\n            trpi_message_free", "request"),
    (33, "passed_on_without_its_caller", "actor/send.c", "    if (!trpi_is_open_request(message)) {\n        message->kind = TRPI_PLAIN;",
     "    {\n        message->kind = TRPI_PLAIN;", "request"),
    (35, "canceled_request_is_answered", "actor/request.c", "    if (!is_request) {\n        return TRP_ENOENT;\n    }\n    trpi_entry_give_up(ctx, entry);\n",
     "    if (!is_request) {\n        return TRP_ENOENT;\n    }\n", "request"),
    (37, "error_reply_needs_memory", "actor/request.c", "        request->flags |= TRPI_FLAG_FAILED;\n        return 0;", "        return TRP_ENOMEM;", "request"),
    (39, "canceled_timer_fires", "actor/timer.c", "    trpi_entry_give_up(ctx, entry);\n", "", "timer"),
    (43, "filter_holds_a_stop_back", "actor/run.c", "    case TRPI_DOWN:\n        return true;", "    case TRPI_DOWN:\n    case TRPI_STOP:\n        return true;", "filter"),
    (45, "full_means_full", "actor/send.c", "    if (message->kind == TRPI_PLAIN || message->kind == TRPI_REQUEST) {\n        error",
     "    if (message->kind <= TRPI_REQUEST || message->kind == TRPI_STOP) {\n        error", "send"),
    (53, "nobody_is_significant", "service/supervisor.c", "    if (is_significant && (rule", "    if (false && (rule", "supervisor"),
    (54, "runtime_stops_the_children", "runtime/stop.c",
     "trpi_table_at(&runtime->actors, runtime->sweep_at);\n        uint32_t generation = trpi_load(&actor->generation, TRPI_ACQUIRE);\n"
     "        trp_pid pid = {0, 0, runtime->sweep_at, generation};\n        uint32_t limit = trpi_load(&actor->limit, TRPI_RELAXED);\n"
     "        bool is_others_duty = !runtime->is_killing && (limit & TRPI_LIMIT_SUPERVISED) != 0;",
     "trpi_table_at(&runtime->actors, used - 1 - runtime->sweep_at);\n"
     "        uint32_t generation = trpi_load(&actor->generation, TRPI_ACQUIRE);\n"
     "        trp_pid pid = {0, 0, used - 1 - runtime->sweep_at, generation};\n        bool is_others_duty = false;", "supervisor"),
    (55, "newest_first", "service/channel.c", "        if (channel->first == NULL) {\n            channel->first = message;\n        } else {",
     "        if (channel->first != NULL) {\n            trpi_store(&message->link.next, channel->first, TRPI_RELAXED);\n            channel->first = message;\n"
     "            message = channel->last;\n        } else if (channel->first == NULL) {\n            channel->first = message;\n        } else {", "channel"),
    (58, "full_wins_over_closed", "service/channel_ring.c", "        if ((tail & TRPI_CHANNEL_CLOSED) != 0) {\n            *error = TRP_ECLOSED;",
     "        if ((tail & TRPI_CHANNEL_CLOSED) != 0) {\n            *error = free_from(channel, tail & ~TRPI_CHANNEL_CLOSED, 1) == 0 ? TRP_EFULL : TRP_ECLOSED;",
     "channel"),
    (73, "wake_dies_with_the_killed", "service/channel_wait.c", "        pass_on(ctx, wait);\n    } else {\n        trpi_message_free",
     "    } else {\n        trpi_message_free", "channel_wait"),
    (74, "rendezvous_alone", "service/channel.c", "    if (wake == NULL) {\n        return TRP_EFULL;\n    }\n    trpi_channel_rouse",
     "    if (wake == NULL) {\n        trp_message_drop(ctx, message);\n        return 0;\n    }\n    trpi_channel_rouse", "channel_wait"),
    (75, "losers_stay", "service/channel_wait.c", "            if (node->pprev != NULL) {\n                trpi_channel_unlink(node);\n            }\n", "",
     "channel_wait"),
    (75, "filter_ref_is_forgotten", "service/channel_wait.c", "        filter = *options->filter;\n", "        filter = *options->filter;\n        filter.ref = 0;\n",
     "channel_wait"),
    (76, "always_the_first", "service/channel_wait.c", "is_ordered || cases_len == 0 ? 0 :", "true ? 0 :", "channel_wait"),
    (76, "never_the_first", "service/channel_wait.c", "is_ordered || cases_len == 0 ? 0 :", "cases_len == 0 ? 0 :", "channel_wait"),
    (77, "claimed_twice", "service/channel_wait.c", "trpi_exchange_u32(&node->wait->is_claimed, 1, TRPI_ACQ_REL) == 0;",
     "trpi_exchange_u32(&node->wait->is_claimed, 1, TRPI_ACQ_REL) <= 1;", "channel_threads"),
    (116, "turns_without_end", "actor/run.c", "became == GOES_ON && count < sched->batch", "became == GOES_ON", "sharing"),
    (117, "nobody_watches", "sched/share.c", "bool is_wanted = sched->is_shared &&", "bool is_wanted = false &&", "sharing"),
]


def sources(root, folder):
    found = []
    for where, _, names in os.walk(os.path.join(root, folder)):
        found += [os.path.join(where, name) for name in sorted(names) if name.endswith(".c")]
    return found


class Bench:
    """A copy of the core's sources that can be broken, compiled and healed."""

    def __init__(self, root, work):
        self.root, self.work = root, work
        shutil.copytree(os.path.join(root, "core/src"), os.path.join(work, "core/src"))
        self.flags = ["-std=c11", "-D_GNU_SOURCE", "-DTRP_POOL_DIRECT=1", "-g", "-O0", "-w", "-I" + os.path.join(root, "core/include"),
                      "-I" + os.path.join(work, "core/src"), "-I" + os.path.join(work, "include"),
                      "-I" + os.path.join(root, "tests/support"), "-I" + os.path.join(root, "platform-native/src"),
                      "-I" + os.path.join(root, "tests/simulation/include"),
                      "-I" + os.path.join(root, "tests/simulation/src")]
        self.make_version()
        self.objects = {}
        for source in sources(work, "core/src"):
            self.objects[source] = self.compile(source)
        support = ["fake_host.c", "fake_fibers.c", "probe.c", "thread_runner.c", "leave.c", "hmac_sha256.c"]
        native = os.path.join(root, "platform-native/src")
        fibers = [name for name in sorted(os.listdir(native)) if re.fullmatch(r"fiber\w*\.c", name)]
        self.support = [self.compile(os.path.join(root, "tests/support", name)) for name in support]
        self.support += [self.compile(os.path.join(native, name)) for name in fibers]
        simulation = [path for path in sources(root, "tests/simulation/src") if not path.endswith("no_fibers.c")]
        self.support += [self.compile(path) for path in simulation]

    def make_version(self):
        os.makedirs(os.path.join(self.work, "include/troupe"))
        with open(os.path.join(self.root, "core/version.h.in")) as given:
            text = re.sub(r"@\w*MAJOR@|@\w*MINOR@|@\w*PATCH@", "0", given.read())
        with open(os.path.join(self.work, "include/troupe/version.h"), "w") as out:
            out.write(re.sub(r"@\w+@", "0.0.0", text))

    def compile(self, source):
        target = os.path.join(self.work, re.sub(r"\W", "_", source) + ".o")
        subprocess.run(["cc", *self.flags, "-c", source, "-o", target], check=True)
        return target

    def sources_of(self, test):
        """The files of a test program, as its CMakeLists.txt names them."""
        for folder in ("tests/core", "tests/simulation"):
            with open(os.path.join(self.root, folder, "CMakeLists.txt")) as given:
                listed = re.sub(r"foreach\(name IN ITEMS ([^)]*)\)(.*?)endforeach\(\)",
                                lambda loop: "".join(loop[2].replace("${name}", name) for name in loop[1].split()),
                                given.read(), flags=re.DOTALL)
                found = re.search(rf"troupe_add_test\(test_{test}\s+SOURCES((?:\s+\w+\.c)+)", listed)
            if found:
                return [os.path.join(self.root, folder, name) for name in found[1].split()]
        raise SystemExit(f"there is no test_{test}")

    def run(self, test):
        """The exit code of a test program, or "timeout", and what it printed."""
        program = os.path.join(self.work, "test_" + test)
        mains = [self.compile(source) for source in self.sources_of(test)]
        subprocess.run(["cc", "-o", program, *mains, *self.support, *self.objects.values(), "-lcmocka", "-lpthread"],
                       check=True)
        try:
            done = subprocess.run([program], capture_output=True, timeout=60)
            return done.returncode, done.stdout.decode(errors="replace")
        except subprocess.TimeoutExpired:
            return "timeout", ""

    def users_of(self, path):
        """What must be compiled again when `path` changes: itself, or for a header everything."""
        return [path] if path.endswith(".c") else list(self.objects)

    def try_mutant(self, file, text, replacement, test):
        path = os.path.join(self.work, "core/src", file)
        with open(path) as given:
            original = given.read()
        if text not in original:
            return "does not apply"
        with open(path, "w") as out:
            out.write(original.replace(text, replacement, 1))
        try:
            for user in self.users_of(path):
                self.compile(user)
            code, said = self.run(test)
            result = "survived" if code == 0 else "caught"
            shrunk = re.search(r"shrunk from .*", said)
            result += f" ({shrunk[0]})" if shrunk else ""
        except subprocess.CalledProcessError:
            result = "does not compile"
        with open(path, "w") as out:
            out.write(original)
        for user in self.users_of(path):
            self.compile(user)
        return result


def main():
    words = sys.argv[1:]
    program = None
    if "--with" in words:
        at = words.index("--with")
        program = words[at + 1]
        del words[at:at + 2]
    root = os.path.abspath(words[0] if words else ".")
    chosen = [m for m in MUTANTS if len(words) < 2 or m[1] in words[1:]]
    caught = 0
    with tempfile.TemporaryDirectory() as work:
        bench = Bench(root, work)
        for test in sorted({program or m[5] for m in chosen}):
            if bench.run(test)[0] != 0:
                print(f"test_{test} fails without any mutant")
                return 1
        for rule, name, file, text, replacement, test in chosen:
            result = bench.try_mutant(file, text, replacement, program or test)
            print(f"rule {rule:2} {name}: {result}", flush=True)
            caught += result.startswith("caught")
    print(f"{caught} of {len(chosen)} mutants caught")
    return 0 if chosen and (program or caught == len(chosen)) else 1


sys.exit(main())
