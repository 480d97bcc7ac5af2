use http::{Method, Request};
use tokio::time::Instant;
use towerblock_core::{Reason, Rejected};

use crate::counters::Counters;
use crate::{Decision, Headers, Identify, RateLimiter};

/// What the clones of a layer share.
#[derive(Debug)]
pub(crate) struct Gate<I> {
    pub(crate) limiter: RateLimiter,
    pub(crate) identify: I,
    pub(crate) counters: Counters,
}

/// What a request gets to hear.
#[derive(Debug)]
pub(crate) enum Answer {
    /// It goes on, and its response tells of that unless nothing limited it.
    Pass(Option<(Decision, Headers)>),
    Refuse(Rejected, Option<(Decision, Headers)>),
}

impl<I> Gate<I> {
    pub(crate) fn enter<B>(&self, req: &mut Request<B>, headers: Headers) -> Answer
    where
        I: Identify<Request<B>>,
    {
        // A preflight comes without credentials, so that it names nobody (fetch, 3.2.2).
        if req.method() == Method::OPTIONS {
            self.counters.count(&Decision::exempt());
            return Answer::Pass(None);
        }
        let Some(ask) = self.identify.identify(req) else {
            self.counters.unknown();
            return Answer::Refuse(Rejected::new("quota", Reason::UnknownTenant), None);
        };
        let decision = self.limiter.decide(ask, Instant::now());
        self.counters.count(&decision);
        let told = (headers != Headers::Off && decision.tightest.is_some())
            .then(|| (decision.clone(), headers));
        match decision.rejected() {
            None => {
                req.extensions_mut().insert(decision);
                Answer::Pass(told)
            }
            Some(rejected) => Answer::Refuse(rejected, Some((decision, headers))),
        }
    }
}
