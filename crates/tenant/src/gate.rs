//! From a request to its tenant: what is known at once, and what has to be waited for.

use std::sync::Arc;

use http::request::Parts;
use towerblock_core::{Rejected, TenantId};

use crate::authorize::{Authorize, Verdict, admit};
use crate::resolve::{Identity, identify, invalid, unknown};
use crate::{Registry, Resolve, Tenant, Trust};

/// What all services of one layer share.
#[derive(Clone)]
pub(crate) struct Gate {
    pub(crate) resolvers: Vec<Arc<dyn Resolve>>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) authorize: Option<Arc<dyn Authorize>>,
}

/// What is left to find out.
pub(crate) enum Pending {
    /// The tenant has to be looked up.
    Lookup(Identity<'static>),
    /// The tenant is known; whether the caller may act for it has been asked.
    Verdict(Arc<Tenant>, Verdict),
}

impl Gate {
    /// The tenant, or what is left to find out.
    pub(crate) fn enter(&self, parts: &Parts) -> Result<Result<Arc<Tenant>, Pending>, Rejected> {
        let identity = identify(&self.resolvers, parts)?;
        // Before anything is looked up: who may say anything could ask for anything.
        if identity.trust == Trust::Asserted && self.authorize.is_none() {
            return Err(unknown());
        }
        let Some(tenant) = self.registry.at_hand(&identity) else {
            return Ok(Err(Pending::Lookup(identity.into_owned())));
        };
        let tenant = tenant.map_err(|rejected| self.veiled(&identity, rejected))?;
        agree(parts, &tenant)?;
        match self.verdict(parts, &tenant, identity.trust) {
            Verdict::Allow => {
                admit(tenant.state, &parts.method)?;
                Ok(Ok(tenant))
            }
            Verdict::Deny => Err(unknown()),
            verdict @ Verdict::Ask(_) => Ok(Err(Pending::Verdict(tenant, verdict))),
        }
    }

    /// Waits for what is left to find out.
    pub(crate) async fn wait(
        &self,
        parts: &Parts,
        pending: Pending,
    ) -> Result<Arc<Tenant>, Rejected> {
        let (tenant, verdict) = match pending {
            Pending::Lookup(identity) => {
                let tenant = self.registry.resolve(&identity).await;
                let tenant = tenant.map_err(|rejected| self.veiled(&identity, rejected))?;
                agree(parts, &tenant)?;
                let verdict = self.verdict(parts, &tenant, identity.trust);
                (tenant, verdict)
            }
            Pending::Verdict(tenant, verdict) => (tenant, verdict),
        };
        let may = match verdict {
            Verdict::Allow => true,
            Verdict::Deny => false,
            Verdict::Ask(answer) => answer.await?,
        };
        if !may {
            return Err(unknown());
        }
        // Last, so that only who may act for a tenant hears that it is suspended.
        admit(tenant.state, &parts.method)?;
        Ok(tenant)
    }

    /// Whose a domain is, and whether it is anybody's, is not for everyone: where callers are
    /// authorized, that a domain and an id disagree looks like no tenant at all.
    fn veiled(&self, identity: &Identity<'_>, rejected: Rejected) -> Rejected {
        let tells = rejected == invalid() && identity.domain.is_some();
        if tells && self.authorize.is_some() {
            return unknown();
        }
        rejected
    }

    fn verdict(&self, parts: &Parts, tenant: &Tenant, trust: Trust) -> Verdict {
        let authorize = self.authorize.as_ref();
        authorize.map_or(Verdict::Allow, |it| it.authorize(parts, tenant, trust))
    }
}

/// A layer further out may have named the tenant already: then it is this one.
fn agree(parts: &Parts, tenant: &Tenant) -> Result<(), Rejected> {
    let earlier = parts.extensions.get::<TenantId>();
    let agrees = earlier.is_none_or(|earlier| *earlier == tenant.id);
    agrees.then_some(()).ok_or(invalid())
}
