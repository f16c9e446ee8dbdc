//! The channel workloads on crossbeam's channels: producers and consumer are threads of the
//! operating system, so there is no variant with one scheduler.

mod report;

use crossbeam_channel::{bounded, unbounded, Receiver, Sender};
use std::thread;

fn transfer(n: usize, producers: usize, channel: (Sender<u64>, Receiver<u64>)) {
    let (sender, receiver) = channel;
    for _ in 0..producers {
        let sender = sender.clone();
        thread::spawn(move || {
            for k in 0..n / producers {
                sender.send(k as u64).unwrap();
            }
        });
    }
    drop(sender);
    assert_eq!(receiver.iter().count(), n / producers * producers);
}

fn main() {
    let (workload, n, schedulers) = report::arguments("crossbeam-bench");
    if schedulers < 2 {
        report::unknown("crossbeam-bench", "one scheduler");
    }
    let clock = report::begin();
    match workload.as_str() {
        "mpsc" => transfer(n, 4, bounded(1024)),
        "spsc" => transfer(n, 1, bounded(1024)),
        "unbounded" => transfer(n, 1, unbounded()),
        other => report::unknown("crossbeam-bench", other),
    }
    report::print(&workload, "crossbeam", schedulers, n, clock.end(), "");
}
