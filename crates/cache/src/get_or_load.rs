use std::fmt;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::{Error, Hit};

/// The future of `get_or_load`: ready when it is first polled, if the value was in memory.
///
/// `None` says that there is no such thing. It has no lifetime and may be moved to another task;
/// dropping it ends no load.
#[must_use = "futures do nothing unless polled"]
pub struct GetOrLoad<V> {
    state: State<V>,
}

enum State<V> {
    Ready(Result<Option<Hit<V>>, Error>),
    // Boxed: a hit should not carry the room of a miss.
    Loads(Pin<Box<Load<V>>>),
    Done,
}

type Load<V> = dyn Future<Output = Result<Option<Hit<V>>, Error>> + Send;

impl<V> GetOrLoad<V> {
    #[inline]
    pub(crate) const fn ready(answer: Result<Option<Hit<V>>, Error>) -> Self {
        let state = State::Ready(answer);
        Self { state }
    }

    pub(crate) fn loads(
        load: impl Future<Output = Result<Option<Hit<V>>, Error>> + Send + 'static,
    ) -> Self {
        let state = State::Loads(Box::pin(load));
        Self { state }
    }
}

impl<V> Future for GetOrLoad<V> {
    type Output = Result<Option<Hit<V>>, Error>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let State::Loads(load) = &mut self.state {
            return load.as_mut().poll(cx);
        }
        match mem::replace(&mut self.state, State::Done) {
            State::Ready(answer) => Poll::Ready(answer),
            State::Loads(_) | State::Done => Poll::Pending,
        }
    }
}

impl<V> fmt::Debug for GetOrLoad<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Ready(_) => "ready",
            State::Loads(_) => "loads",
            State::Done => "done",
        };
        f.debug_tuple("GetOrLoad").field(&state).finish()
    }
}
