//! The counts that the figures stand on.

use towerblock_benches::{SUBJECTS, Subject};

fn allocations(subject: &Subject, requests: u32) -> u64 {
    let counted = allocation_counter::measure(|| {
        let _length = subject.serve(requests);
    });
    counted.count_total
}

#[test]
fn every_request_of_a_subject_allocates_alike() {
    for subject in SUBJECTS {
        // The first request of a process builds what all later ones use.
        allocations(subject, 3);
        let [three, six, nine] = [3, 6, 9].map(|requests| allocations(subject, requests));
        assert!(three < six, "{}", subject.name);
        // What an observation is kept in grows by a block now and then.
        let apart = (six - three).abs_diff(nine - six);
        assert!(apart <= 4, "{}: {three} {six} {nine}", subject.name);
    }
}
