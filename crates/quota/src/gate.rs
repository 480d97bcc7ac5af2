use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Method, Request};
use towerblock_core::{Reason, Rejected};

use crate::counters::Counters;
use crate::limits::{Asked, Limits};
use crate::{Decision, Headers, Identify};

/// What the clones of a layer share.
#[derive(Debug)]
pub(crate) struct Gate<I> {
    pub(crate) limits: Limits,
    pub(crate) identify: I,
    pub(crate) counters: Arc<Counters>,
}

/// What a request gets to hear.
pub(crate) enum Answer {
    /// It goes on, and its response tells of that unless nothing limited it.
    Pass(Option<(Decision, Headers)>),
    Refuse(Rejected, Option<(Decision, Headers)>),
}

/// What is decided once others were asked, and who counts it.
pub(crate) struct Deciding {
    asked: Asked,
    counters: Arc<Counters>,
}

impl<I> Gate<I> {
    pub(crate) fn enter<B>(
        &self,
        req: &mut Request<B>,
        headers: Headers,
    ) -> Result<Answer, Deciding>
    where
        I: Identify<Request<B>>,
    {
        // A preflight comes without credentials, so that it names nobody (fetch, 3.2.2).
        if req.method() == Method::OPTIONS {
            self.counters.count(&Decision::exempt());
            return Ok(Answer::Pass(None));
        }
        let Some(ask) = self.identify.identify(req) else {
            self.counters.unknown();
            let unknown = Rejected::new("quota", Reason::UnknownTenant);
            return Ok(Answer::Refuse(unknown, None));
        };
        match self.limits.enter(ask) {
            Ok(decision) => {
                self.counters.count(&decision);
                Ok(Answer::of(decision, req, headers))
            }
            Err(asked) => Err(Deciding {
                asked,
                counters: Arc::clone(&self.counters),
            }),
        }
    }
}

impl Future for Deciding {
    type Output = Decision;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Decision> {
        let decision = ready!(self.asked.0.as_mut().poll(cx));
        self.counters.count(&decision);
        Poll::Ready(decision)
    }
}

impl Answer {
    pub(crate) fn of<B>(decision: Decision, req: &mut Request<B>, headers: Headers) -> Self {
        let told = (headers != Headers::Off && decision.outcome.tightest.is_some())
            .then(|| (decision.clone(), headers));
        match decision.rejected() {
            None => {
                req.extensions_mut().insert(decision);
                Self::Pass(told)
            }
            Some(rejected) => Self::Refuse(rejected, Some((decision, headers))),
        }
    }
}
