use std::time::Duration;

use crate::window::{Tally, Window};

fn tally(calls: u32, failed: u32, slow: u32) -> Tally {
    Tally {
        calls,
        failed,
        slow,
    }
}

#[test]
fn the_rate_counts_once_there_are_enough_calls() {
    let window = Window::calls(100).at_least(10).failure_percent(30);
    assert!(!window.is_passed_by(tally(9, 9, 0)));
    assert!(window.is_passed_by(tally(10, 3, 0)));
    assert!(!window.is_passed_by(tally(10, 2, 0)));
    assert!(!window.is_passed_by(tally(11, 3, 0)));
    let slow = window.slow_percent(80);
    assert!(!slow.is_passed_by(tally(10, 0, 7)));
    assert!(slow.is_passed_by(tally(10, 0, 8)));
}

#[test]
fn a_minimum_above_the_size_is_the_size() {
    assert!(Window::calls(5).at_least(100).is_passed_by(tally(5, 5, 0)));
    let time = Window::time(Duration::from_secs(1)).at_least(100);
    assert!(!time.is_passed_by(tally(99, 99, 0)));
}

#[test]
fn what_lies_outside_of_a_range_is_its_end() {
    assert_eq!(Window::calls(0), Window::calls(1));
    assert_eq!(Window::calls(2_000), Window::calls(1_024));
    let time = |millis| Window::time(Duration::from_millis(millis));
    assert_eq!(time(0), time(10));
    assert_eq!(time(u64::MAX), time(24 * 60 * 60 * 1_000));
    let percent = |percent| Window::default().failure_percent(percent);
    assert_eq!(percent(0), percent(1));
    assert_eq!(percent(101), percent(100));
    // None at all is never too many.
    assert!(!percent(1).at_least(0).is_passed_by(tally(0, 0, 0)));
    assert!(!percent(0).is_passed_by(tally(20, 0, 0)));
}
