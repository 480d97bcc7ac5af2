//! The host that a request is for, as far as it can be believed.

use std::borrow::Cow;

use http::HeaderValue;
use http::header::HOST;
use http::request::Parts;
use http::uri::Authority;
use towerblock_core::Rejected;

use crate::resolve::invalid;

/// The host that the request is for, or `None` when it names none or an IPv6 address.
///
/// HTTP/2 and the absolute form of HTTP/1.1 carry it in the URI. RFC 9112 (3.2.2) would
/// have us ignore a `Host` beside it; one that disagrees is refused, for a proxy in front
/// of us may have believed the other.
pub(super) fn host(parts: &Parts) -> Result<Option<&str>, Rejected> {
    let mut named = parts.headers.get_all(HOST).iter();
    let header = named.next().map(HeaderValue::to_str).transpose();
    let header = header.map_err(|_| invalid())?;
    let uri = parts.uri.authority().map(Authority::as_str);
    let agree = |(a, b): (&str, &str)| a.eq_ignore_ascii_case(b);
    if named.next().is_some() || !header.zip(uri).is_none_or(agree) {
        return Err(invalid());
    }
    match uri.or(header) {
        None => Ok(None),
        Some(address) if address.starts_with('[') => Ok(None),
        Some(authority) => {
            // Byte by byte: a search is for longer texts.
            let colon = authority.bytes().position(|b| b == b':');
            let (host, port) = authority.split_at(colon.unwrap_or(authority.len()));
            if !port.bytes().skip(1).all(|b| b.is_ascii_digit()) {
                return Err(invalid());
            }
            domain(host).map(Some).ok_or_else(invalid)
        }
    }
}

/// Base domains of ours, in lower case.
#[derive(Clone, Debug)]
pub(super) struct Bases(Vec<String>);

impl Bases {
    pub(super) fn of<I>(bases: I) -> Result<Self, InvalidDomain>
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        let mut checked = Vec::new();
        for base in bases {
            let base = base.into();
            match domain(&base) {
                Some(name) if !name.split('.').any(str::is_empty) => {
                    checked.push(name.to_ascii_lowercase());
                }
                _ => return Err(InvalidDomain(base)),
            }
        }
        Ok(Self(checked))
    }

    /// What stands before the base domain that `host` ends in: nothing before the base
    /// itself.
    pub(super) fn before<'h>(&self, host: &'h str) -> Option<&'h str> {
        let before = |base: &String| {
            let (before, end) = host.split_at_checked(host.len().checked_sub(base.len())?)?;
            let is_whole = before.is_empty() || before.ends_with('.');
            (is_whole && end.eq_ignore_ascii_case(base)).then_some(before)
        };
        // Of two, the longer: no tenant may be named as a base below another base is.
        self.0
            .iter()
            .filter_map(before)
            .min_by_key(|before| before.len())
    }
}

/// `name` in lower case, copied only where it is not so already.
pub(crate) fn lower_case(name: &str) -> Cow<'_, str> {
    if name.bytes().any(|b| b.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}

/// `host` without its trailing dot, if it is made of what a domain name is made of.
fn domain(host: &str) -> Option<&str> {
    let host = host.strip_suffix('.').unwrap_or(host);
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    (!host.is_empty() && host.bytes().all(allowed)).then_some(host)
}

/// A base domain was not a domain name.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a domain name such as app.example.com")]
pub struct InvalidDomain(String);
