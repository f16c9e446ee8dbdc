%% The workloads of bench/README.md for Erlang/OTP 25 or later.
%%
%% Usage: erl ... -run bench main WORKLOAD N SCHEDULERS (the script erlang-bench does it).
%%
%% Receivers that may be flooded keep their queue off the heap where that is the quicker way
%% (fan-in, timers, counting with more than one scheduler); a request uses a fresh reference, so
%% that the receive skips what was in the mailbox before.
-module(bench).
-export([main/1, idle_process/0]).
-compile([inline]).

main([Workload, N, Schedulers]) ->
    try run(Workload, list_to_integer(N), list_to_integer(Schedulers)) of
        ok -> erlang:halt(0)
    catch
        error:function_clause:Stack ->
            io:format(standard_error, "erlang-bench: cannot run ~s: ~p~n", [Workload, hd(Stack)]),
            erlang:halt(3)
    end.

run("pingpong" = W, N, S) -> measure(W, N, S, fun() -> pingpong(N) end);
run("counting" = W, N, S) -> measure(W, N, S, fun() -> counting(N, queue_options(S)) end);
run("unbounded" = W, N, S) -> measure(W, N, S, fun() -> counting(N, queue_options(S)) end);
run("threadring" = W, N, S) -> measure(W, N, S, fun() -> threadring(N, 503) end);
run("forkjoin" = W, N, S) -> measure(W, N, S, fun() -> forkjoin(N) end);
run("big" = W, N, S) -> measure(W, N, S, fun() -> big(N div 120, 120) end);
run("fanin" = W, N, S) -> measure(W, N, S, fun() -> fanin(N div 100, 100) end);
run("request" = W, N, S) -> requests(W, N, S, 0);
run("request10k" = W, N, S) -> requests(W, N, S, 10000);
run("request1m" = W, N, S) -> requests(W, N, S, 1000000);
run("skynet" = W, N, S) -> measure(W, N, S, fun() -> skynet(N) end);
run("idle" = W, N, S) -> idle(W, N, S);
run("timers" = W, N, S) -> timers(W, N, S).

%% One scheduler is quicker with the queue on the heap, two without (120 against 252 ns before).
queue_options(1) -> [];
queue_options(_) -> [{message_queue_data, off_heap}].

measure(Workload, N, Schedulers, Body) ->
    erlang:garbage_collect(),
    Cpu = cpu_seconds(),
    Start = erlang:monotonic_time(nanosecond),
    Body(),
    Wall = erlang:monotonic_time(nanosecond) - Start,
    report(Workload, N, Schedulers, Wall, cpu_seconds() - Cpu, "").

report(Workload, N, Schedulers, WallNs, CpuSeconds, Extra) ->
    io:format("~s erlang ~w ~w ~.2f ~.2f extra=~s~n",
              [Workload, Schedulers, N, WallNs / N, CpuSeconds * 1.0e9 / N, Extra]).

%% User and system time of the whole operating-system process, in ticks of 10 ms.
cpu_seconds() ->
    {ok, Stat} = file:read_file("/proc/self/stat"),
    [_, AfterName] = string:split(Stat, ") "),
    Fields = string:split(AfterName, " ", all),
    Ticks = [binary_to_integer(lists:nth(K, Fields)) || K <- [12, 13]],
    lists:sum(Ticks) / 100.

pingpong(N) ->
    Main = self(),
    Pong = spawn_link(fun pong/0),
    spawn_link(fun() -> ping(N, Pong), Main ! done end),
    receive done -> ok end.

ping(0, Pong) -> Pong ! stop;
ping(N, Pong) ->
    Pong ! {ping, self(), N},
    receive {pong, _} -> ping(N - 1, Pong) end.

pong() ->
    receive
        {ping, From, N} -> From ! {pong, N}, pong();
        stop -> ok
    end.

counting(N, Options) ->
    Main = self(),
    Counter = spawn_opt(fun() -> counter(0) end, Options),
    spawn(fun() -> send_many(N, Counter), Counter ! {get, Main} end),
    receive {count, N} -> ok end.

send_many(0, _) -> ok;
send_many(N, To) -> To ! {inc, N}, send_many(N - 1, To).

counter(Count) ->
    receive
        {inc, _} -> counter(Count + 1);
        {get, From} -> From ! {count, Count}
    end.

threadring(N, Size) ->
    Main = self(),
    Last = spawn(fun() -> receive {next, Next} -> ring_node(Next, Main) end end),
    Link = fun(_, Next) -> spawn(fun() -> ring_node(Next, Main) end) end,
    First = lists:foldl(Link, Last, lists:seq(2, Size)),
    Last ! {next, First},
    First ! {token, N},
    receive done -> ok end.

ring_node(Next, Main) ->
    receive
        {token, 0} -> Main ! done;
        {token, Hops} -> Next ! {token, Hops - 1}, ring_node(Next, Main)
    end.

forkjoin(N) ->
    Done = atomics:new(1, []),
    fork(N, N, Done, self()),
    receive done -> ok end.

fork(0, _, _, _) -> ok;
fork(K, N, Done, Main) ->
    Child = spawn(fun() -> receive {work, _} -> count_down(N, Done, Main) end end),
    Child ! {work, K},
    fork(K - 1, N, Done, Main).

count_down(N, Done, Main) ->
    case atomics:add_get(Done, 1, 1) of
        N -> Main ! done;
        _ -> ok
    end.

