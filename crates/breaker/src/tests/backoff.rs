use std::time::Duration;

use crate::backoff::{Backoff, DAY};

#[test]
fn it_doubles_up_to_the_longest() {
    let backoff = Backoff::from(Duration::from_secs(2))
        .at_most(Duration::from_secs(30))
        .jitter_percent(0);
    let waits = [1, 2, 3, 4, 5, 6, 63].map(|level| backoff.wait(level, 12_345));
    assert_eq!(waits, [2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
    let day = Backoff::from(Duration::MAX).at_most(Duration::MAX);
    assert_eq!(day.wait(63, 0), DAY.as_millis() as u64);
}

#[test]
fn jitter_stays_within_its_bounds_and_reaches_both() {
    let backoff = Backoff::from(Duration::from_millis(100)).jitter_percent(30);
    let waits = (0..31).map(|random| backoff.wait(1, random));
    assert!(waits.eq((70..=100).rev()));
    let all = Backoff::from(Duration::from_millis(1)).jitter_percent(200);
    assert_eq!(all.wait(1, 1), 1);
}

#[test]
fn the_longest_is_at_least_the_first() {
    let backoff = Backoff::from(Duration::from_secs(90)).jitter_percent(0);
    assert_eq!(backoff.wait(1, 0), 90_000);
    assert_eq!(backoff.wait(9, 0), 90_000);
}

#[test]
fn a_healthy_time_takes_one_level_away() {
    let backoff = Backoff::default().decay_every(Duration::from_secs(10));
    assert_eq!(backoff.decayed(3, 9_999), 3);
    assert_eq!(backoff.decayed(3, 10_000), 2);
    assert_eq!(backoff.decayed(3, 29_999), 1);
    assert_eq!(backoff.decayed(3, u64::MAX), 0);
}
