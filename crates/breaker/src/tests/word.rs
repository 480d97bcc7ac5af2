use crate::word::{HIGHEST_LEVEL, LAST_GENERATION, State, Word};

#[test]
fn each_part_keeps_to_itself() {
    for state in [
        State::Closed,
        State::HalfOpen,
        State::Open,
        State::ForcedOpen,
        State::ForcedClosed,
    ] {
        let word = Word::new(state, LAST_GENERATION, HIGHEST_LEVEL);
        let word = word.one_out().one_out().one_out().one_passed().one_failed();
        assert_eq!(word.state(), state);
        assert_eq!(word.generation(), LAST_GENERATION);
        assert_eq!(word.level(), HIGHEST_LEVEL);
        assert_eq!((word.out(), word.passed(), word.failed()), (1, 1, 1));
        assert_eq!(word.probes(), 3);
        assert_eq!(word.enter(State::Open, 200).generation(), 0);
        assert_eq!(word.enter(State::Open, 200).level(), HIGHEST_LEVEL);
        assert_eq!(word.enter(State::Open, 200).probes(), 0);
    }
}
