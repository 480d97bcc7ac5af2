use tokio::time::Instant;

pub(crate) struct Subject {
    pub(crate) name: &'static str,
    /// How many there are in turn.
    keys: usize,
    run: Box<dyn Fn(usize, usize)>,
}

impl Subject {
    /// `run` makes so many calls, and begins with that key.
    pub(crate) fn new(
        name: &'static str,
        keys: usize,
        run: impl Fn(usize, usize) + 'static,
    ) -> Self {
        let run = Box::new(run);
        Self { name, keys, run }
    }

    pub(crate) fn run(&self, times: usize, from: usize) {
        (self.run)(times, from);
    }
}

/// Keys one after the other, so that the list of them is read ahead; tables hash them, and are
/// not.
pub(crate) fn each(keys: usize, times: usize, from: usize) -> impl Iterator<Item = usize> + use<> {
    (from..from + times).map(move |n| n % keys)
}

const TIMES: usize = 10_000;

/// Rounds in which each has its turn, after all keys were asked for once, and as many calls again
/// that are not counted: whoever had the turn before took the cache.
pub(crate) fn compare(title: &str, subjects: &[Subject], rounds: usize) {
    for subject in subjects {
        subject.run(subject.keys, 0);
    }
    let mut nanos = vec![Vec::new(); subjects.len()];
    for round in 0..rounds {
        for (subject, nanos) in subjects.iter().zip(&mut nanos) {
            let from = 2 * round * TIMES;
            subject.run(TIMES, from);
            let since = Instant::now();
            subject.run(TIMES, from + TIMES);
            nanos.push(since.elapsed().as_secs_f64() * 1e9 / TIMES as f64);
        }
    }
    println!("\n| {title} | median | fastest round |");
    println!("|---|--:|--:|");
    for (subject, mut nanos) in subjects.iter().zip(nanos) {
        nanos.sort_unstable_by(f64::total_cmp);
        let [middle, fastest] = [rounds / 2, 0].map(|place| nanos[place]);
        println!("| {} | {middle:.1} ns | {fastest:.1} ns |", subject.name);
    }
}
