use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use towerblock_core::BoxError;

use crate::Plan;

/// The plans there are, by name. Clones share them.
///
/// They may be replaced at any time: a request is decided by the edition it was asked under,
/// and what tenants have used stays used.
#[derive(Clone, Debug, Default)]
pub struct Plans {
    edition: Arc<RwLock<Edition>>,
}

#[derive(Debug, Default)]
struct Edition {
    generation: u64,
    /// There are few, and names are compared faster than hashed.
    plans: BTreeMap<Arc<str>, Arc<Plan>>,
}

impl Plans {
    /// These, as the first generation. Of two with one name the later holds.
    #[must_use]
    pub fn new(plans: impl IntoIterator<Item = Plan>) -> Self {
        let new = Self::default();
        new.replace(plans);
        new
    }

    /// The plan of this name as it is now.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Arc<Plan>> {
        let edition = self.edition.read().unwrap_or_else(PoisonError::into_inner);
        edition.plans.get(name).map(Arc::clone)
    }

    /// Which edition it is now: 1 at first, and one more with each replacement.
    #[must_use]
    pub fn generation(&self) -> u64 {
        let edition = self.edition.read().unwrap_or_else(PoisonError::into_inner);
        edition.generation
    }

    /// These instead of all that were there, and returns their generation.
    pub fn replace(&self, plans: impl IntoIterator<Item = Plan>) -> u64 {
        // Whatever makes them runs before the lock is taken.
        let plans: Vec<_> = plans.into_iter().collect();
        let mut edition = self.edition.write().unwrap_or_else(PoisonError::into_inner);
        edition.generation += 1;
        let generation = edition.generation;
        let named = |mut plan: Plan| {
            plan.generation = generation;
            (Arc::from(plan.name()), Arc::new(plan))
        };
        let plans = plans.into_iter().map(named).collect();
        let old = std::mem::replace(&mut edition.plans, plans);
        drop(edition);
        drop(old);
        tracing::info!(generation, "plans replaced");
        generation
    }

    /// Asks a source, and [replaces](Self::replace) all by what it has.
    ///
    /// Cancel safety: dropped, it leaves the plans as they were.
    ///
    /// # Errors
    ///
    /// Those of the source; the plans are as they were.
    pub async fn reload(&self, source: &impl PlanSource) -> Result<u64, BoxError> {
        let plans = source.plans().await?;
        Ok(self.replace(plans))
    }
}

/// Where plans come from. An async closure that answers with a `Result<Vec<Plan>, BoxError>` is one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no source of plans",
    note = "a closure is one that answers with a future of `Result<Vec<Plan>, BoxError>`"
)]
pub trait PlanSource: Send + Sync {
    /// All of them.
    fn plans(&self) -> impl Future<Output = Result<Vec<Plan>, BoxError>> + Send;
}

impl<F, T> PlanSource for F
where
    F: Fn() -> T + Send + Sync,
    T: Future<Output = Result<Vec<Plan>, BoxError>> + Send,
{
    fn plans(&self) -> impl Future<Output = Result<Vec<Plan>, BoxError>> + Send {
        self()
    }
}
