//! What a request wants of the cache.

use http::header::{
    AUTHORIZATION, COOKIE, IF_MATCH, IF_UNMODIFIED_SINCE, TRANSFER_ENCODING, UPGRADE,
};
use http::{Method, Request};
use http_body::Body;
use towerblock_core::HasTenant;

use super::answer::Reader;
use super::directives::Directives;
use super::route::Route;
use super::status::Forward;
use super::target::UriKey;
use crate::calls::Owner;

/// What is to be done with a request.
#[derive(Debug)]
pub(super) enum Ask<'a> {
    Read(Read<'a>),
    /// It is passed on, and what is stored of its URI is forgotten.
    Write(Owner<'a>, UriKey<'a>),
    Pass(Forward),
}

/// An answer is looked for.
#[derive(Debug)]
pub(super) struct Read<'a> {
    pub(super) owner: Owner<'a>,
    pub(super) uri: UriKey<'a>,
    pub(super) reader: Reader<'a>,
    pub(super) directives: Directives,
}

impl<'a> Ask<'a> {
    pub(super) fn of<B: Body>(route: &'a Route, req: &'a Request<B>) -> Self {
        let policy = &route.policy;
        let owner = match &route.scope {
            Some(scope) => Owner::Scope(scope),
            None => match req.tenant() {
                Some(tenant) => Owner::Tenant(tenant),
                None => return Self::Pass(Forward::Bypass("no-tenant")),
            },
        };
        let reads = *req.method() == Method::GET || *req.method() == Method::HEAD;
        if !reads && req.method().is_safe() {
            return Self::Pass(Forward::Method);
        }
        let Some(uri) = UriKey::of(req, policy.per_authority) else {
            return Self::Pass(Forward::Bypass("uri"));
        };
        if !reads {
            return Self::Write(owner, uri);
        }
        if let Some(why) = passes(policy.same_for_all_users, req) {
            return Self::Pass(Forward::Bypass(why));
        }
        Self::Read(Read {
            owner,
            uri,
            reader: Reader {
                method: req.method(),
                headers: req.headers(),
            },
            directives: Directives::of(req.headers()),
        })
    }
}

/// Why no stored answer is for this request.
fn passes<B: Body>(same_for_all_users: bool, req: &Request<B>) -> Option<&'static str> {
    let has = |name| req.headers().contains_key(name);
    if !same_for_all_users && (has(AUTHORIZATION) || has(COOKIE)) {
        return Some("credentials");
    }
    if has(UPGRADE) {
        return Some("upgrade");
    }
    if has(IF_MATCH) || has(IF_UNMODIFIED_SINCE) {
        return Some("precondition");
    }
    // The answer may depend on it, and it is in no key.
    (has(TRANSFER_ENCODING) || !req.body().is_end_stream()).then_some("body")
}
