/// An answer is not what it should be: stale, partial, or made up for a dependency that is away.
///
/// It stands in the extensions of a response; `RespondLayer` tells the client in `x-degraded`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Degraded {
    reason: &'static str,
}

impl Degraded {
    /// For this reason: a word fit for a header, such as `stale`.
    #[must_use]
    pub const fn new(reason: &'static str) -> Self {
        Self { reason }
    }

    /// What is wrong with it.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        self.reason
    }
}
