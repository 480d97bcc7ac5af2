use crate::ring::Ring;

#[test]
fn the_oldest_call_makes_room_for_the_newest() {
    for size in [1, 7, 24, 25, 1_024] {
        let ring = Ring::new(size, true);
        for n in 0..3 * u32::from(size) {
            ring.record(1, true, n % 2 == 0);
            assert_eq!(ring.tally(1).calls, (n + 1).min(size.into()));
            assert_eq!(ring.tally(1).failed, (n + 1).min(size.into()));
        }
        for n in 0..u32::from(size) {
            ring.record(1, false, false);
            assert_eq!(ring.tally(1).failed, u32::from(size) - n - 1);
        }
        assert_eq!(ring.tally(1).slow, 0);
        assert_eq!(ring.tally(1).calls, size.into());
    }
}

#[test]
fn another_generation_begins_empty() {
    let ring = Ring::new(10, true);
    (0..10).for_each(|_| ring.record(1, true, true));
    assert_eq!(ring.tally(2).calls, 0);
    ring.record(2, false, false);
    ring.record(1, true, true);
    let tally = ring.tally(2);
    assert_eq!((tally.calls, tally.failed, tally.slow), (1, 0, 0));
}
