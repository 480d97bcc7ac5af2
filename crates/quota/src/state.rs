/// What is remembered of one key under one policy, whatever its rate is. All zeros is somebody
/// who has never asked; times are in nanoseconds since the limiter was made.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct State {
    /// From when on all is forgotten, in the ticks of its shape.
    pub(crate) mark: u64,
    /// Steady: the ticks of one unit. Strict: the four younger counts.
    pub(crate) word: u64,
    /// In [`BLOCK_TICK`]s.
    until: u32,
    /// Strict: the oldest count.
    pub(crate) oldest: u16,
    pub(crate) shape: Shape,
}

/// Which rate the rest is to be read by.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Shape(pub(crate) u16);

impl Shape {
    /// Steady, in ticks of a nanosecond.
    pub(crate) const FINE: Self = Self(0);
    /// Steady, in ticks of a millisecond.
    pub(crate) const COARSE: Self = Self(1);

    /// Strict, by slices of this length. Two lengths in 65,000 look the same, and then a change
    /// of plan from one to the other ages what was used by the wrong one.
    pub(crate) fn of_slices(nanos: u64) -> Self {
        let mixed = nanos.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48;
        Self((mixed as u16).max(2))
    }

    pub(crate) const fn tick(self) -> u64 {
        match self {
            Self::COARSE => 1_000_000,
            _ => 1,
        }
    }

    /// A whole number of its ticks. Divides by a constant, or not at all.
    pub(crate) const fn ticks(self, nanos: u64) -> u64 {
        match self {
            Self::COARSE => nanos / 1_000_000,
            _ => nanos,
        }
    }

    pub(crate) const fn is_strict(self) -> bool {
        self.0 > 1
    }
}

/// 32 bits of it last for 13 years.
const BLOCK_TICK: u64 = 100_000_000;

/// What a rate says to a cost.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Judged {
    /// It fits: so much is left after it, and all is back after so many nanoseconds.
    Room { remaining: u64, reset: u64 },
    /// It fits after so many nanoseconds, if nobody else comes.
    Full { wait: u64 },
    /// It was blocked before, for so long.
    Blocked { wait: u64 },
    /// It is more than the limit.
    Never,
}

impl State {
    /// Whether it may be forgotten, for it says nothing that somebody new would not be told.
    pub(crate) const fn is_idle(&self, now: u64) -> bool {
        self.forgotten(now) && self.until as u64 * BLOCK_TICK <= now
    }

    pub(crate) const fn forgotten(&self, now: u64) -> bool {
        self.mark <= self.shape.ticks(now)
    }

    /// How long it is blocked for.
    pub(crate) fn blocked(&self, now: u64) -> Option<u64> {
        let wait = (u64::from(self.until) * BLOCK_TICK).saturating_sub(now);
        (wait > 0).then_some(wait)
    }

    pub(crate) fn block(&mut self, now: u64, penalty: u64) -> u64 {
        let until = now.saturating_add(penalty).div_ceil(BLOCK_TICK);
        self.until = u32::try_from(until).unwrap_or(u32::MAX);
        self.blocked(now).unwrap_or_default()
    }

    #[cfg(all(test, feature = "redis"))]
    pub(crate) const fn unblock(&mut self) {
        self.until = 0;
    }

    /// Units used and not yet back, with their remainder: numerator and denominator. Strict
    /// slices of an unknown length are all counted.
    pub(crate) fn used(&self, now: u64) -> (u64, u64) {
        if self.forgotten(now) {
            (0, 1)
        } else if self.shape.is_strict() {
            (self.counts().map(u64::from).iter().sum(), 1)
        } else {
            (self.mark - self.shape.ticks(now), self.word.max(1))
        }
    }

    /// The newest first.
    pub(crate) fn counts(&self) -> [u16; 5] {
        let [a, b, c, d, e, f, g, h] = self.word.to_le_bytes();
        let of = u16::from_le_bytes;
        [of([a, b]), of([c, d]), of([e, f]), of([g, h]), self.oldest]
    }

    pub(crate) fn set_counts(&mut self, [a, b, c, d, oldest]: [u16; 5]) {
        let ([a, b], [c, d]) = ([a, b].map(u64::from), [c, d].map(u64::from));
        self.word = a | b << 16 | c << 32 | d << 48;
        self.oldest = oldest;
    }
}
