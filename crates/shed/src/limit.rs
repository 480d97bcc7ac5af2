use std::num::NonZeroUsize;
use std::time::Duration;

use crate::gradient::Gradient;

/// How many requests may be in flight at once.
#[derive(Clone, Copy, Debug)]
pub struct Limit(Kind);

#[derive(Clone, Copy, Debug)]
enum Kind {
    Fixed(NonZeroUsize),
    Adaptive(Adaptive),
}

impl Limit {
    /// So many, always. Nothing is timed.
    #[must_use]
    pub const fn fixed(limit: NonZeroUsize) -> Self {
        Self(Kind::Fixed(limit))
    }

    /// As many as do not make each other slow, found out from how long they take.
    pub const fn adaptive() -> Adaptive {
        Adaptive {
            start: 20,
            floor: 5,
            ceiling: 1_000,
            tolerance_percent: 150,
            smoothing_percent: 20,
            window: Duration::from_millis(100),
        }
    }

    /// The limit to begin with, and how it goes on from there, if it does.
    pub(crate) fn start(self) -> (usize, Option<Adaptive>) {
        match self.0 {
            Kind::Fixed(limit) => (limit.get(), None),
            Kind::Adaptive(adaptive) => (Gradient::new(adaptive).limit(), Some(adaptive)),
        }
    }
}

impl From<Adaptive> for Limit {
    fn from(adaptive: Adaptive) -> Self {
        Self(Kind::Adaptive(adaptive))
    }
}

/// How a [`Limit`] adapts: by the gradient between how long requests usually take and how long
/// they take now, after Netflix's `Gradient2Limit`.
#[derive(Clone, Copy, Debug)]
#[must_use = "it is a setting: give it to `ShedLayer::new`"]
pub struct Adaptive {
    pub(crate) start: usize,
    pub(crate) floor: usize,
    pub(crate) ceiling: usize,
    pub(crate) tolerance_percent: u16,
    pub(crate) smoothing_percent: u8,
    pub(crate) window: Duration,
}

impl Adaptive {
    /// Begins with this limit, brought into [`between`](Self::between). Best a little less than
    /// what the server bears: whoever begins overloaded takes that for usual. Default: 20.
    pub const fn start(mut self, limit: NonZeroUsize) -> Self {
        self.start = limit.get();
        self
    }

    /// Stays between these two, inclusive; when they cross, at the first. Default: 5 and 1,000.
    pub const fn between(mut self, floor: NonZeroUsize, ceiling: NonZeroUsize) -> Self {
        (self.floor, self.ceiling) = (floor.get(), ceiling.get());
        self
    }

    /// Takes for overload what lasts longer than so many percent of what is usual, from 100
    /// to 1,000. Less sheds earlier, and in a noisy service for no reason. Default: 150.
    pub fn tolerance_percent(mut self, percent: u16) -> Self {
        self.tolerance_percent = percent.clamp(100, 1_000);
        self
    }

    /// Goes so many percent of the way to the new limit in each window, from 1 to 100.
    /// Default: 20.
    pub fn smoothing_percent(mut self, percent: u8) -> Self {
        self.smoothing_percent = percent.clamp(1, 100);
        self
    }

    /// Takes the mean over at least so long, from 10 ms to 10 s, over at least twice the usual
    /// time of a request, and over ten requests where there are ten in a second. Default: 100 ms.
    pub fn window(mut self, window: Duration) -> Self {
        self.window = window.clamp(Duration::from_millis(10), Duration::from_secs(10));
        self
    }
}
