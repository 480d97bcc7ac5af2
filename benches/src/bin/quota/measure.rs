use std::time::Duration;

use tokio::time::Instant;

pub(crate) struct Subject {
    pub(crate) name: &'static str,
    /// So many calls, and where among the keys to begin.
    pub(crate) run: Box<dyn Fn(usize, usize)>,
}

const TIMES: usize = 10_000;

/// Medians of rounds in which each had its turn.
pub(crate) fn compare(title: &str, subjects: &[Subject], rounds: usize) {
    let mut nanos = vec![Vec::new(); subjects.len()];
    for round in 0..rounds {
        for (subject, nanos) in subjects.iter().zip(&mut nanos) {
            let since = Instant::now();
            (subject.run)(TIMES, round * TIMES);
            nanos.push(since.elapsed());
        }
    }
    println!("\n| {title} | time |");
    println!("|---|--:|");
    for (subject, nanos) in subjects.iter().zip(nanos) {
        let each = middle(nanos).as_secs_f64() * 1e9 / TIMES as f64;
        println!("| {} | {each:.1} ns |", subject.name);
    }
}

fn middle(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    *times.get(times.len() / 2).expect("there are rounds")
}
