use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;
use towerblock_core::Rejected;

use crate::gate::{Answer, Deciding};
use crate::{Decision, Headers, LimitedBody, refusal};

pin_project! {
    /// Response future of [`RateLimit`](crate::RateLimit).
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<S, B, S::Future>,
        told: Option<(Decision, Headers)>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, B, F> {
        // Boxed, for it is rare: others have to be asked.
        Waiting { waiting: Option<Box<Waiting<S, B>>> },
        Passed { #[pin] inner: F },
        Refused { rejected: Rejected },
    }
}

/// The request and the service that wait for what is decided.
struct Waiting<S, B> {
    deciding: Deciding,
    service: S,
    req: Request<B>,
    headers: Headers,
}

impl<S, B> ResponseFuture<S, B>
where
    S: Service<Request<B>>,
{
    pub(crate) const fn passed(inner: S::Future, told: Option<(Decision, Headers)>) -> Self {
        let state = State::Passed { inner };
        Self { state, told }
    }

    pub(crate) const fn refused(rejected: Rejected, told: Option<(Decision, Headers)>) -> Self {
        let state = State::Refused { rejected };
        Self { state, told }
    }

    pub(crate) fn waiting(
        deciding: Deciding,
        service: S,
        req: Request<B>,
        headers: Headers,
    ) -> Self {
        let waiting = Some(Box::new(Waiting {
            deciding,
            service,
            req,
            headers,
        }));
        let state = State::Waiting { waiting };
        Self { state, told: None }
    }
}

impl<S, B, R> Future for ResponseFuture<S, B>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Output = Result<Response<LimitedBody<R>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let mut response = loop {
            match this.state.as_mut().project() {
                StateProj::Waiting { waiting } => {
                    // It is gone only once it is decided, and then the state is another.
                    let Some(mut held) = waiting.take() else {
                        return Poll::Pending;
                    };
                    let Poll::Ready(decision) = Pin::new(&mut held.deciding).poll(cx) else {
                        *waiting = Some(held);
                        return Poll::Pending;
                    };
                    let next = match Answer::of(decision, &mut held.req, held.headers) {
                        Answer::Refuse(rejected, told) => {
                            *this.told = told;
                            State::Refused { rejected }
                        }
                        Answer::Pass(told) => {
                            *this.told = told;
                            let mut held = *held;
                            let inner = held.service.call(held.req);
                            State::Passed { inner }
                        }
                    };
                    this.state.set(next);
                }
                StateProj::Passed { inner } => break ready!(inner.poll(cx))?.map(LimitedBody::new),
                StateProj::Refused { rejected } => {
                    let decision = this.told.as_ref().map(|(decision, _)| decision);
                    break refusal::response(rejected, decision);
                }
            }
        };
        if let Some((decision, headers)) = this.told {
            headers.write(decision, response.headers_mut());
        }
        Poll::Ready(Ok(response))
    }
}

impl<S, B> fmt::Debug for ResponseFuture<S, B>
where
    S: Service<Request<B>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
