/// How much it matters that a request is served now.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Class {
    /// Health checks, administration, payments: passes the soft limit and its tenant's share,
    /// and goes up to a tenth beyond the limit. It needs no tenant.
    Critical,
    /// Shares with other tenants what is above the soft limit.
    #[default]
    Normal,
    /// Prefetches, exports: refused from the soft limit on, whoever asks.
    Sheddable,
}

impl Class {
    pub(crate) const ALL: [(Self, &str); 3] = [
        (Self::Critical, "critical"),
        (Self::Normal, "normal"),
        (Self::Sheddable, "sheddable"),
    ];
}

/// Tells the class of a request. A closure `|req: &Request<_>| Class` is one.
///
/// What a client can choose, such as a header, is no ground for [`Class::Critical`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not tell the class of a `{Req}`",
    note = "a closure `|req: &Request<_>| Class` does, when the type of `req` is written out"
)]
pub trait Classify<Req> {
    /// The class of this request. Called once for each, outside any lock.
    fn class_of(&self, req: &Req) -> Class;
}

impl<Req, F> Classify<Req> for F
where
    F: Fn(&Req) -> Class,
{
    fn class_of(&self, req: &Req) -> Class {
        self(req)
    }
}

/// Every request is [`Class::Normal`].
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Unclassed;

impl<Req> Classify<Req> for Unclassed {
    fn class_of(&self, _: &Req) -> Class {
        Class::Normal
    }
}
