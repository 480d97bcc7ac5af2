/// How far an invalidation has reached when it returns.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[must_use = "an invalidation may not have reached everywhere"]
#[non_exhaustive]
pub enum Invalidation {
    /// Every instance that shares the data. A hub that keeps it in memory only shares it with
    /// nobody: that is this one.
    Everywhere,
}
