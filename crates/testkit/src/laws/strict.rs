use std::pin::Pin;
use std::task::{Context, Poll};

use http::Response;
use tokio::task::yield_now;
use tower::Service;

/// An inner service as strict as the contract allows: it must be polled until it is
/// ready before every call, and a clone starts unready. `service_fn` forgives both.
#[derive(Debug)]
pub struct Strict {
    mood: Mood,
    polls: u32,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Mood {
    Prompt,
    Slow,
    Broken,
}

impl Strict {
    /// Ready and answering at the first poll.
    #[must_use]
    pub fn prompt() -> Self {
        Self::new(Mood::Prompt)
    }

    /// Pending once before it is ready, and once before it answers.
    #[must_use]
    pub fn slow() -> Self {
        Self::new(Mood::Slow)
    }

    /// Its `poll_ready` fails.
    #[must_use]
    pub fn broken() -> Self {
        Self::new(Mood::Broken)
    }

    fn new(mood: Mood) -> Self {
        Self { mood, polls: 0 }
    }

    fn is_ready(&self) -> bool {
        match self.mood {
            Mood::Prompt => self.polls > 0,
            Mood::Slow => self.polls > 1,
            Mood::Broken => false,
        }
    }
}

/// A clone is not ready, whatever the original was: readiness belongs to one instance.
impl Clone for Strict {
    fn clone(&self) -> Self {
        Self::new(self.mood)
    }
}

impl<Req> Service<Req> for Strict {
    type Response = Response<String>;
    type Error = &'static str;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.polls += 1;
        if self.mood == Mood::Broken {
            return Poll::Ready(Err("broken"));
        }
        if self.is_ready() {
            return Poll::Ready(Ok(()));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn call(&mut self, _: Req) -> Self::Future {
        assert!(self.is_ready(), "called before it was ready");
        *self = self.clone();
        let slow = self.mood == Mood::Slow;
        Box::pin(async move {
            if slow {
                yield_now().await;
            }
            Ok(Response::default())
        })
    }
}
