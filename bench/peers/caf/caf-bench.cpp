// The workloads of bench/README.md for the C++ Actor Framework 0.17, event-based actors.
//
// Usage: caf-bench WORKLOAD N SCHEDULERS
//
// Who asks for an answer is the sender that the framework carries with each message. Handles are
// copied once into an actor's state, never per message; actors that only wait are spawned lazily.

#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <string>
#include <vector>

#include "caf/all.hpp"

using namespace caf;
using std::chrono::steady_clock;

using done_atom = atom_constant<atom("done")>;
using get_atom = atom_constant<atom("get")>;
using inc_atom = atom_constant<atom("inc")>;
using ping_atom = atom_constant<atom("ping")>;
using pong_atom = atom_constant<atom("pong")>;
using start_atom = atom_constant<atom("start")>;
using sum_atom = atom_constant<atom("sum")>;
using token_atom = atom_constant<atom("token")>;

namespace {

double cpu_seconds() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  auto seconds = [](timeval t) { return double(t.tv_sec) + double(t.tv_usec) / 1e6; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

struct measurement {
  double cpu = cpu_seconds();
  steady_clock::time_point start = steady_clock::now();
  double wall_used = 0, cpu_used = 0;

  void end() {
    wall_used = std::chrono::duration<double>(steady_clock::now() - start).count();
    cpu_used = cpu_seconds() - cpu;
  }
};

struct job {
  std::string workload;
  int64_t n;
  int schedulers;
  std::string extra;
};

void await_done(scoped_actor& self) {
  self->receive([](done_atom) {});
}

actor sender_of(event_based_actor* self) {
  return actor_cast<actor>(self->current_sender());
}

// -- ping-pong ---------------------------------------------------------------

behavior pong(event_based_actor* self) {
  return {[=](ping_atom, int64_t value) { self->send(sender_of(self), pong_atom::value, value); }};
}

behavior ping(event_based_actor* self, actor partner, int64_t rounds, actor main) {
  self->send(partner, ping_atom::value, rounds);
  return {[=](pong_atom, int64_t value) {
    if (value > 1)
      self->send(partner, ping_atom::value, value - 1);
    else
      self->send(main, done_atom::value);
  }};
}

void pingpong(actor_system& system, job& task) {
  scoped_actor self{system};
  auto partner = self->spawn(pong);
  self->spawn(ping, partner, task.n, actor{self});
  await_done(self);
  self->send_exit(partner, exit_reason::kill);
}

// -- counting, fan-in --------------------------------------------------------

struct counter_state {
  int64_t count = 0;
};

behavior counter(stateful_actor<counter_state>* self, int64_t expected, actor main) {
  return {[=](inc_atom, int64_t) {
    if (++self->state.count == expected)
      self->send(main, done_atom::value);
  }};
}

void producer(event_based_actor* self, actor target, int64_t n) {
  for (int64_t k = 0; k < n; ++k)
    self->send(target, inc_atom::value, k);
}

void fanin(actor_system& system, job& task, int64_t senders) {
  scoped_actor self{system};
  auto target = self->spawn(counter, task.n / senders * senders, actor{self});
  for (int64_t k = 0; k < senders; ++k)
    self->spawn(producer, target, task.n / senders);
  await_done(self);
  self->send_exit(target, exit_reason::kill);
}

// -- thread ring -------------------------------------------------------------

struct ring_state {
  actor next;
};

behavior ring_node(stateful_actor<ring_state>* self, actor next, actor main) {
  self->state.next = std::move(next);
  return {[=](token_atom, int64_t hops) {
            if (hops == 0)
              self->send(main, done_atom::value);
            else
              self->send(self->state.next, token_atom::value, hops - 1);
          },
          [=](start_atom, actor target) { self->state.next = std::move(target); }};
}

void threadring(actor_system& system, job& task) {
  scoped_actor self{system};
  auto last = self->spawn(ring_node, actor{}, actor{self});
  auto first = last;
  for (int k = 1; k < 503; ++k)
    first = self->spawn(ring_node, first, actor{self});
  self->send(last, start_atom::value, first);
  self->send(first, token_atom::value, task.n);
  await_done(self);
  self->send_exit(first, exit_reason::kill);
  self->send_exit(last, exit_reason::kill);
}

// -- fork-join ---------------------------------------------------------------

std::atomic<int64_t> live;

behavior child(event_based_actor* self, actor main) {
  return {[=](inc_atom, int64_t) {
    if (live.fetch_sub(1, std::memory_order_acq_rel) == 1)
      self->send(main, done_atom::value);
    self->quit();
  }};
}

void forkjoin(actor_system& system, job& task) {
  scoped_actor self{system};
  live = task.n;
  for (int64_t k = 0; k < task.n; ++k)
    self->send(self->spawn<lazy_init>(child, actor{self}), inc_atom::value, k);
  await_done(self);
}

// -- big ---------------------------------------------------------------------

struct big_state {
  std::vector<actor> all;
  uint32_t seed = 0;
  int64_t left = 0;
};

behavior big_actor(stateful_actor<big_state>* self, uint32_t me, int64_t pings, actor main) {
  self->state.seed = me * 7919 + 1;
  self->state.left = pings;
  auto send_ping = [=] {
    auto& state = self->state;
    state.seed = state.seed * 1103515245 + 12345;
    self->send(state.all[(state.seed >> 8) % state.all.size()], ping_atom::value, state.left);
  };
  return {[=](ping_atom, int64_t value) { self->send(sender_of(self), pong_atom::value, value); },
          [=](pong_atom, int64_t) {
            if (--self->state.left == 0)
              self->send(main, done_atom::value);
            else
              send_ping();
          },
          [=](start_atom, const std::vector<actor>& all) {
            self->state.all = all;
            send_ping();
          }};
}

void big(actor_system& system, job& task) {
  constexpr uint32_t actors = 120;
  scoped_actor self{system};
  std::vector<actor> all;
  for (uint32_t k = 0; k < actors; ++k)
    all.push_back(self->spawn(big_actor, k, task.n / actors, actor{self}));
  for (auto& each : all)
    self->send(each, start_atom::value, all);
  for (uint32_t k = 0; k < actors; ++k)
    await_done(self);
  for (auto& each : all)
    self->send_exit(each, exit_reason::kill);
}

// -- idle actors -------------------------------------------------------------

size_t resident_bytes() {
  std::ifstream statm{"/proc/self/statm"};
  size_t size = 0, resident = 0;
  statm >> size >> resident;
  return resident * size_t(sysconf(_SC_PAGESIZE));
}

behavior idle_actor(event_based_actor*) {
  return {[](get_atom) { return done_atom::value; }};
}

void idle(actor_system& system, job& task, measurement& clock) {
  scoped_actor self{system};
  auto resident = resident_bytes();
  clock = measurement{};
  std::vector<actor> all;
  all.reserve(size_t(task.n));
  for (int64_t k = 0; k < task.n; ++k)
    all.push_back(self->spawn<lazy_init>(idle_actor));
  clock.end();
  usleep(500000);
  task.extra = "bytes:" + std::to_string((resident_bytes() - resident) / size_t(task.n));
  self->send(all.back(), get_atom::value);
  await_done(self);
  for (auto& each : all)
    self->send_exit(each, exit_reason::kill);
}

// -- timers ------------------------------------------------------------------

struct timer_state {
  int64_t left = 0;
  int64_t latest_ns = 0;
};

int64_t now_ns() {
  return std::chrono::nanoseconds(steady_clock::now().time_since_epoch()).count();
}

behavior timer_actor(stateful_actor<timer_state>* self, int64_t n, actor main) {
  self->state.left = n;
  uint32_t seed = 12345;
  for (int64_t k = 0; k < n; ++k) {
    seed = seed * 1103515245 + 12345;
    auto delay = std::chrono::milliseconds((seed >> 8) % 1001);
    auto due = now_ns() + std::chrono::nanoseconds(delay).count();
    self->delayed_send(self, delay, token_atom::value, due);
  }
  return {[=](token_atom, int64_t due) {
    self->state.latest_ns = std::max(self->state.latest_ns, now_ns() - due);
    if (--self->state.left == 0)
      self->send(main, done_atom::value, self->state.latest_ns);
  }};
}

void timers(actor_system& system, job& task) {
  scoped_actor self{system};
  auto owner = self->spawn(timer_actor, task.n, actor{self});
  self->receive([&](done_atom, int64_t latest_ns) {
    char text[32];
    snprintf(text, sizeof text, "late_ms:%.1f", double(latest_ns) / 1e6);
    task.extra = text;
  });
  self->send_exit(owner, exit_reason::kill);
}

// -- request and reply -------------------------------------------------------

behavior server(event_based_actor*) {
  return {[](get_atom, int64_t value) { return value; }};
}

struct request_state {
  actor server;
  actor main;
  int64_t left = 0;
};

void next_request(stateful_actor<request_state>* self) {
  if (self->state.left-- == 0) {
    self->send(self->state.main, done_atom::value);
    return;
  }
  self->request(self->state.server, infinite, get_atom::value, self->state.left)
    .await([=](int64_t) { next_request(self); });
}

behavior requester(stateful_actor<request_state>* self, actor target, int64_t n, actor main) {
  self->state = request_state{std::move(target), std::move(main), n};
  self->set_default_handler(skip);
  return {[=](start_atom) { next_request(self); }};
}

void request(actor_system& system, job& task, int64_t waiting, measurement& clock) {
  scoped_actor self{system};
  auto target = self->spawn(server);
  auto client = self->spawn(requester, target, task.n, actor{self});
  for (int64_t k = 0; k < waiting; ++k)
    self->send(client, inc_atom::value, k);
  clock = measurement{};
  self->send(client, start_atom::value);
  await_done(self);
  self->send_exit(client, exit_reason::kill);
  self->send_exit(target, exit_reason::kill);
}

// -- skynet ------------------------------------------------------------------

struct skynet_state {
  int64_t sum = 0;
  int left = 10;
};

behavior skynet_node(stateful_actor<skynet_state>* self, actor parent, int64_t number,
                     int64_t size) {
  if (size == 1) {
    self->send(parent, sum_atom::value, number);
    return {};
  }
  for (int64_t k = 0; k < 10; ++k)
    self->spawn(skynet_node, actor{self}, number + k * size / 10, size / 10);
  return {[=](sum_atom, int64_t part) {
    self->state.sum += part;
    if (--self->state.left == 0) {
      self->send(parent, sum_atom::value, self->state.sum);
      self->quit();
    }
  }};
}

void skynet(actor_system& system, job& task) {
  int64_t size = task.n;
  while (size % 10 == 0)
    size /= 10;
  if (size != 1) {
    std::cerr << "caf-bench: skynet needs a power of ten" << std::endl;
    exit(2);
  }
  scoped_actor self{system};
  self->spawn(skynet_node, actor{self}, int64_t{0}, task.n);
  self->receive([&](sum_atom, int64_t sum) {
    if (sum != task.n * (task.n - 1) / 2)
      abort();
  });
}

// -- main --------------------------------------------------------------------

void run(actor_system& system, job& task) {
  measurement clock;
  std::map<std::string, std::function<void()>> bodies{
    {"pingpong", [&] { pingpong(system, task); }},
    {"counting", [&] { fanin(system, task, 1); }},
    {"unbounded", [&] { fanin(system, task, 1); }},
    {"threadring", [&] { threadring(system, task); }},
    {"forkjoin", [&] { forkjoin(system, task); }},
    {"big", [&] { big(system, task); }},
    {"fanin", [&] { fanin(system, task, 100); }},
    {"timers", [&] { timers(system, task); }},
    {"request", [&] { request(system, task, 0, clock); }},
    {"request10k", [&] { request(system, task, 10000, clock); }},
    {"skynet", [&] { skynet(system, task); }},
  };
  auto body = bodies.find(task.workload);
  if (task.workload == "idle") {
    idle(system, task, clock);
  } else if (body != bodies.end()) {
    clock = measurement{};
    body->second();
    clock.end();
  } else {
    std::cerr << "caf-bench: no such workload: " << task.workload << std::endl;
    exit(3);
  }
  double per_op = 1e9 / double(task.n);
  printf("%s caf %d %lld %.2f %.2f extra=%s\n", task.workload.c_str(), task.schedulers,
         static_cast<long long>(task.n), clock.wall_used * per_op, clock.cpu_used * per_op,
         task.extra.c_str());
  fflush(stdout);
}

} // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::cerr << "usage: caf-bench WORKLOAD N SCHEDULERS" << std::endl;
    return 2;
  }
  job task{argv[1], std::stoll(argv[2]), std::stoi(argv[3]), ""};
  actor_system_config config;
  config.set("scheduler.max-threads", size_t(task.schedulers));
  actor_system system{config};
  run(system, task);
  // Taking a million actors down one by one is not part of any workload.
  _exit(0);
}
