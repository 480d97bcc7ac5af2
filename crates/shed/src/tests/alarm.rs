use std::time::Duration;

use tokio::time::Instant;

use crate::alarm::Alarm;

#[test]
fn it_tells_once_that_refusing_begins_and_once_that_it_has_ended() {
    let start = Instant::now();
    let at = |millis| start + Duration::from_millis(millis);
    let alarm = Alarm::new(start);
    assert!(!alarm.admitted(|| at(5_000)));
    assert!(alarm.refused(at(6_000)));
    assert!(!alarm.refused(at(6_500)));
    // A second after the last refusal, not after the first.
    assert!(!alarm.admitted(|| at(7_499)));
    assert!(alarm.admitted(|| at(7_500)));
    assert!(!alarm.admitted(|| at(8_000)));
    assert!(alarm.refused(at(9_000)));
}

#[test]
fn the_clock_is_not_read_while_nobody_is_refused() {
    let alarm = Alarm::new(Instant::now());
    assert!(!alarm.admitted(|| panic!("it was read")));
}
