use crate::buckets::Buckets;

const TAG: u64 = 512;

#[test]
fn a_call_counts_for_the_span_and_no_longer() {
    let buckets = Buckets::new(1_000, true);
    buckets.record(TAG, 0, true, true);
    buckets.record(TAG, 999, false, false);
    let tally = buckets.tally(TAG, 999);
    assert_eq!((tally.calls, tally.failed, tally.slow), (2, 1, 1));
    let tally = buckets.tally(TAG, 1_000);
    assert_eq!((tally.calls, tally.failed, tally.slow), (1, 0, 0));
    assert_eq!(buckets.tally(TAG, 1_899).calls, 1);
    assert_eq!(buckets.tally(TAG, 1_900).calls, 0);
}

#[test]
fn after_a_gap_of_any_length_nothing_old_counts() {
    for gap in [
        1_000,
        10_000,
        100 << 16,
        (100 << 16) + 1,
        100 << 32,
        (100 << 32) + 50,
    ] {
        let buckets = Buckets::new(1_000, false);
        (0..20).for_each(|n| buckets.record(TAG, 50 * n, true, false));
        assert_eq!(buckets.tally(TAG, 950).failed, 20);
        let now = 950 + gap;
        assert_eq!(buckets.tally(TAG, now).calls, 0, "{gap}");
        buckets.record(TAG, now, false, false);
        assert_eq!(buckets.tally(TAG, now).calls, 1, "{gap}");
        assert_eq!(buckets.tally(TAG, now).failed, 0, "{gap}");
    }
}

#[test]
fn another_generation_begins_empty_though_no_time_has_passed() {
    let buckets = Buckets::new(1_000, false);
    (0..20).for_each(|n| buckets.record(TAG, 50 * n, true, false));
    let next = TAG + 512;
    assert_eq!(buckets.tally(next, 950).calls, 0);
    buckets.record(next, 950, false, false);
    buckets.record(TAG, 950, true, false);
    assert_eq!(buckets.tally(next, 950).calls, 1);
    assert_eq!(buckets.tally(next, 950).failed, 0);
}

#[test]
fn a_span_of_less_than_ten_milliseconds_is_ten() {
    let buckets = Buckets::new(3, false);
    buckets.record(TAG, 0, true, false);
    assert_eq!(buckets.tally(TAG, 9).failed, 1);
    assert_eq!(buckets.tally(TAG, 10).failed, 0);
}
