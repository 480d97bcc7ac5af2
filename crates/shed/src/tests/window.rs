use std::time::Duration;

use tokio::time::Instant;

use crate::window::{Totals, Window};

const MILLI: Duration = Duration::from_millis(1);
const WINDOW: Duration = Duration::from_millis(100);

fn totals(admitted: u64, refused: u64) -> Totals {
    Totals { admitted, refused }
}

#[test]
fn it_says_what_was_seen_since_it_began() {
    let start = Instant::now();
    let mut window = Window::new(start, totals(5, 1));
    for n in 1..=8 {
        window.answered(10 * n * MILLI, n as usize);
    }
    window.given_up(20);
    window.given_up(3);
    let seen = window.turn(WINDOW, start + WINDOW, totals(25, 2)).unwrap();
    assert!((seen.mean - 0.045).abs() < 1e-9, "{}", seen.mean);
    assert!((seen.given_up - 0.2).abs() < 1e-9);
    assert!((seen.span - 0.1).abs() < 1e-9);
    assert_eq!(
        (seen.in_flight, seen.admitted, seen.refused),
        (20, 20, true)
    );
    // The next begins with nothing.
    let later = start + WINDOW + Duration::from_secs(2);
    assert!(window.turn(WINDOW, later, totals(25, 2)).is_none());
    window.answered(MILLI, 1);
    let seen = window.turn(WINDOW, later, totals(26, 2)).unwrap();
    assert_eq!((seen.in_flight, seen.admitted, seen.refused), (1, 1, false));
}

#[test]
fn it_waits_for_its_time_and_for_enough_samples_but_not_for_ever() {
    let start = Instant::now();
    let mut window = Window::new(start, Totals::default());
    for _ in 0..9 {
        window.answered(MILLI, 1);
    }
    assert!(window.turn(WINDOW, start + WINDOW, totals(9, 0)).is_none());
    window.answered(MILLI, 1);
    let early = start + WINDOW - MILLI;
    assert!(window.turn(WINDOW, early, totals(10, 0)).is_none());
    assert!(window.turn(WINDOW, start + WINDOW, totals(10, 0)).is_some());
    window.answered(MILLI, 1);
    let patient = start + WINDOW + Duration::from_secs(1);
    assert!(
        window
            .turn(WINDOW, patient - MILLI, totals(11, 0))
            .is_none()
    );
    assert!(window.turn(WINDOW, patient, totals(11, 0)).is_some());
}
