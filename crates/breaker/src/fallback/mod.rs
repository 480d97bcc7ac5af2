mod future;

use std::task::{Context, Poll};

use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;
use towerblock_core::{Degraded, Rejected};

use crate::Circuit;

pub use self::future::FallbackFuture;

/// Answers reads while a circuit refuses: with what is at hand, and marked as such.
///
/// ```
/// use http::{Request, Response};
/// use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
/// use towerblock_breaker::{BreakerLayer, Circuit, FallbackLayer, Policy};
/// use towerblock_core::{BoxError, Degraded, Rejected};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// let catalogue = Circuit::new("catalogue", Policy::default());
/// let mut svc = ServiceBuilder::new()
///     // Right outside of the breaker whose circuit it knows.
///     .layer(FallbackLayer::new(
///         catalogue.clone(),
///         |req: &Request<()>, _: &Rejected| {
///             (req.uri() == "/top").then(|| Response::new("yesterday's".to_owned()))
///         },
///     ))
///     .layer(BreakerLayer::new(catalogue.clone()))
///     .service(service_fn(|_: Request<()>| async {
///         Ok::<_, BoxError>(Response::new("today's".to_owned()))
///     }));
///
/// catalogue.force_open();
/// let top = Request::get("/top").body(())?;
/// let answer = svc.ready().await?.call(top).await?;
/// assert_eq!(answer.body(), "yesterday's");
/// assert!(answer.extensions().get::<Degraded>().is_some());
///
/// // Never for what would write.
/// let write = Request::post("/top").body(())?;
/// assert!(svc.ready().await?.call(write).await.is_err());
/// # Ok(())
/// # }
/// ```
///
/// It asks the circuit, not the error: a refusal that another layer makes passes, and what it
/// answers itself the circuit never hears of. Such answers are counted as `breaker_degraded`, and
/// `RespondLayer` tells of them in `x-degraded`.
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing until it wraps a service"]
pub struct FallbackLayer<A> {
    circuit: Circuit,
    answer: A,
}

impl<A> FallbackLayer<A> {
    /// Answers by this when the circuit refuses; where it gives `None`, the refusal stands. It
    /// is an `Fn(&Request<B>, &Rejected) -> Option<Response<R>>`, and is called for `GET`, `HEAD`,
    /// `OPTIONS` and `TRACE` only.
    pub const fn new(circuit: Circuit, answer: A) -> Self {
        Self { circuit, answer }
    }
}

impl<S, A: Clone> Layer<S> for FallbackLayer<A> {
    type Service = Fallback<S, A>;

    fn layer(&self, inner: S) -> Self::Service {
        Fallback {
            inner,
            circuit: self.circuit.clone(),
            answer: self.answer.clone(),
        }
    }
}

/// Answers in the place of a circuit that refuses.
///
/// Made by [`FallbackLayer`].
#[derive(Clone, Debug)]
pub struct Fallback<S, A> {
    inner: S,
    circuit: Circuit,
    answer: A,
}

impl<S, A, B, R> Service<Request<B>> for Fallback<S, A>
where
    S: Service<Request<B>, Response = Response<R>>,
    A: Fn(&Request<B>, &Rejected) -> Option<Response<R>>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = FallbackFuture<S::Future, Response<R>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, req: Request<B>) -> Self::Future {
        // Before the call takes the request away, and in the same step: the breaker below
        // finds the circuit as it is found here.
        let refused = self.circuit.refuses().filter(|_| req.method().is_safe());
        let answer = refused.and_then(|rejected| (self.answer)(&req, &rejected));
        let Some(mut response) = answer else {
            return FallbackFuture::called(self.inner.call(req));
        };
        self.circuit.counters().degraded();
        let extensions = response.extensions_mut();
        if extensions.get::<Degraded>().is_none() {
            extensions.insert(Degraded::new("circuit-open"));
        }
        FallbackFuture::answered(response)
    }
}
