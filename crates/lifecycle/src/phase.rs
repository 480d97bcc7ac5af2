/// Where a service is in its life. It only goes forward.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Phase {
    /// Not ready yet: connecting, warming up.
    Starting,
    /// Open for requests.
    Ready,
    /// Readiness fails, so that balancers look elsewhere; what still comes is served.
    Draining,
    /// No new connections; what is in flight may end.
    Closing,
    /// Nothing is in flight any more, or it was cut off; the close hooks run.
    Finishing,
    /// All is over.
    Stopped,
}

impl Phase {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Draining => "draining",
            Self::Closing => "closing",
            Self::Finishing => "finishing",
            Self::Stopped => "stopped",
        }
    }
}
