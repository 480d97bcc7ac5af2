use std::time::Duration;

use tokio::time::{Instant, advance};

use crate::Limit;
use crate::meter::{Meter, Ticket};
use crate::window::Totals;

const MILLI: Duration = Duration::from_millis(1);

fn meter() -> Meter {
    Meter::new(Limit::adaptive(), Instant::now())
}

fn begin(meter: &Meter) -> Ticket {
    meter.begin(0, || 15).unwrap()
}

/// So many one after another, of 10 ms each.
async fn pass(meter: &Meter, times: usize) {
    for _ in 0..times {
        let ticket = begin(meter);
        advance(10 * MILLI).await;
        meter.end(&ticket, true, Instant::now(), Totals::default());
    }
}

#[tokio::test(start_paused = true)]
async fn what_ends_long_after_its_window_does_not_count() {
    let meter = meter();
    let late = begin(&meter);
    pass(&meter, 35).await;
    meter.end(&late, true, Instant::now(), Totals::default());
    // To the end of this window.
    pass(&meter, 5).await;
    assert_eq!(meter.mean(), Some(10 * MILLI));

    // One of the window before does: else none longer than a window ever would.
    let long = begin(&meter);
    pass(&meter, 12).await;
    meter.end(&long, true, Instant::now(), Totals::default());
    pass(&meter, 10).await;
    assert!(meter.mean() > Some(11 * MILLI), "{:?}", meter.mean());
}

#[tokio::test(start_paused = true)]
async fn failures_are_no_samples_of_how_long_an_answer_takes() {
    let meter = meter();
    pass(&meter, 35).await;
    for _ in 0..100 {
        let fails = begin(&meter);
        advance(MILLI).await;
        meter.end(&fails, false, Instant::now(), Totals::default());
    }
    // To the end of this window.
    pass(&meter, 5).await;
    assert_eq!(meter.mean(), Some(10 * MILLI));
}

#[tokio::test(start_paused = true)]
async fn of_busy_services_one_request_of_sixteen_is_timed() {
    let meter = meter();
    let timed = || {
        (0..1_600)
            .filter(|n| meter.begin(*n, || 1).is_some())
            .count()
    };
    assert_eq!(timed(), 1_600);
    for window in 1..=2 {
        for _ in 0..10 {
            let ticket = loop {
                if let Some(ticket) = meter.begin(0, || 1) {
                    break ticket;
                }
            };
            advance(10 * MILLI).await;
            let totals = Totals {
                admitted: window * 100_000,
                refused: 0,
            };
            meter.end(&ticket, true, Instant::now(), totals);
        }
    }
    assert!((90..=110).contains(&timed()), "{}", timed());
}
