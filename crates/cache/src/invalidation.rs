/// How far an invalidation has reached when it returns.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[must_use = "an invalidation may not have reached everywhere"]
#[non_exhaustive]
pub enum Invalidation {
    /// Every instance that shares the data, but for those that do not hear what others say. A hub
    /// that keeps all in memory shares it with nobody: that is this one.
    Everywhere,
    /// This instance. Redis could not be told and will be, as soon as it can; meanwhile the
    /// others serve what they have in memory, no longer than they trust it.
    Here,
}
