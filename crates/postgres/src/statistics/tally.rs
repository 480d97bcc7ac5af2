use std::ops::{AddAssign, Sub};

/// What somebody took; times in µs.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Tally {
    pub(crate) queries: u64,
    pub(crate) rows: u64,
    pub(crate) execute: u64,
    pub(crate) hold: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, more: Self) {
        self.queries = self.queries.saturating_add(more.queries);
        self.rows = self.rows.saturating_add(more.rows);
        self.execute = self.execute.saturating_add(more.execute);
        self.hold = self.hold.saturating_add(more.hold);
    }
}

impl Sub for Tally {
    type Output = Self;

    fn sub(self, less: Self) -> Self {
        Self {
            queries: self.queries.saturating_sub(less.queries),
            rows: self.rows.saturating_sub(less.rows),
            execute: self.execute.saturating_sub(less.execute),
            hold: self.hold.saturating_sub(less.hold),
        }
    }
}
