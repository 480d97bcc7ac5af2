//! What is told to a switch, and what it says.

use crate::word::State;

/// What became of a call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Mark {
    Nothing,
    Done { failed: bool, slow: bool },
}

/// A generation that has begun.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Change {
    pub(crate) from: State,
    pub(crate) to: State,
    pub(crate) generation: u32,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Admitted {
    /// In that generation.
    Passes(u32),
    /// As the first probe.
    Begins(Change),
    /// For so many milliseconds, when that is known.
    Not(Option<u64>),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Finished {
    /// It changed nothing.
    Noted,
    Changed(Change),
    /// It belonged to an earlier generation.
    Stale,
}
