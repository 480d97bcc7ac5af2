use crate::value::Raw;

/// The way a list is read from a cursor.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "there is no third")]
pub enum Direction {
    /// As it is sorted.
    Forward,
    /// Against it, to find the page before.
    Backward,
}

impl Direction {
    pub(crate) const fn turned(self) -> Self {
        match self {
            Self::Forward => Self::Backward,
            Self::Backward => Self::Forward,
        }
    }
}

/// What a cursor says: read in `direction` from the row with these key values on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Position {
    pub(crate) direction: Direction,
    /// Whether that row itself is read too: on the way back from an empty page it is the
    /// row next to the gap.
    pub(crate) inclusive: bool,
    /// One for each column of the keyset; `None` is NULL.
    pub(crate) key: Vec<Option<Raw>>,
}
