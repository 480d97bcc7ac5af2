//! One question to the store, asked in a task of its own.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use towerblock_core::{BoxError, TenantId};

use super::health::{Health, Report};
use super::lookup::{Flown, Landing, Outcome};
use super::store::{Answer, AnyStore};
use crate::Tenant;

/// Asks the store, and tells everybody.
pub(super) async fn ask<V: Kept>(
    landing: Landing<V>,
    store: Arc<dyn AnyStore>,
    health: Arc<Health>,
    limit: Duration,
) {
    // Until there is an answer, there is a failure: the store may panic.
    let mut report = Report::new(health);
    let answer = timeout(limit, V::ask(&*store, landing.name())).await;
    let answer = answer.unwrap_or_else(|_| Err("no answer in time".into()));
    report.answered(&answer);
    drop(report);
    let outcome = match answer {
        Ok(Some(value)) => Outcome::Found(Arc::new(value)),
        Ok(None) => Outcome::Unknown,
        Err(_) => Outcome::Failed,
    };
    landing.land(outcome);
}

/// How a question ended.
pub(super) async fn outcome<V>(mut flown: Flown<V>) -> Outcome<V> {
    let outcome = flown.wait_for(Option::is_some).await;
    // Nobody tells: the registry is gone.
    outcome
        .ok()
        .and_then(|outcome| outcome.clone())
        .unwrap_or(Outcome::Failed)
}

/// What the store has under a name.
pub(super) trait Kept: Send + Sync + Sized + 'static {
    fn ask<'s>(store: &'s dyn AnyStore, name: &'s str) -> Answer<'s, Self>;
}

impl Kept for Tenant {
    fn ask<'s>(store: &'s dyn AnyStore, name: &'s str) -> Answer<'s, Self> {
        Box::pin(async move {
            let id = TenantId::new(name)?;
            let tenant = store.any_tenant(id.clone()).await?;
            match tenant {
                Some(other) if other.id != id => {
                    let other = other.id.as_str();
                    Err(BoxError::from(format!(
                        "asked for {name}, the store told of {other}"
                    )))
                }
                answer => Ok(answer),
            }
        })
    }
}

impl Kept for TenantId {
    fn ask<'s>(store: &'s dyn AnyStore, name: &'s str) -> Answer<'s, Self> {
        store.any_domain(name)
    }
}
