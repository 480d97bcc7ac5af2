use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::request::Parts;
use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;
use towerblock_core::{ProblemBody, Rejected};

use crate::context::{Scoped, scope, within};
use crate::gate::{Gate, Pending};
use crate::{Tenant, TenantBody};

pin_project! {
    /// Response future of [`WithTenant`](crate::WithTenant).
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<S, B, S::Future>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, B, F> {
        // Boxed, for it is rare: the tenant has to be looked up.
        Waiting { admitted: Pin<Box<dyn Future<Output = Admitted<S, B>> + Send>> },
        Passed { #[pin] inner: Scoped<F> },
        Rejected { rejected: Rejected },
    }
}

/// Who is asking, and the request and the service that wait for it.
type Admitted<S, B> = Result<(Arc<Tenant>, S, Parts, B), Rejected>;

impl<S, B> ResponseFuture<S, B>
where
    S: Service<Request<B>> + Send + 'static,
    B: Send + 'static,
{
    pub(crate) fn passed(service: &mut S, tenant: Arc<Tenant>, parts: Parts, body: B) -> Self {
        let state = State::call(service, tenant, parts, body);
        Self { state }
    }

    pub(crate) fn waiting(
        service: S,
        gate: Arc<Gate>,
        pending: Pending,
        parts: Parts,
        body: B,
    ) -> Self {
        let admitted = Box::pin(async move {
            let tenant = gate.wait(&parts, pending).await?;
            Ok((tenant, service, parts, body))
        });
        let state = State::Waiting { admitted };
        Self { state }
    }

    pub(crate) const fn rejected(rejected: Rejected) -> Self {
        let state = State::Rejected { rejected };
        Self { state }
    }
}

impl<S, B> State<S, B, S::Future>
where
    S: Service<Request<B>>,
{
    fn call(service: &mut S, tenant: Arc<Tenant>, mut parts: Parts, body: B) -> Self {
        tracing::Span::current().record("tenant", tenant.id.as_str());
        parts.extensions.insert(tenant.id.clone());
        parts.extensions.insert(Arc::clone(&tenant));
        let req = Request::from_parts(parts, body);
        let inner = within(Some(Arc::clone(&tenant)), || service.call(req));
        let inner = scope(tenant, inner);
        Self::Passed { inner }
    }
}

impl<S, B, R> Future for ResponseFuture<S, B>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Output = Result<Response<ProblemBody<TenantBody<R>>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            match state.as_mut().project() {
                StateProj::Waiting { admitted } => {
                    let next = match ready!(admitted.as_mut().poll(cx)) {
                        Ok((tenant, mut service, parts, body)) => {
                            State::call(&mut service, tenant, parts, body)
                        }
                        Err(rejected) => State::Rejected { rejected },
                    };
                    state.set(next);
                }
                StateProj::Passed { mut inner } => {
                    let response = ready!(inner.as_mut().poll(cx))?;
                    let tenant = inner.leave();
                    let scoped = |body| TenantBody::new(body, tenant);
                    let scoped = |body| ProblemBody::new(scoped(body));
                    return Poll::Ready(Ok(response.map(scoped)));
                }
                StateProj::Rejected { rejected } => return Poll::Ready(Ok(rejected.response())),
            }
        }
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
