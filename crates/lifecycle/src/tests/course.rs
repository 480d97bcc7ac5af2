use std::time::Duration;

use tokio::time::Instant;

use crate::course::{Course, Left};
use crate::{Deadlines, Phase};

const NOTHING: Left = Left {
    work: false,
    held: 0,
};
const SERVING: Left = Left {
    work: true,
    held: 0,
};

#[test]
fn each_phase_ends_at_its_deadline_and_all_of_them_after_thirty_seconds() {
    let (mut course, start) = ready();
    assert_eq!(course.deadline(), None);
    course.stop(start);
    assert_eq!(course.phase(), Phase::Draining);
    assert_eq!(course.deadline(), Some(start + secs(5)));
    course.tick(start + secs(4), SERVING);
    assert_eq!(course.phase(), Phase::Draining);
    course.tick(start + secs(5), SERVING);
    assert_eq!(course.phase(), Phase::Closing);
    assert_eq!(course.deadline(), Some(start + secs(20)));
    course.tick(start + secs(19), SERVING);
    assert_eq!(course.phase(), Phase::Closing);
    course.tick(start + secs(20), SERVING);
    assert_eq!(course.phase(), Phase::Finishing);
    assert!(course.is_aborted());
    assert_eq!(course.deadline(), Some(start + secs(30)));
    assert_eq!(Deadlines::default().total(), secs(30));
    course.finished(start + secs(30));
    assert_eq!((course.phase(), course.deadline()), (Phase::Stopped, None));
}

#[test]
fn draining_is_not_cut_short_by_having_nothing_to_do() {
    let (mut course, start) = ready();
    course.stop(start);
    course.tick(start + secs(4), SERVING);
    assert_eq!(course.phase(), Phase::Draining);
}

#[test]
fn closing_ends_with_the_last_of_the_work_and_of_what_is_held() {
    for (left, phase) in [
        (SERVING, Phase::Closing),
        (
            Left {
                work: false,
                held: 1,
            },
            Phase::Closing,
        ),
        (
            Left {
                work: true,
                held: 1,
            },
            Phase::Closing,
        ),
        (NOTHING, Phase::Finishing),
    ] {
        let (mut course, start) = ready();
        course.stop(start);
        course.tick(start + secs(5), SERVING);
        course.tick(start + secs(6), left);
        assert_eq!(course.phase(), phase, "{left:?}");
        assert!(!course.is_aborted());
    }
}

#[test]
fn a_late_tick_adds_nothing_to_the_total() {
    let (mut course, start) = ready();
    course.stop(start);
    course.tick(start + secs(8), SERVING);
    assert_eq!(course.deadline(), Some(start + secs(20)));
    let (mut course, start) = ready();
    course.stop(start);
    course.tick(start + secs(60), SERVING);
    assert_eq!(course.phase(), Phase::Finishing);
    assert!(course.is_aborted());
}

#[test]
fn a_second_stop_aborts_and_a_third_skips_the_hooks() {
    for phase in [Phase::Draining, Phase::Closing] {
        let (mut course, start) = ready();
        course.stop(start);
        if phase == Phase::Closing {
            course.tick(start + secs(5), SERVING);
        }
        assert_eq!(course.phase(), phase);
        course.stop(start + secs(6));
        assert_eq!(course.phase(), Phase::Finishing);
        assert!(course.is_aborted());
        course.stop(start + secs(7));
        assert_eq!(course.phase(), Phase::Stopped);
    }
}

#[test]
fn who_was_never_ready_has_nobody_to_tell() {
    let start = Instant::now();
    let mut course = Course::new(Deadlines::default(), start);
    course.stop(start);
    assert_eq!(course.phase(), Phase::Closing);
    // Too late.
    course.ready(start);
    assert_eq!(course.phase(), Phase::Closing);
}

#[test]
fn work_that_ends_by_itself_ends_the_service() {
    let (mut course, start) = ready();
    course.tick(
        start,
        Left {
            work: false,
            held: 1,
        },
    );
    assert_eq!(course.phase(), Phase::Closing);
    course.tick(start, NOTHING);
    assert_eq!(course.phase(), Phase::Finishing);
    assert!(!course.is_aborted());
}

#[test]
fn no_deadline_is_too_long() {
    let start = Instant::now();
    let forever = Deadlines::default().drain(Duration::MAX);
    let mut course = Course::new(forever, start);
    course.ready(start);
    course.stop(start);
    assert!(course.deadline().is_some());
    course.tick(start + secs(1_000_000), SERVING);
    assert_eq!(course.phase(), Phase::Draining);
    assert_eq!(forever.total(), Duration::MAX);
}

fn ready() -> (Course, Instant) {
    let start = Instant::now();
    let mut course = Course::new(Deadlines::default(), start);
    course.ready(start);
    (course, start)
}

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}
