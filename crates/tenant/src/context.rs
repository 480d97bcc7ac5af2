//! Whose work this is, for code that no argument reaches: a task-local that follows a
//! request through its handler and its response body, and into what it spawns by the
//! functions here. It does not follow `tokio::spawn`, and there is no default: where the
//! tenant is lost, [`current`] fails.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tokio::task::JoinHandle;
use tokio::task::futures::TaskLocalFuture;

use crate::Tenant;

tokio::task_local! {
    static CURRENT: Option<Arc<Tenant>>;
}

/// The tenant for whom this code runs.
///
/// # Errors
///
/// [`NoTenant`] outside every scope: no layer stands above, or the work was spawned by
/// something that does not carry the tenant along.
pub fn current() -> Result<Arc<Tenant>, NoTenant> {
    let known = CURRENT.try_with(Option::clone).ok().flatten();
    known.ok_or(NoTenant(()))
}

/// Runs `future` for `tenant`, and for nobody else: an outer scope does not show through.
///
/// ```
/// use std::sync::Arc;
/// use towerblock_core::TenantId;
/// use towerblock_tenant::{self as tenant, InTenant, Isolation, Tenant};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let acme = Arc::new(Tenant::new(TenantId::new("acme")?, 1, Isolation::Schema));
/// let work = async { tenant::current().map(|tenant| tenant.key) };
/// assert_eq!(tenant::scope(Arc::clone(&acme), work).await?, 1);
/// // The same, from the other end.
/// assert!(async { tenant::current().is_ok() }.in_tenant(acme).await);
/// assert!(tenant::current().is_err());
/// # Ok(())
/// # }
/// ```
pub fn scope<F: Future>(tenant: Arc<Tenant>, future: F) -> Scoped<F> {
    Scoped::of(Some(tenant), future)
}

/// [`scope`] as a method of futures.
pub trait InTenant: Future + Sized {
    /// Runs this future for `tenant`.
    fn in_tenant(self, tenant: Arc<Tenant>) -> Scoped<Self> {
        scope(tenant, self)
    }
}

impl<F: Future> InTenant for F {}

/// Spawns `future` as tokio does, for the tenant for whom this code runs. Without one,
/// [`current`] fails in there as it does here.
///
/// # Panics
///
/// Outside a tokio runtime.
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(Scoped::of(current().ok(), future))
}

/// Runs `work` where it may block, for the tenant for whom this code runs; otherwise as
/// [`spawn`].
///
/// # Panics
///
/// Outside a tokio runtime.
pub fn spawn_blocking<T>(work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T>
where
    T: Send + 'static,
{
    let tenant = current().ok();
    tokio::task::spawn_blocking(|| within(tenant, work))
}

/// Makes a callback that runs later and elsewhere, such as that of a WebSocket upgrade,
/// run for the tenant for whom this code runs.
///
/// ```
/// # use axum::response::Response;
/// # struct WebSocketUpgrade;
/// # impl WebSocketUpgrade {
/// #     fn on_upgrade<F, C: FnOnce(u8) -> F>(self, _: C) -> Response { Response::default() }
/// # }
/// use towerblock_tenant as tenant;
///
/// async fn chat(upgrade: WebSocketUpgrade) -> Response {
///     upgrade.on_upgrade(tenant::carry(|socket| async move {
///         let tenant = tenant::current();
///         // …
///         # drop((socket, tenant));
///     }))
/// }
/// ```
pub fn carry<A, F: Future>(callback: impl FnOnce(A) -> F) -> impl FnOnce(A) -> Scoped<F> {
    let tenant = current().ok();
    move |argument| {
        let future = within(tenant.clone(), || callback(argument));
        Scoped::of(tenant, future)
    }
}

/// Runs `work` at once, for `tenant` or for nobody.
pub(crate) fn within<T>(tenant: Option<Arc<Tenant>>, work: impl FnOnce() -> T) -> T {
    CURRENT.sync_scope(tenant, work)
}

pin_project! {
    /// A future that runs for one tenant; made by [`scope`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct Scoped<F> {
        #[pin]
        inner: TaskLocalFuture<Option<Arc<Tenant>>, F>,
    }
}

impl<F: Future> Scoped<F> {
    fn of(tenant: Option<Arc<Tenant>>, future: F) -> Self {
        let inner = CURRENT.scope(tenant, future);
        Self { inner }
    }

    /// The tenant for whom it ran; it must not be polled after this.
    pub(crate) fn leave(self: Pin<&mut Self>) -> Option<Arc<Tenant>> {
        self.project().inner.take_value().flatten()
    }
}

impl<F: Future> Future for Scoped<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.project().inner.poll(cx)
    }
}

/// No tenant is known here.
#[derive(Debug, thiserror::Error)]
#[error("no tenant is known here: no layer stands above, or the task was spawned without it")]
pub struct NoTenant(());
