//! When to open a connection: only for somebody who waits, and few at once.

/// What a pool has, and what it may have.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Growth {
    /// Connections at most.
    pub(crate) size: usize,
    /// Connections that are kept, whether they are used or not.
    pub(crate) min_idle: usize,
    /// Attempts at most that are on their way together.
    pub(crate) at_once: usize,
    /// Connections that are open: used, idle, or being tested.
    pub(crate) open: usize,
    /// Attempts that are on their way.
    pub(crate) connecting: usize,
}

impl Growth {
    /// How many attempts to begin now, while `waiting` callers have no connection.
    ///
    /// A burst that a few connections will have served by the time that others would be open
    /// opens no others: each attempt asks again before it begins.
    pub(crate) fn wanted(&self, waiting: usize) -> usize {
        let free = self.size.saturating_sub(self.open + self.connecting);
        let kept = self.min_idle.min(self.size).saturating_sub(self.open);
        let asked = waiting.max(kept).saturating_sub(self.connecting);
        let room = self.at_once.saturating_sub(self.connecting);
        asked.min(room).min(free)
    }

    /// Whether there are more than there may be, since the pool was made smaller.
    pub(crate) const fn has_too_many(&self) -> bool {
        self.open > self.size
    }
}

#[cfg(test)]
mod tests {
    use super::Growth;

    const COLD: Growth = Growth {
        size: 20,
        min_idle: 0,
        at_once: 2,
        open: 0,
        connecting: 0,
    };

    #[test]
    fn it_grows_for_those_who_wait_and_a_few_at_a_time() {
        assert_eq!(COLD.wanted(0), 0);
        assert_eq!(COLD.wanted(1), 1);
        assert_eq!(COLD.wanted(50), 2);
        let begun = Growth {
            connecting: 1,
            ..COLD
        };
        assert_eq!(
            begun.wanted(1),
            0,
            "the one on its way is for the one who waits"
        );
        assert_eq!(begun.wanted(50), 1);
        let nearly = Growth { open: 19, ..COLD };
        assert_eq!(nearly.wanted(50), 1);
        let full = Growth { open: 20, ..COLD };
        assert_eq!(full.wanted(50), 0);
        let shrunk = Growth { open: 25, ..COLD };
        assert_eq!(shrunk.wanted(50), 0);
        assert!(shrunk.has_too_many() && !full.has_too_many());
    }

    #[test]
    fn it_keeps_what_it_is_told_to_keep() {
        let kept = Growth {
            min_idle: 3,
            ..COLD
        };
        assert_eq!(kept.wanted(0), 2);
        assert_eq!(Growth { open: 2, ..kept }.wanted(0), 1);
        assert_eq!(Growth { open: 3, ..kept }.wanted(0), 0);
        let small = Growth { size: 1, ..kept };
        assert_eq!(small.wanted(0), 1);
    }
}
