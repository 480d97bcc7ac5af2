use serde::Serialize;

/// Whether the rows of the whole list are counted.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Total {
    /// They are not.
    #[default]
    None,
    /// Up to so many: counting takes as long as reading them.
    Capped(u32),
}

/// How many rows the whole list has.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Count {
    /// So many were counted.
    pub count: u64,
    /// Whether that is all of them; otherwise there are more.
    pub exact: bool,
}

impl Count {
    pub(crate) fn capped(counted: u64, most: u32) -> Self {
        let most = most.into();
        Self {
            count: counted.min(most),
            exact: counted <= most,
        }
    }
}
