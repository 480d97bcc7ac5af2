//! Every order in which threads may run, of the ledger itself: it is built here once more, with
//! loom's atomics in the place of `sync.rs`.

#![expect(dead_code, reason = "a crate's modules in a test")]

#[path = "../src/board/ledger.rs"]
mod ledger;
mod sync {
    pub(crate) use loom::sync::atomic::{AtomicU64, Ordering};

    pub(crate) const STRIPES: usize = 1;

    pub(crate) fn stripe() -> usize {
        0
    }
}

use loom::sync::Arc;
use loom::thread;

use self::ledger::{Item, Ledger, Numbers, Rest, difference, sum};

fn requests([requests, ..]: Numbers) -> u64 {
    requests
}

#[test]
fn what_is_counted_while_a_series_begins_and_ends_stands_in_one_place() {
    loom::model(|| {
        let both = Arc::new((Ledger::default(), Rest::default()));
        let counting = {
            let both = Arc::clone(&both);
            thread::spawn(move || {
                for _ in 0..3 {
                    both.0.add(Item::Requests, 1, &both.1);
                }
            })
        };
        let (ledger, rest) = &*both;
        let before = ledger.show();
        // What is told meanwhile only grows.
        let once = difference(ledger.counts(), before);
        let told = difference(ledger.hide(), before);
        assert!(requests(once) <= requests(told));
        counting.join().unwrap();
        let again = ledger.show();
        let after = difference(ledger.counts(), again);
        assert_eq!(requests(sum(sum(told, rest.counts()), after)), 3);
        assert_eq!(requests(ledger.counts()), 3);
    });
}
