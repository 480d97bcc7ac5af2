use crate::State;

/// The last change of a circuit's state.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Transition {
    /// The state before.
    pub from: State,
    /// The state now.
    pub to: State,
    /// How many changes there were, this one included. A receiver may miss some, and never
    /// sees them out of order.
    pub generation: u32,
}

impl Transition {
    /// Generations go round after 31 bits.
    pub(crate) const fn is_later_than(&self, other: &Self) -> bool {
        let ahead = self.generation.wrapping_sub(other.generation) << 1;
        ahead > 0 && ahead < 1 << 31
    }
}

#[cfg(test)]
mod tests {
    use super::Transition;
    use crate::State;
    use crate::word::LAST_GENERATION;

    #[test]
    fn whoever_is_slow_to_tell_undoes_nothing() {
        let at = |generation| Transition {
            from: State::Closed,
            to: State::Open,
            generation,
        };
        let later = |one, other| at(one).is_later_than(&at(other));
        assert!(later(1, 0) && later(9, 3) && later(0, LAST_GENERATION));
        assert!(!later(0, 1) && !later(3, 3) && !later(LAST_GENERATION, 0));
    }
}
