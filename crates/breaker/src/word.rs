use std::fmt;

/// What a circuit does with those who come.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum State {
    /// All may pass, and their outcomes are judged.
    Closed,
    /// A few may pass, and decide.
    HalfOpen,
    /// Nobody may pass until a time that is set.
    Open,
    /// Somebody opened it: nobody may pass until somebody says otherwise.
    ForcedOpen,
    /// Somebody closed it: all may pass, and nothing is judged.
    ForcedClosed,
}

impl State {
    /// In snake case: for logs and admin routes.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::HalfOpen => "half_open",
            Self::Open => "open",
            Self::ForcedOpen => "forced_open",
            Self::ForcedClosed => "forced_closed",
        }
    }

    /// Whether somebody forced it.
    #[must_use]
    pub const fn is_forced(self) -> bool {
        matches!(self, Self::ForcedOpen | Self::ForcedClosed)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// All that a circuit decides by, in one word:
/// `state:3 | generation:31 | level:6 | out:8 | passed:8 | failed:8`.
///
/// Each change of state is a new generation, so a generation has one state.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Word(pub(crate) u64);

const OUT: u32 = 16;
const PASSED: u32 = 8;
const FAILED: u32 = 0;
const LEVEL: u32 = 24;
const GENERATION: u32 = 30;
const STATE: u32 = 61;

pub(crate) const LAST_GENERATION: u32 = u32::MAX >> 1;
pub(crate) const HIGHEST_LEVEL: u8 = 63;

impl Word {
    pub(crate) const fn new(state: State, generation: u32, level: u8) -> Self {
        let generation = (generation & LAST_GENERATION) as u64;
        let level = if level > HIGHEST_LEVEL {
            HIGHEST_LEVEL
        } else {
            level
        };
        Self(((state as u64) << STATE) | (generation << GENERATION) | ((level as u64) << LEVEL))
    }

    /// The generation after this one.
    pub(crate) const fn enter(self, state: State, level: u8) -> Self {
        Self::new(state, self.generation().wrapping_add(1), level)
    }

    pub(crate) const fn state(self) -> State {
        match self.0 >> STATE {
            0 => State::Closed,
            1 => State::HalfOpen,
            2 => State::Open,
            3 => State::ForcedOpen,
            _ => State::ForcedClosed,
        }
    }

    pub(crate) const fn generation(self) -> u32 {
        (self.0 >> GENERATION) as u32 & LAST_GENERATION
    }

    /// Whether it is closed, and of that generation; both in one comparison.
    #[inline]
    pub(crate) const fn is_closed_in(self, generation: u32) -> bool {
        self.0 >> GENERATION == (Self::new(State::Closed, generation, 0).0 >> GENERATION)
    }

    /// How often it has opened without getting well in between.
    pub(crate) const fn level(self) -> u8 {
        (self.0 >> LEVEL) as u8 & HIGHEST_LEVEL
    }

    /// Probes that have no outcome yet.
    pub(crate) const fn out(self) -> u8 {
        (self.0 >> OUT) as u8
    }

    pub(crate) const fn passed(self) -> u8 {
        (self.0 >> PASSED) as u8
    }

    pub(crate) const fn failed(self) -> u8 {
        (self.0 >> FAILED) as u8
    }

    /// Probes that were admitted, and not given back.
    pub(crate) const fn probes(self) -> u32 {
        self.out() as u32 + self.passed() as u32 + self.failed() as u32
    }

    pub(crate) const fn one_out(self) -> Self {
        Self(self.0 + (1 << OUT))
    }

    pub(crate) const fn one_back(self) -> Self {
        Self(self.0 - (1 << OUT))
    }

    pub(crate) const fn one_passed(self) -> Self {
        Self(self.one_back().0 + (1 << PASSED))
    }

    pub(crate) const fn one_failed(self) -> Self {
        Self(self.one_back().0 + (1 << FAILED))
    }
}
