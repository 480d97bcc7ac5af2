use std::num::NonZeroU32;

use crate::health::Verdict;

#[test]
fn the_first_answer_counts_at_once() {
    for answer in [true, false] {
        let mut verdict = verdict();
        assert_eq!(verdict.passes(), None);
        assert!(verdict.hear(answer));
        assert_eq!(verdict.passes(), Some(answer));
    }
}

#[test]
fn it_falls_after_three_failures_in_a_row_and_rises_after_two_passes() {
    let mut verdict = verdict();
    let heard = [
        (true, true),
        (false, true),
        (false, true),
        (false, false),
        (true, false),
        (true, true),
    ];
    for (n, (answer, after)) in heard.into_iter().enumerate() {
        let before = verdict.passes();
        let changed = verdict.hear(answer);
        assert_eq!(verdict.passes(), Some(after), "answer {n}");
        assert_eq!(changed, before != Some(after), "answer {n}");
    }
}

#[test]
fn what_flaps_stays_as_it_was() {
    for begin in [true, false] {
        let mut verdict = verdict();
        verdict.hear(begin);
        for n in 0..100 {
            assert!(!verdict.hear(n % 2 == 0));
            assert_eq!(verdict.passes(), Some(begin));
        }
    }
}

fn verdict() -> Verdict {
    let two = NonZeroU32::MIN.saturating_add(1);
    Verdict::new(two.saturating_add(1), two)
}
