use tower::retry::budget::Budget;
use tower::retry::{Policy, Retry};
use tower_layer::Layer;

use crate::RetryBudget;

/// Retries by a policy of tower's, as far as a budget goes.
///
/// ```
/// use std::cell::Cell;
/// use std::future::{Ready, ready};
///
/// use tower::retry::Policy;
/// use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
/// use towerblock_breaker::{RetryBudget, RetryBudgetLayer};
///
/// /// Tries again whatever fails.
/// #[derive(Clone)]
/// struct Again;
///
/// impl<T, E> Policy<u32, T, E> for Again {
///     type Future = Ready<()>;
///     fn retry(&mut self, _: &mut u32, result: &mut Result<T, E>) -> Option<Ready<()>> {
///         result.is_err().then(|| ready(()))
///     }
///     fn clone_request(&mut self, request: &u32) -> Option<u32> {
///         Some(*request)
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let tries = Cell::new(0);
/// let mut svc = ServiceBuilder::new()
///     .layer(RetryBudgetLayer::new(Again, RetryBudget::default().reserve(2)))
///     .service(service_fn(|_: u32| {
///         tries.set(tries.get() + 1);
///         ready(Err::<(), _>("broken"))
///     }));
/// assert!(svc.ready().await.unwrap().call(7).await.is_err());
/// assert_eq!(tries.get(), 3, "the call, and two retries");
/// # }
/// ```
///
/// Place it outside of the breaker, so that each attempt is judged.
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing until it wraps a service"]
pub struct RetryBudgetLayer<P> {
    policy: Budgeted<P>,
}

impl<P> RetryBudgetLayer<P> {
    /// Retries what the policy wants to, while the budget has tokens.
    pub const fn new(policy: P, budget: RetryBudget) -> Self {
        let policy = Budgeted { policy, budget };
        Self { policy }
    }
}

impl<S, P: Clone> Layer<S> for RetryBudgetLayer<P> {
    type Service = Retry<Budgeted<P>, S>;

    fn layer(&self, inner: S) -> Self::Service {
        Retry::new(self.policy.clone(), inner)
    }
}

/// A policy of tower's within a budget.
///
/// Made by [`RetryBudgetLayer`].
#[derive(Clone, Debug)]
pub struct Budgeted<P> {
    policy: P,
    budget: RetryBudget,
}

impl<P, Req, Res, E> Policy<Req, Res, E> for Budgeted<P>
where
    P: Policy<Req, Res, E>,
{
    type Future = P::Future;

    fn retry(&mut self, req: &mut Req, result: &mut Result<Res, E>) -> Option<Self::Future> {
        let Some(again) = self.policy.retry(req, result) else {
            if result.is_ok() {
                self.budget.deposit();
            }
            return None;
        };
        self.budget.withdraw().then_some(again)
    }

    fn clone_request(&mut self, req: &Req) -> Option<Req> {
        self.policy.clone_request(req)
    }
}

/// For policies that ask a budget themselves.
impl Budget for RetryBudget {
    fn deposit(&self) {
        Self::deposit(self);
    }

    fn withdraw(&self) -> bool {
        Self::withdraw(self)
    }
}
