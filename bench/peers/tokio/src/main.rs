//! The workloads of bench/README.md on tokio: an actor is a task, its mailbox an unbounded
//! channel; a request is answered through a oneshot channel.

mod report;

use report::{begin, print, Elapsed};
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::{self, unbounded_channel, UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;
use tokio::time::{sleep_until, Instant};

type Address = UnboundedSender<Message>;
type Inbox = UnboundedReceiver<Message>;

enum Message {
    Ping(u64, Address),
    Pong(u64),
    Inc(u64),
    Get(oneshot::Sender<u64>),
    Request(u64, oneshot::Sender<u64>),
    Token(u64),
    Start,
}

/// With one scheduler the runtime keeps everything on the calling thread, as its users would.
fn runtime(schedulers: usize) -> Runtime {
    let mut builder = match schedulers {
        1 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    if schedulers > 1 {
        builder.worker_threads(schedulers);
    }
    builder.enable_time().build().unwrap()
}

async fn pingpong(n: usize) {
    let (ping, mut ping_inbox) = unbounded_channel();
    let (pong, mut pong_inbox): (Address, Inbox) = unbounded_channel();
    tokio::spawn(async move {
        while let Some(Message::Ping(value, from)) = pong_inbox.recv().await {
            from.send(Message::Pong(value)).ok();
        }
    });
    let player = tokio::spawn(async move {
        for k in (1..=n as u64).rev() {
            pong.send(Message::Ping(k, ping.clone())).ok();
            match ping_inbox.recv().await {
                Some(Message::Pong(value)) => assert_eq!(value, k),
                _ => unreachable!(),
            }
        }
    });
    player.await.unwrap();
}

async fn counting(n: usize) {
    let (counter, mut inbox): (Address, Inbox) = unbounded_channel();
    let (answer, result) = oneshot::channel();
    tokio::spawn(async move {
        let mut count = 0;
        while let Some(message) = inbox.recv().await {
            match message {
                Message::Inc(_) => count += 1,
                Message::Get(answer) => return answer.send(count).unwrap(),
                _ => unreachable!(),
            }
        }
    });
    tokio::spawn(async move {
        for k in 0..n as u64 {
            counter.send(Message::Inc(k)).ok();
        }
        counter.send(Message::Get(answer)).ok();
    });
    assert_eq!(result.await.unwrap(), n as u64);
}

async fn threadring(n: usize) {
    const SIZE: usize = 503;
    let (addresses, inboxes): (Vec<Address>, Vec<Inbox>) =
        (0..SIZE).map(|_| unbounded_channel()).unzip();
    let (done, mut finished) = mpsc::channel(1);
    for (k, mut inbox) in inboxes.into_iter().enumerate() {
        let (next, done) = (addresses[(k + 1) % SIZE].clone(), done.clone());
        tokio::spawn(async move {
            while let Some(Message::Token(hops)) = inbox.recv().await {
                if hops == 0 {
                    return done.send(()).await.unwrap();
                }
                next.send(Message::Token(hops - 1)).ok();
            }
        });
    }
    addresses[0].send(Message::Token(n as u64)).ok();
    finished.recv().await.unwrap();
}

async fn forkjoin(n: usize) {
    let live = Arc::new(AtomicUsize::new(n));
    let (signal, mut last) = mpsc::channel::<()>(1);
    for k in 0..n as u64 {
        let (child, mut inbox): (Address, Inbox) = unbounded_channel();
        let (live, signal) = (live.clone(), signal.clone());
        tokio::spawn(async move {
            inbox.recv().await;
            if live.fetch_sub(1, Ordering::AcqRel) == 1 {
                signal.send(()).await.ok();
            }
        });
        child.send(Message::Inc(k)).ok();
    }
    last.recv().await.unwrap();
}

async fn big_actor(mut inbox: Inbox, all: Arc<Vec<Address>>, me: usize, mut left: usize, done: mpsc::Sender<()>) {
    let mut seed = (me * 7919 + 1) as u32;
    let mut ping = |left: usize| {
        seed = seed.wrapping_mul(1103515245).wrapping_add(12345);
        let target = (seed >> 8) as usize % all.len();
        all[target].send(Message::Ping(left as u64, all[me].clone())).ok();
    };
    while let Some(message) = inbox.recv().await {
        match message {
            Message::Ping(value, from) => {
                from.send(Message::Pong(value)).ok();
            }
            Message::Start => ping(left),
            Message::Pong(_) => {
                left -= 1;
                if left == 0 {
                    done.send(()).await.ok();
                } else {
                    ping(left);
                }
            }
            _ => unreachable!(),
        }
    }
}

async fn big(n: usize) {
    const ACTORS: usize = 120;
    let (addresses, inboxes): (Vec<Address>, Vec<Inbox>) =
        (0..ACTORS).map(|_| unbounded_channel()).unzip();
    let all = Arc::new(addresses);
    let (done, mut finished) = mpsc::channel(ACTORS);
    for (me, inbox) in inboxes.into_iter().enumerate() {
        tokio::spawn(big_actor(inbox, all.clone(), me, n / ACTORS, done.clone()));
    }
    for address in all.iter() {
        address.send(Message::Start).ok();
    }
    for _ in 0..ACTORS {
        finished.recv().await.unwrap();
    }
}

async fn fanin(n: usize) {
    const SENDERS: usize = 100;
    let (sink, mut inbox): (Address, Inbox) = unbounded_channel();
    let receiver = tokio::spawn(async move {
        for _ in 0..n / SENDERS * SENDERS {
            inbox.recv().await.unwrap();
        }
    });
    for _ in 0..SENDERS {
        let sink = sink.clone();
        tokio::spawn(async move {
            for k in 0..(n / SENDERS) as u64 {
                sink.send(Message::Inc(k)).ok();
            }
        });
    }
    receiver.await.unwrap();
}

fn resident_bytes() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

async fn idle(n: usize) -> (Elapsed, String) {
    let resident = resident_bytes();
    let clock = begin();
    let mut addresses: Vec<Address> = Vec::with_capacity(n);
    for _ in 0..n {
        let (address, mut inbox) = unbounded_channel();
        addresses.push(address);
        tokio::spawn(async move {
            while let Some(message) = inbox.recv().await {
                if let Message::Get(answer) = message {
                    answer.send(1).ok();
                }
            }
        });
    }
    // With one thread the tasks have not run yet: an actor counts as started when it waits.
    let (answer, alive) = oneshot::channel();
    addresses[n - 1].send(Message::Get(answer)).ok();
    alive.await.unwrap();
    let took = clock.end();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let bytes = (resident_bytes() - resident) / n;
    (took, format!("bytes:{bytes}"))
}

async fn timers(n: usize) -> (Elapsed, String) {
    let latest = Arc::new(AtomicI64::new(0));
    let left = Arc::new(AtomicUsize::new(n));
    let (done, mut finished) = mpsc::channel(1);
    let mut seed = 12345u32;
    let clock = begin();
    for _ in 0..n {
        seed = seed.wrapping_mul(1103515245).wrapping_add(12345);
        let due = Instant::now() + Duration::from_millis(u64::from((seed >> 8) % 1001));
        let (latest, left, done) = (latest.clone(), left.clone(), done.clone());
        tokio::spawn(async move {
            sleep_until(due).await;
            let late = Instant::now().saturating_duration_since(due);
            latest.fetch_max(late.as_nanos() as i64, Ordering::Relaxed);
            if left.fetch_sub(1, Ordering::AcqRel) == 1 {
                done.send(()).await.ok();
            }
        });
    }
    finished.recv().await.unwrap();
    let took = clock.end();
    (took, format!("late_ms:{:.1}", latest.load(Ordering::Relaxed) as f64 / 1e6))
}

/// The waiting messages sit in the requester's ordinary inbox.
async fn request(n: usize, waiting: usize) -> (Elapsed, String) {
    let (server, mut inbox): (Address, Inbox) = unbounded_channel();
    let (own, own_inbox): (Address, Inbox) = unbounded_channel();
    for k in 0..waiting as u64 {
        own.send(Message::Inc(k)).ok();
    }
    tokio::spawn(async move {
        while let Some(Message::Request(value, answer)) = inbox.recv().await {
            answer.send(value).ok();
        }
    });
    let clock = begin();
    let requester = tokio::spawn(async move {
        for k in 0..n as u64 {
            let (answer, reply) = oneshot::channel();
            server.send(Message::Request(k, answer)).ok();
            assert_eq!(reply.await.unwrap(), k);
        }
    });
    requester.await.unwrap();
    let took = clock.end();
    drop(own_inbox);
    (took, String::new())
}

async fn bounded_channel(n: usize, producers: usize) {
    let (sender, mut receiver) = mpsc::channel::<u64>(1024);
    for _ in 0..producers {
        let sender = sender.clone();
        tokio::spawn(async move {
            for k in 0..(n / producers) as u64 {
                sender.send(k).await.unwrap();
            }
        });
    }
    drop(sender);
    let consumer = tokio::spawn(async move { while receiver.recv().await.is_some() {} });
    consumer.await.unwrap();
}

async fn unbounded(n: usize) {
    let (sender, mut receiver) = unbounded_channel::<u64>();
    tokio::spawn(async move {
        for k in 0..n as u64 {
            sender.send(k).unwrap();
        }
    });
    let consumer = tokio::spawn(async move { while receiver.recv().await.is_some() {} });
    consumer.await.unwrap();
}

fn skynet_node(parent: mpsc::Sender<u64>, number: u64, size: u64) {
    tokio::spawn(async move {
        if size == 1 {
            return parent.send(number).await.unwrap();
        }
        let (own, mut children) = mpsc::channel(10);
        for k in 0..10 {
            skynet_node(own.clone(), number + k * size / 10, size / 10);
        }
        let mut sum = 0;
        for _ in 0..10 {
            sum += children.recv().await.unwrap();
        }
        parent.send(sum).await.unwrap();
    });
}

async fn skynet(n: usize) {
    let mut size = n;
    while size % 10 == 0 {
        size /= 10;
    }
    assert_eq!(size, 1, "skynet needs a power of ten");
    let n = n as u64;
    let (root, mut result) = mpsc::channel(1);
    skynet_node(root, 0, n);
    assert_eq!(result.recv().await.unwrap(), n * (n - 1) / 2);
}

async fn run(workload: &str, n: usize) -> (Elapsed, String) {
    let clock = begin();
    match workload {
        "pingpong" => pingpong(n).await,
        "counting" => counting(n).await,
        "threadring" => threadring(n).await,
        "forkjoin" => forkjoin(n).await,
        "big" => big(n).await,
        "fanin" => fanin(n).await,
        "mpsc" => bounded_channel(n, 4).await,
        "spsc" => bounded_channel(n, 1).await,
        "unbounded" => unbounded(n).await,
        "skynet" => skynet(n).await,
        "request" => return request(n, 0).await,
        "request10k" => return request(n, 10_000).await,
        "request1m" => return request(n, 1_000_000).await,
        "idle" => return idle(n).await,
        "timers" => return timers(n).await,
        other => report::unknown("tokio-bench", other),
    }
    (clock.end(), String::new())
}

fn main() {
    let (workload, n, schedulers) = report::arguments("tokio-bench");
    let name = workload.clone();
    // The workload runs inside a task: the thread of block_on is not one of the workers.
    let (took, extra) = runtime(schedulers).block_on(async move {
        tokio::spawn(async move { run(&name, n).await }).await.unwrap()
    });
    print(&workload, "tokio", schedulers, n, took, &extra);
}
