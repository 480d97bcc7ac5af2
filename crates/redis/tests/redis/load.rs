use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};
use towerblock_redis::{Call, Error, Redis};

/// A call that took longer has waited.
const WAITED: Duration = Duration::from_millis(20);

/// A thousand calls a second, until it is told to stop.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    tasks: JoinSet<Vec<Sample>>,
}

struct Sample {
    at: Instant,
    took: Duration,
    error: Option<Error>,
}

/// What callers noticed of a fault.
pub(crate) struct Report {
    samples: Vec<Sample>,
    fault: Instant,
}

impl Load {
    pub(crate) fn start(redis: &Redis) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        for _ in 0..10 {
            let (redis, stop) = (redis.clone(), Arc::clone(&stop));
            tasks.spawn(async move {
                let mut pace = interval(Duration::from_millis(10));
                pace.set_missed_tick_behavior(MissedTickBehavior::Skip);
                let mut samples = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    pace.tick().await;
                    let at = Instant::now();
                    let result = redis.call(Call::read("GET").arg("key")).await;
                    let (took, error) = (at.elapsed(), result.err());
                    samples.push(Sample { at, took, error });
                }
                samples
            });
        }
        Self { stop, tasks }
    }

    /// Ends it. The fault began at that time.
    pub(crate) async fn stop(self, fault: Instant) -> Report {
        self.stop.store(true, Ordering::Relaxed);
        let samples = self.tasks.join_all().await.into_iter().flatten().collect();
        Report { samples, fault }
    }
}

impl Report {
    /// How many calls waited, and how long the longest did.
    pub(crate) fn waited(&self) -> (usize, Duration) {
        let waited = self.after().filter(|sample| sample.took > WAITED);
        let longest = self.after().map(|sample| sample.took).max();
        (waited.count(), longest.unwrap_or_default())
    }

    /// How long after the fault the last call had begun that waited until it was given up.
    pub(crate) fn last_that_waited(&self) -> Duration {
        let waited = self
            .after()
            .filter(|sample| sample.took > WAITED && sample.error.is_some());
        let last = waited
            .map(|sample| sample.at.duration_since(self.fault))
            .max();
        last.unwrap_or_default()
    }

    pub(crate) fn refused(&self) -> usize {
        let refused = self
            .after()
            .filter(|sample| matches!(sample.error, Some(Error::Refused(_))));
        refused.count()
    }

    /// One line, and whether all is in its bounds, with room for a machine that is busy.
    pub(crate) fn check(&self, what: &str, back: Duration) {
        let ((waited, longest), last) = (self.waited(), self.last_that_waited());
        print(
            what,
            &format!(
                "{waited} calls waited, at most {} ms; none that began {} ms after; {} refused; back in {} ms",
                longest.as_millis(),
                last.as_millis(),
                self.refused(),
                back.as_millis(),
            ),
            "100 ms; 300 ms; 1,000 ms",
        );
        assert!(self.refused() > 100, "{what}");
        assert!(longest < Duration::from_millis(250), "{what}: {longest:?}");
        assert!(last < Duration::from_millis(450), "{what}: {last:?}");
        assert!(back < Duration::from_millis(1_500), "{what}: {back:?}");
    }

    fn after(&self) -> impl Iterator<Item = &Sample> {
        self.samples.iter().filter(|sample| sample.at >= self.fault)
    }
}

#[expect(clippy::print_stdout, reason = "the bounds that were measured")]
pub(crate) fn print(what: &str, measured: &str, bound: &str) {
    println!("| {what} | {measured} | {bound} |");
}