big(Pings, Actors) ->
    Main = self(),
    Start = fun(Seed) ->
        spawn(fun() -> receive {peers, Peers} -> big_ping(Pings, Peers, Actors, Main, Seed) end end)
    end,
    Pids = [Start(K * 7919 + 1) || K <- lists:seq(1, Actors)],
    Peers = list_to_tuple(Pids),
    [Pid ! {peers, Peers} || Pid <- Pids],
    [receive finished -> ok end || _ <- Pids],
    [Pid ! stop || Pid <- Pids],
    ok.

big_ping(0, _, _, Main, _) -> Main ! finished, big_serve();
big_ping(Left, Peers, Actors, Main, Seed) ->
    Next = (Seed * 1103515245 + 12345) band 16#7fffffff,
    element((Next bsr 8) rem Actors + 1, Peers) ! {ping, self(), Left},
    big_wait(Left, Peers, Actors, Main, Next).

big_wait(Left, Peers, Actors, Main, Seed) ->
    receive
        {ping, From, Value} -> From ! {pong, Value}, big_wait(Left, Peers, Actors, Main, Seed);
        {pong, _} -> big_ping(Left - 1, Peers, Actors, Main, Seed)
    end.

big_serve() ->
    receive
        {ping, From, Value} -> From ! {pong, Value}, big_serve();
        stop -> ok
    end.

fanin(PerSender, Senders) ->
    Main = self(),
    Sink = spawn_opt(fun() -> sink(PerSender * Senders, Main) end,
                     [{message_queue_data, off_heap}]),
    [spawn(fun() -> send_many(PerSender, Sink) end) || _ <- lists:seq(1, Senders)],
    receive done -> ok end.

sink(0, Main) -> Main ! done;
sink(Left, Main) -> receive {inc, _} -> sink(Left - 1, Main) end.

%% A process that will wait for long hibernates: its heap shrinks to what lives on it.
idle(Workload, N, Schedulers) ->
    erlang:garbage_collect(),
    Resident = resident_bytes(),
    Cpu = cpu_seconds(),
    Start = erlang:monotonic_time(nanosecond),
    Pids = spawn_idle(N, []),
    Wall = erlang:monotonic_time(nanosecond) - Start,
    CpuUsed = cpu_seconds() - Cpu,
    timer:sleep(500),
    Bytes = (resident_bytes() - Resident) div N,
    hd(Pids) ! {query, self()},
    receive alive -> ok end,
    report(Workload, N, Schedulers, Wall, CpuUsed, io_lib:format("bytes:~w", [Bytes])).

spawn_idle(0, Pids) -> Pids;
spawn_idle(N, Pids) ->
    spawn_idle(N - 1, [spawn(erlang, hibernate, [?MODULE, idle_process, []]) | Pids]).

idle_process() -> receive {query, From} -> From ! alive, idle_process() end.

resident_bytes() ->
    {ok, Statm} = file:read_file("/proc/self/statm"),
    [_, Pages | _] = string:split(Statm, " ", all),
    binary_to_integer(Pages) * 4096.

timers(Workload, N, Schedulers) ->
    Main = self(),
    Body = fun() -> timers_of_one_process(Workload, N, Schedulers), Main ! done end,
    spawn_opt(Body, [{message_queue_data, off_heap}]),
    receive done -> ok end.

timers_of_one_process(Workload, N, Schedulers) ->
    Cpu = cpu_seconds(),
    Start = erlang:monotonic_time(nanosecond),
    arm(N, 12345),
    Late = await_timers(N, 0),
    Wall = erlang:monotonic_time(nanosecond) - Start,
    report(Workload, N, Schedulers, Wall, cpu_seconds() - Cpu,
           io_lib:format("late_ms:~.1f", [Late / 1.0e6])).

arm(0, _) -> ok;
arm(N, Seed) ->
    Next = (Seed * 1103515245 + 12345) band 16#ffffffff,
    Delay = (Next bsr 8) rem 1001,
    erlang:send_after(Delay, self(), erlang:monotonic_time(nanosecond) + Delay * 1000000),
    arm(N - 1, Next).

await_timers(0, Latest) -> Latest;
await_timers(N, Latest) ->
    receive Due -> await_timers(N - 1, max(Latest, erlang:monotonic_time(nanosecond) - Due)) end.

%% The messages that wait are in the requester's mailbox before the clock starts.
requests(Workload, N, Schedulers, Waiting) ->
    Main = self(),
    Server = spawn(fun server/0),
    Requester = spawn(fun() -> receive start -> request(N, Server), Main ! done end end),
    [Requester ! {inc, K} || K <- lists:seq(1, Waiting)],
    measure(Workload, N, Schedulers, fun() -> Requester ! start, receive done -> ok end end).

server() -> receive {request, From, Ref, Value} -> From ! {reply, Ref, Value}, server() end.

request(0, _) -> ok;
request(N, Server) ->
    Ref = make_ref(),
    Server ! {request, self(), Ref, N},
    receive {reply, Ref, _} -> request(N - 1, Server) end.

skynet(N) ->
    Expected = N * (N - 1) div 2,
    Main = self(),
    spawn_link(fun() -> skynet_node(Main, 0, N) end),
    receive {sum, Expected} -> ok end.

skynet_node(Parent, Number, 1) -> Parent ! {sum, Number};
skynet_node(Parent, Number, Size) when Size rem 10 =:= 0 ->
    Self = self(),
    Tenth = Size div 10,
    [spawn(fun() -> skynet_node(Self, Number + K * Tenth, Tenth) end) || K <- lists:seq(0, 9)],
    Parent ! {sum, sum_children(10, 0)}.

sum_children(0, Sum) -> Sum;
sum_children(Left, Sum) -> receive {sum, Part} -> sum_children(Left - 1, Sum + Part) end.
