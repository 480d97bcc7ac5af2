use std::future::pending;
use std::sync::{Arc, Mutex};

use tokio::task::yield_now;
use tokio::time::{Instant, sleep};
use towerblock_core::{Stats as _, Value};
use towerblock_lifecycle::{Deadlines, Fault, Lifecycle, Phase};

use crate::{ready, secs};

/// What happened, and after how many seconds.
#[derive(Clone)]
struct Log {
    start: Instant,
    lines: Arc<Mutex<Vec<Line>>>,
}

type Line = (u64, &'static str);

impl Log {
    fn new() -> Self {
        Self {
            start: Instant::now(),
            lines: Arc::default(),
        }
    }

    fn add(&self, line: &'static str) {
        let at = self.start.elapsed().as_secs();
        self.lines.lock().unwrap().push((at, line));
    }

    fn lines(&self) -> Vec<Line> {
        self.lines.lock().unwrap().clone()
    }
}

#[tokio::test(start_paused = true)]
async fn the_phases_come_in_order_and_in_time() {
    let lifecycle = Lifecycle::new(Deadlines::default());
    let log = Log::new();
    for (phase, name) in [
        (Phase::Ready, "ready"),
        (Phase::Draining, "draining"),
        (Phase::Closing, "closing"),
        (Phase::Finishing, "finishing"),
        (Phase::Stopped, "stopped"),
    ] {
        let (until, log) = (lifecycle.until(phase), log.clone());
        tokio::spawn(async move {
            until.await;
            log.add(name);
        });
    }
    lifecycle.on_close("a hook", secs(3), || sleep(secs(2)));
    let work = async {
        sleep(secs(1)).await;
        lifecycle.ready();
        sleep(secs(9)).await;
        lifecycle.stop();
        lifecycle.until(Phase::Closing).await;
        sleep(secs(7)).await;
    };
    let ending = lifecycle.run(work).await;
    yield_now().await;
    assert!(ending.is_clean(), "{ending:?}");
    assert_eq!(
        log.lines(),
        [
            (1, "ready"),
            (10, "draining"),
            (15, "closing"),
            (22, "finishing"),
            (24, "stopped")
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn hooks_run_last_in_first_out_and_one_that_hangs_costs_its_deadline() {
    let (lifecycle, log) = (ready(), Log::new());
    let hook = |name: &'static str| {
        let log = log.clone();
        move || async move { log.add(name) }
    };
    lifecycle.on_close("first", secs(1), hook("first"));
    let hang = log.clone();
    lifecycle.on_close("hangs", secs(3), move || async move {
        hang.add("hangs");
        pending::<()>().await;
    });
    lifecycle.on_close("panics", secs(1), || async { panic!("as the test wants") });
    lifecycle.on_close("panics at once", secs(1), || -> std::future::Ready<()> {
        panic!("as the test wants")
    });
    lifecycle.on_close("last", secs(1), hook("last"));
    // Work that ends by itself: nothing is drained.
    let ending = lifecycle.run(async {}).await;
    assert_eq!(log.lines(), [(0, "last"), (0, "hangs"), (3, "first")]);
    assert!(!ending.aborted && !ending.is_clean());
    let faults = [
        ("panics at once", Fault::Panicked),
        ("panics", Fault::Panicked),
        ("hangs", Fault::TimedOut),
    ];
    assert_eq!(ending.unfinished, faults);
}

#[tokio::test(start_paused = true)]
async fn all_hooks_together_have_a_deadline_too() {
    let (lifecycle, log) = (ready(), Log::new());
    for name in ["c", "b", "a"] {
        let log = log.clone();
        lifecycle.on_close(name, secs(8), move || async move {
            log.add(name);
            pending::<()>().await;
        });
    }
    let ending = lifecycle.run(async {}).await;
    assert_eq!(log.lines(), [(0, "a"), (8, "b")]);
    assert_eq!(log.start.elapsed(), secs(10));
    let faults = [
        ("a", Fault::TimedOut),
        ("b", Fault::TimedOut),
        ("c", Fault::Skipped),
    ];
    assert_eq!(ending.unfinished, faults);
}

#[tokio::test(start_paused = true)]
async fn a_second_stop_cuts_off_the_work_and_a_third_the_hooks() {
    let (lifecycle, log) = (ready(), Log::new());
    lifecycle.on_close("never", secs(5), pending::<()>);
    lifecycle.on_close("hangs", secs(5), pending::<()>);
    let asking = lifecycle.clone();
    tokio::spawn(async move {
        for _ in 0..3 {
            sleep(secs(1)).await;
            asking.stop();
        }
    });
    let dropped = Dropped(log.clone());
    let work = async move {
        let _dropped = dropped;
        pending::<()>().await;
    };
    let ending = lifecycle.run(work).await;
    assert_eq!(log.lines(), [(2, "dropped")]);
    assert_eq!(log.start.elapsed(), secs(3));
    assert!(ending.aborted);
    let skipped = [("hangs", Fault::Skipped), ("never", Fault::Skipped)];
    assert_eq!(ending.unfinished, skipped);
}

struct Dropped(Log);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.add("dropped");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_held_is_waited_for_and_no_longer_than_the_grace() {
    for (lasts, aborted, ends) in [(secs(12), false, secs(12)), (secs(40), true, secs(20))] {
        let lifecycle = ready();
        let start = Instant::now();
        let hold = lifecycle.hold();
        assert_eq!(lifecycle.in_flight(), 1);
        tokio::spawn(async move {
            sleep(lasts).await;
            drop(hold);
        });
        lifecycle.stop();
        let ending = lifecycle.run(lifecycle.until(Phase::Closing)).await;
        assert_eq!((ending.aborted, start.elapsed()), (aborted, ends));
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_during_the_start_closes_what_was_opened() {
    let (lifecycle, log) = (Lifecycle::new(Deadlines::default()), Log::new());
    let closing = log.clone();
    lifecycle.on_close(
        "a hook",
        secs(1),
        move || async move { closing.add("closed") },
    );
    lifecycle.stop();
    lifecycle.ready();
    let ending = lifecycle.run(lifecycle.until(Phase::Closing)).await;
    assert!(ending.is_clean());
    assert_eq!(log.lines(), [(0, "closed")]);
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_a_lifecycle_that_is_gone_waits_no_more() {
    let lifecycle = ready();
    let until = lifecycle.until(Phase::Stopped);
    drop(lifecycle);
    until.await;
}

#[tokio::test(start_paused = true)]
async fn its_numbers_tell_where_it_is() {
    let lifecycle = ready();
    let _hold = lifecycle.hold();
    let mut seen = Vec::new();
    lifecycle.read(&mut |metric, _, value| seen.push((metric.name, value)));
    let expected = [
        ("lifecycle_phase", Value::Level(1.0)),
        ("lifecycle_in_flight", Value::Level(1.0)),
        ("lifecycle_connections", Value::Level(0.0)),
        ("lifecycle_accepted", Value::Count(0)),
        ("lifecycle_not_accepted", Value::Count(0)),
    ];
    assert_eq!(seen, expected);
}
