use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use tokio::time::Instant;

use crate::subjects::Subject;

/// Medians of rounds in which all had their turn, in one thread and in two.
pub(crate) fn compare(title: &str, subjects: &[Subject], beside: &str) {
    println!("\n| {title} | one thread | | two threads at once | |");
    println!("|---|--:|--:|--:|--:|");
    let (alone, together) = (medians(subjects, 1), medians(subjects, 2));
    let place = subjects.iter().position(|subject| subject.name == beside);
    let first = |nanos: &[f64]| place.and_then(|place| nanos.get(place).copied());
    let first = |nanos: &[f64]| first(nanos).expect("it is among them");
    for ((subject, one), two) in subjects.iter().zip(&alone).zip(&together) {
        let (of_one, of_two) = (one / first(&alone), two / first(&together));
        let name = subject.name;
        println!("| {name} | {one:.1} ns | {of_one:.2} × | {two:.0} ns | {of_two:.2} × |");
    }
}

pub(crate) fn medians(subjects: &[Subject], threads: usize) -> Vec<f64> {
    // Threads take their time to start: they must go on for longer than that.
    let (times, rounds) = if threads == 1 {
        (1_000, 501)
    } else {
        (20_000, 21)
    };
    let mut nanos = vec![Vec::new(); subjects.len()];
    for _ in 0..rounds {
        for (subject, nanos) in subjects.iter().zip(&mut nanos) {
            let took = at_once(subject, times, threads);
            #[expect(clippy::cast_precision_loss, reason = "not many")]
            nanos.push(took.as_secs_f64() * 1e9 / times as f64);
        }
    }
    nanos.into_iter().map(middle).collect()
}

/// The longest of the threads.
pub(crate) fn at_once(subject: &Subject, times: usize, threads: usize) -> Duration {
    let start = Barrier::new(threads);
    let run = || {
        start.wait();
        let since = Instant::now();
        (subject.run)(times);
        since.elapsed()
    };
    if threads == 1 {
        return run();
    }
    thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        let took = threads.into_iter().map(thread::ScopedJoinHandle::join);
        took.map(|took| took.expect("no panic")).max()
    })
    .expect("there are threads")
}

pub(crate) fn middle(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_unstable_by(f64::total_cmp);
    *numbers.get(numbers.len() / 2).expect("there are rounds")
}
