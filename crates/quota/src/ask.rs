use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Arc, OnceLock};

use towerblock_core::TenantId;

use crate::Plan;
use crate::fleet::Named;
use crate::policy::Scope;

/// Who asks, under which plan, and for how much.
#[derive(Clone, Debug)]
#[must_use = "it says who asks, and asks nothing"]
pub struct Ask {
    /// Without one nothing is limited.
    pub(crate) plan: Option<Arc<Plan>>,
    tenant: u64,
    user: u64,
    route: Option<u64>,
    pub(crate) cost: u64,
    pub(crate) verified: bool,
    pub(crate) named: Named,
}

impl Ask {
    /// A tenant whom a layer further out has found to exist.
    pub fn new(plan: Arc<Plan>, tenant: &TenantId) -> Self {
        let mut ask = Self::of(Some(plan), tenant.hash_code(), true);
        ask.named = Named::of(tenant);
        ask
    }

    /// Whoever is behind this: an address, the text of a header. Those who make up many of
    /// them get in each other's way, and in no tenant's.
    pub fn unverified(plan: Arc<Plan>, key: impl Hash) -> Self {
        Self::of(Some(plan), keyed().hash_one(key), false)
    }

    /// Passes, and is charged to nobody: a health check.
    pub fn exempt() -> Self {
        Self::of(None, 0, true)
    }

    /// The user of the tenant, for [`Scope::User`]. Default: none.
    pub fn user(mut self, user: impl Hash) -> Self {
        self.user = keyed().hash_one(&user);
        self.named.user(user);
        self
    }

    /// The class of routes, for [`Scope::Route`]. Default: none.
    pub fn route(mut self, class: &str) -> Self {
        self.route = Some(keyed().hash_one(class));
        self.named.route(class);
        self
    }

    /// So many units; 0 is admitted in any case, and tells what is left. Default: 1.
    pub fn cost(mut self, units: u64) -> Self {
        self.cost = units;
        self
    }

    /// What it is remembered by in a policy of that scope and salt: none where it is not limited.
    pub(crate) fn key(&self, scope: Scope, salt: u64) -> Option<u64> {
        let part = match scope {
            Scope::Tenant => 0,
            Scope::User => self.user,
            Scope::Route => self.route?,
        };
        let key = self.tenant ^ fold(part ^ salt, MIX);
        // Zero is where nobody is.
        Some(key.max(1))
    }

    fn of(plan: Option<Arc<Plan>>, tenant: u64, verified: bool) -> Self {
        Self {
            plan,
            tenant,
            user: 0,
            route: None,
            cost: 1,
            verified,
            named: Named::nobody(),
        }
    }
}

/// Says of a request who asks. A closure does, and `None` is refused as a tenant that is not
/// known.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say who sends a `{Req}`",
    note = "a closure `|req: &Request<_>| -> Option<Ask>` does"
)]
pub trait Identify<Req> {
    /// Who asks, and for how much.
    fn identify(&self, req: &Req) -> Option<Ask>;
}

impl<F, Req> Identify<Req> for F
where
    F: Fn(&Req) -> Option<Ask>,
{
    fn identify(&self, req: &Req) -> Option<Ask> {
        self(req)
    }
}

/// Keyed per process: clients choose keys, and must not choose who collides.
pub(crate) fn keyed() -> &'static RandomState {
    static KEYED: OnceLock<RandomState> = OnceLock::new();
    KEYED.get_or_init(RandomState::new)
}

const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

/// The two halves of the product: every bit of what goes in moves every bit of what comes out.
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    let [low, high] = [product, product >> 64].map(|half| {
        #[expect(clippy::cast_possible_truncation, reason = "one half")]
        let half = half as u64;
        half
    });
    low ^ high
}
