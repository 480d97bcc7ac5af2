use std::task::{Context, Poll, ready};

use tower_service::Service;
use towerblock_core::{BoxError, Rejected};

use crate::permit::Pass;
use crate::{Circuit, Classify, Errors, ResponseFuture};

/// Calls the inner service while the circuit allows it.
///
/// Made by [`BreakerLayer`](crate::BreakerLayer); see the [crate docs](crate).
#[derive(Debug)]
pub struct Breaker<S, C = Errors> {
    inner: S,
    circuit: Circuit,
    classify: C,
    readiness: Readiness,
}

/// What the last `poll_ready` has found.
#[derive(Clone, Copy, Debug)]
enum Readiness {
    Unknown,
    /// The inner service is ready, and stays so until it is called.
    Inner,
    /// It was not asked.
    Refused(Rejected),
}

impl<S, C> Breaker<S, C> {
    pub(crate) const fn new(inner: S, circuit: Circuit, classify: C) -> Self {
        Self {
            inner,
            circuit,
            classify,
            readiness: Readiness::Unknown,
        }
    }
}

impl<S: Clone, C: Clone> Clone for Breaker<S, C> {
    fn clone(&self) -> Self {
        // Readiness belongs to the instance that was polled.
        Self::new(
            self.inner.clone(),
            self.circuit.clone(),
            self.classify.clone(),
        )
    }
}

impl<S, C, Req> Service<Req> for Breaker<S, C>
where
    S: Service<Req>,
    S::Error: Into<BoxError>,
    C: Classify<S::Response, S::Error> + Clone,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = ResponseFuture<S::Future, C>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        if matches!(self.readiness, Readiness::Inner) {
            return Poll::Ready(Ok(()));
        }
        // A refusal does not wait for a dependency that may never be ready again.
        self.readiness = match self.circuit.refuses() {
            Some(rejected) => Readiness::Refused(rejected),
            None => {
                self.readiness = Readiness::Unknown;
                ready!(self.inner.poll_ready(cx)).map_err(Into::into)?;
                Readiness::Inner
            }
        };
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, req: Req) -> Self::Future {
        if let Readiness::Refused(rejected) = self.readiness {
            // Whatever the circuit says by now, the inner service was not asked.
            self.circuit.counters().refused();
            return ResponseFuture::refused(rejected);
        }
        match self.circuit.admit(false) {
            Ok(ticket) => {
                let permit = Pass::new(self.circuit.clone(), ticket);
                self.readiness = Readiness::Unknown;
                ResponseFuture::called(self.inner.call(req), permit, self.classify.clone())
            }
            Err(rejected) => ResponseFuture::refused(rejected),
        }
    }
}
