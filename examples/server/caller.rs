//! Who may be believed: peers, users, admins.

use std::net::IpAddr;

use axum::extract::{FromRequestParts, Request};
use http::header::{AUTHORIZATION, FORWARDED, HOST, VIA, WWW_AUTHENTICATE};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderName, HeaderValue, StatusCode};
use subtle::ConstantTimeEq as _;
use towerblock_core::{ProblemBody, TenantId};
use towerblock_lifecycle::Peer;
use towerblock_respond::Refused;
use towerblock_tenant::JwtClaim;

use crate::config::Secret;
use crate::reply::{invalid, missing};
use crate::state::Shared;

pub(crate) const USER_ID: HeaderName = HeaderName::from_static("x-user-id");

/// Whether the request comes from this machine, through no proxy, and is meant for it: only
/// then may its headers say who asks. A page whose host name was made to point here
/// (DNS rebinding) is meant for elsewhere. A proxy on this machine must say that it is one:
/// nginx does so with `proxy_set_header X-Forwarded-For`.
pub(crate) fn is_local(parts: &Parts) -> bool {
    let peer = parts.extensions.get::<Peer>();
    let from_loopback = peer.is_some_and(|peer| peer.0.ip().to_canonical().is_loopback());
    let proxied = [FORWARDED.as_str(), "x-forwarded-for", VIA.as_str()];
    from_loopback
        && is_meant_for_us(parts)
        && !proxied.iter().any(|name| parts.headers.contains_key(*name))
}

fn is_meant_for_us(parts: &Parts) -> bool {
    let header = parts
        .headers
        .get(HOST)
        .map(|host| host.to_str().unwrap_or("?"));
    let authority = parts.uri.authority().map(Authority::as_str).or(header);
    authority.is_none_or(|authority| {
        let host = authority
            .rsplit_once(':')
            .map_or(authority, |(host, port)| {
                // The colons of a bare IPv6 address end in no bracket.
                if port.contains(']') { authority } else { host }
            });
        let name = host.trim_end_matches('.').to_ascii_lowercase();
        let address = name.trim_matches(['[', ']']).parse::<IpAddr>();
        name == "localhost"
            || name.ends_with(".localhost")
            || address.is_ok_and(|address| address.to_canonical().is_loopback())
    })
}

/// The calling user: whom the token is for, or whom a request of this machine names.
#[derive(Clone, Debug)]
pub(crate) struct User(pub(crate) String);

/// Leaves the user for the layers below; what is wrong with one is told by who needs it.
// A request is long to move.
#[inline]
pub(crate) fn named(tokens: &JwtClaim, req: Request) -> Request {
    let headers = req.headers();
    if !headers.contains_key(USER_ID) && !headers.contains_key(AUTHORIZATION) {
        return req;
    }
    let (mut parts, body) = req.into_parts();
    if let Ok(user) = user(tokens, &parts) {
        parts.extensions.insert(user);
    }
    Request::from_parts(parts, body)
}

impl FromRequestParts<Shared> for User {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &Shared) -> Result<Self, Refused> {
        match parts.extensions.get::<Self>() {
            Some(user) => Ok(user.clone()),
            None => user(&state.tokens, parts),
        }
    }
}

fn user(tokens: &JwtClaim, parts: &Parts) -> Result<User, Refused> {
    if let Some(token) = bearer(parts) {
        let mut claims = tokens.verify(token).unwrap_or_default();
        // A user of one tenant is nobody to another, also where the host names it.
        let here = parts.extensions.get::<TenantId>().map(TenantId::as_str);
        let is_here = here.is_some() && claims.get("tenant").map(String::as_str) == here;
        let user = claims.remove("sub").filter(|_| is_here).map(User);
        return user.ok_or_else(|| unauthorized("the token is for no user of this tenant"));
    }
    let mut values = parts.headers.get_all(USER_ID).iter();
    let Some(value) = values.next().filter(|_| is_local(parts)) else {
        return Err(unauthorized("who is asking is not known"));
    };
    let id = value.to_str().ok().filter(|id| matches!(id.len(), 1..=128));
    match id.filter(|_| values.next().is_none()) {
        Some(id) => Ok(User(id.to_owned())),
        None => Err(invalid(
            "x-user-id: expected one, of 1 to 128 ASCII characters",
        )),
    }
}

/// The JSON Web Token of a request, by its looks; whether it is any good is not asked yet.
fn bearer(parts: &Parts) -> Option<&str> {
    let value = parts.headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let is_token = scheme.eq_ignore_ascii_case("bearer") && token.split('.').count() == 3;
    is_token.then_some(token.trim_start_matches(' '))
}

/// The caller may see and do what only an admin may.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Admin;

impl FromRequestParts<Shared> for Admin {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &Shared) -> Result<Self, Refused> {
        let allowed = is_admin(parts, state.admin_token.as_ref());
        let refused = || unauthorized("only for admins");
        allowed.then_some(Self).ok_or_else(refused)
    }
}

/// Whether who asks has the token, or is on this machine where there is none.
pub(crate) fn is_admin(parts: &Parts, token: Option<&Secret>) -> bool {
    let Some(token) = token else {
        return is_local(parts);
    };
    let given = parts.headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
    let given = given.and_then(|value| value.strip_prefix(b"Bearer "));
    given.is_some_and(|given| given.ct_eq(token.expose().as_bytes()).into())
}

/// The caller is an admin by the token, and may change what the server does. Where no token is
/// set there is nobody who may, and nothing to be seen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operator;

impl FromRequestParts<Shared> for Operator {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &Shared) -> Result<Self, Refused> {
        if state.admin_token.is_none() {
            return Err(missing("no such page"));
        }
        let Admin = Admin::from_request_parts(parts, state).await?;
        Ok(Self)
    }
}

fn unauthorized(detail: &str) -> Refused {
    let mut response = ProblemBody::about(StatusCode::UNAUTHORIZED, detail);
    let bearer = HeaderValue::from_static("Bearer");
    response.headers_mut().insert(WWW_AUTHENTICATE, bearer);
    Refused::new(response)
}
