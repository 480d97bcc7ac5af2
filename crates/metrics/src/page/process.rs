use std::fs;

use towerblock_core::{Metric, Stats, Value};

static RSS: Metric = Metric::gauge(
    "process_resident_memory",
    "bytes",
    "Memory of this process that is in RAM",
);
static CPU: Metric = Metric::counter(
    "process_cpu",
    "seconds",
    "Time that processors worked for this process",
);
static FDS: Metric = Metric::gauge(
    "process_open_fds",
    "files",
    "Files and sockets that are open",
);
static MAX_FDS: Metric = Metric::gauge(
    "process_max_fds",
    "files",
    "Files and sockets that may be open",
);
static THREADS: Metric = Metric::gauge("process_threads", "threads", "Threads of this process");

pub(crate) static METRICS: &[Metric] = &[RSS, CPU, FDS, MAX_FDS, THREADS];

/// What Linux calls `USER_HZ`: it shows 100 on every processor that Rust runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// What the operating system says of this process: memory, processor time, open files,
/// threads. It is read from `/proc`; where there is none, it says nothing.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "there is one process")]
pub struct Process;

impl Stats for Process {
    fn describe(&self) -> &'static [Metric] {
        METRICS
    }

    fn read(&self, sink: &mut dyn FnMut(&'static Metric, &str, Value)) {
        let mut tell = |metric, level: Option<f64>| {
            if let Some(level) = level {
                sink(metric, "", Value::Level(level));
            }
        };
        let file = |name| fs::read_to_string(format!("/proc/self/{name}")).unwrap_or_default();
        let status = file("status");
        tell(&RSS, number(&status, "VmRSS:").map(|kib| kib * 1024.0));
        tell(&THREADS, number(&status, "Threads:"));
        tell(&CPU, cpu(&file("stat")));
        tell(&MAX_FDS, number(&file("limits"), "Max open files"));
        tell(&FDS, open_files());
    }
}

/// The first number behind this word at the beginning of a line.
fn number(text: &str, word: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(word))?;
    line.split_whitespace().next()?.parse().ok()
}

/// User and system time, the 14th and the 15th field: the second is a name in brackets
/// that may have anything in it.
fn cpu(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_whitespace().skip(11);
    let mut time = || times.next()?.parse::<f64>().ok();
    Some((time()? + time()?) / TICKS_PER_SECOND)
}

/// The one that lists them is open meanwhile.
fn open_files() -> Option<f64> {
    let count = fs::read_dir("/proc/self/fd").ok()?.count();
    Some(count.saturating_sub(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::{cpu, number};

    #[test]
    fn a_program_may_have_any_name() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194304 1 0 0 0 250 50 0 0 20 0 3 0";
        assert_eq!(cpu(stat), Some(3.0));
        assert_eq!(cpu("7 (a"), None);
        assert_eq!(number("VmRSS:\t  12 kB\n", "VmRSS:"), Some(12.0));
        assert_eq!(number("Max open files   unlimited", "Max open files"), None);
    }
}
