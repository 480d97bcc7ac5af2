use std::cmp::Reverse;

/// How much a tenant did lately, by each way to rank them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate {
    pub(crate) scores: [u64; 3],
    /// It has a series now.
    pub(crate) shown: bool,
}

/// Who has a series from now on, by place in `candidates`: of each ranking the first, then of
/// each the second, and so on until there are `top`.
///
/// Series do not come and go at a client's will: who has one counts for a quarter more, is
/// replaced and never just dropped, and at most `newcomers` replace others.
pub(crate) fn choose(candidates: &[Candidate], top: usize, newcomers: usize) -> Vec<usize> {
    let mut wanted = vec![false; candidates.len()];
    let mut chosen = Vec::new();
    for place in in_turns(candidates, top) {
        if let Some(wanted) = wanted.get_mut(place).filter(|wanted| !**wanted) {
            *wanted = true;
            chosen.push(place);
        }
        if chosen.len() == top {
            break;
        }
    }
    let is_shown = |place: &usize| candidates.get(*place).is_some_and(|of| of.shown);
    let (mut stay, mut come): (Vec<_>, Vec<_>) = chosen.into_iter().partition(is_shown);
    let mut leave: Vec<_> = (0..candidates.len())
        .filter(|place| is_shown(place) && !stay.contains(place))
        .collect();
    let free = top.saturating_sub(stay.len() + leave.len());
    come.truncate(free.saturating_add(newcomers));
    // The busiest of them go last.
    leave.sort_by_key(|place| Reverse(candidates.get(*place).map(|of| of.scores)));
    leave.truncate(top.saturating_sub(stay.len() + come.len()));
    stay.append(&mut come);
    stay.append(&mut leave);
    stay
}

/// The first of each ranking, then the second of each, and so on.
fn in_turns(candidates: &[Candidate], top: usize) -> impl Iterator<Item = usize> {
    let rankings = [0, 1, 2].map(|by| {
        let score = |place: &usize| {
            let of = candidates.get(*place);
            let score = of.and_then(|of| of.scores.get(by)).copied();
            let score = score.unwrap_or_default();
            let more = of.is_some_and(|of| of.shown);
            score.saturating_add(if more { score / 4 } else { 0 })
        };
        let mut places: Vec<_> = (0..candidates.len())
            .filter(|place| score(place) > 0)
            .collect();
        places.sort_by_key(|place| Reverse(score(place)));
        // Of each ranking at most `top` are wanted, whatever the others have.
        places.truncate(top);
        places
    });
    (0..top)
        .flat_map(move |turn| rankings.clone().map(|of| of.get(turn).copied()))
        .flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Candidate, choose};

    fn candidate(scores: [u64; 3], shown: bool) -> Candidate {
        Candidate { scores, shown }
    }

    #[test]
    fn each_ranking_has_its_turn() {
        let candidates = [
            candidate([100, 0, 1], false),
            candidate([90, 0, 2], false),
            candidate([1, 5, 3], false),
            candidate([2, 1, 900], false),
            candidate([0, 0, 0], false),
        ];
        assert_eq!(choose(&candidates, 3, 1), [0, 2, 3]);
        assert_eq!(choose(&candidates, 9, 1), [0, 2, 3, 1]);
    }

    #[test]
    fn few_at_a_time_replace_others_and_only_who_has_clearly_more() {
        let shown: Vec<_> = (0..4).map(|_| candidate([100, 0, 0], true)).collect();
        let mut candidates = shown.clone();
        candidates.extend((0..4).map(|_| candidate([120, 0, 0], false)));
        assert_eq!(choose(&candidates, 4, 1), [0, 1, 2, 3]);

        let mut candidates = shown;
        candidates.extend((0..4).map(|_| candidate([200, 0, 0], false)));
        assert_eq!(choose(&candidates, 4, 1), [4, 0, 1, 2]);
    }

    #[test]
    fn who_is_idle_stays_until_the_place_is_needed() {
        let candidates = [candidate([0; 3], true), candidate([7, 0, 0], false)];
        assert_eq!(choose(&candidates, 2, 1), [1, 0]);
        assert_eq!(choose(&candidates, 1, 1), [1]);
    }

    proptest! {
        #[test]
        fn never_more_than_the_top_and_never_more_newcomers_than_may_come(
            of in proptest::collection::vec((any::<[u8; 3]>(), any::<bool>()), 0..40),
            top in 1_usize..12,
            newcomers in 1_usize..4,
        ) {
            let mut places = top;
            let candidates: Vec<_> = of
                .into_iter()
                .map(|(scores, shown)| {
                    let shown = shown && places > 0;
                    places -= usize::from(shown);
                    candidate(scores.map(u64::from), shown)
                })
                .collect();
            let mut chosen = choose(&candidates, top, newcomers);
            let fresh = chosen.iter().filter(|place| !candidates[**place].shown).count();
            prop_assert!(chosen.len() <= top);
            prop_assert!(fresh <= places + newcomers);
            chosen.sort_unstable();
            chosen.dedup();
            let shown = candidates.iter().filter(|of| of.shown).count();
            prop_assert!(chosen.len() >= shown);
        }

        #[test]
        fn to_begin_with_the_first_of_each_ranking_are_there(
            of in proptest::collection::vec(any::<[u16; 3]>(), 1..40),
            third in 1_usize..5,
        ) {
            let candidates: Vec<_> = of
                .iter()
                .map(|scores| candidate(scores.map(u64::from), false))
                .collect();
            let chosen = choose(&candidates, third * 3, 1);
            for by in 0..3 {
                for (place, of) in candidates.iter().enumerate() {
                    let above = |other: &&Candidate| other.scores[by] >= of.scores[by];
                    let rank = candidates.iter().filter(above).count();
                    if rank <= third && of.scores[by] > 0 {
                        prop_assert!(chosen.contains(&place));
                    }
                }
            }
        }
    }
}
