//! The clock and the line every benchmark prints.

use std::time::Instant;

pub struct Measurement {
    cpu: f64,
    start: Instant,
}

pub struct Elapsed {
    pub wall: f64,
    pub cpu: f64,
}

pub fn begin() -> Measurement {
    Measurement { cpu: cpu_seconds(), start: Instant::now() }
}

impl Measurement {
    pub fn end(&self) -> Elapsed {
        let wall = self.start.elapsed().as_secs_f64();
        Elapsed { wall, cpu: cpu_seconds() - self.cpu }
    }
}

pub fn print(workload: &str, peer: &str, schedulers: usize, n: usize, took: Elapsed, extra: &str) {
    let per_op = 1e9 / n as f64;
    let (wall, cpu) = (took.wall * per_op, took.cpu * per_op);
    println!("{workload} {peer} {schedulers} {n} {wall:.2} {cpu:.2} extra={extra}");
}

fn cpu_seconds() -> f64 {
    let seconds = |t: libc::timeval| t.tv_sec as f64 + t.tv_usec as f64 / 1e6;
    unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        seconds(usage.ru_utime) + seconds(usage.ru_stime)
    }
}

/// WORKLOAD N SCHEDULERS from the command line.
pub fn arguments(program: &str) -> (String, usize, usize) {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let numbers: Vec<usize> = words.iter().skip(1).filter_map(|w| w.parse().ok()).collect();
    if words.len() != 3 || numbers.len() != 2 || numbers[0] == 0 || numbers[1] == 0 {
        eprintln!("usage: {program} WORKLOAD N SCHEDULERS");
        std::process::exit(2);
    }
    (words[0].clone(), numbers[0], numbers[1])
}

pub fn unknown(program: &str, workload: &str) -> ! {
    eprintln!("{program}: no such workload: {workload}");
    std::process::exit(3);
}
