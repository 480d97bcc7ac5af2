//! What a cursor is bound to, as bytes: it opens only where all of this is the same again.

use std::borrow::Cow;

use form_urlencoded::parse;
use http::{Method, Uri};
use towerblock_core::TenantId;

use crate::Keyset;
use crate::keyset::Nulls;

/// The parameters of a request that are ours.
pub(crate) const CURSOR: &str = "cursor";
pub(crate) const LIMIT: &str = "limit";

#[derive(Clone, Debug)]
pub(crate) struct Scope {
    pub(crate) owner: Owner,
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    /// What the caller binds besides.
    pub(crate) bound: Vec<(String, Vec<u8>)>,
}

/// Whose list it is.
#[derive(Clone, Debug)]
pub(crate) enum Owner {
    /// No layer has named a tenant.
    Nobody,
    Tenant(TenantId),
    /// One list for all tenants.
    Everybody,
}

impl Scope {
    /// Every part has its length before it, so no two scopes have the same bytes.
    pub(crate) fn bytes(&self, keyset: &Keyset) -> Vec<u8> {
        let mut bytes = Parts::default();
        match &self.owner {
            Owner::Nobody => bytes.put("nobody"),
            Owner::Tenant(tenant) => bytes.put("tenant").put(tenant.as_str()),
            Owner::Everybody => bytes.put("everybody"),
        };
        let is_head = self.method == Method::HEAD;
        let method = if is_head {
            Method::GET
        } else {
            self.method.clone()
        };
        bytes.put(method.as_str()).put(self.uri.path());

        bytes.put(keyset.name()).count(keyset.columns().len());
        for column in keyset.columns() {
            let descends = column.descends(crate::Direction::Forward);
            bytes
                .put(column.expression())
                .put(column.ty().schema())
                .put(column.ty().name())
                .put(if descends { "desc" } else { "asc" })
                .put(match column.nulls() {
                    None => "",
                    Some(Nulls::First) => "nulls first",
                    Some(Nulls::Last) => "nulls last",
                });
        }

        let filters = filters(&self.uri);
        bytes.count(filters.len());
        for (name, value) in &filters {
            bytes.put(&**name).put(&**value);
        }
        bytes.count(self.bound.len());
        for (name, value) in &self.bound {
            bytes.put(name).put(value);
        }
        bytes.0
    }
}

/// The parameters that are not ours. Their order does not matter, but among those of one
/// name it may.
fn filters(uri: &Uri) -> Vec<(Cow<'_, str>, Cow<'_, str>)> {
    let query = uri.query().unwrap_or_default();
    let pairs = parse(query.as_bytes());
    let mut filters: Vec<_> = pairs
        .filter(|(name, _)| name != CURSOR && name != LIMIT)
        .collect();
    filters.sort_by(|(a, _), (b, _)| a.cmp(b));
    filters
}

#[derive(Default)]
struct Parts(Vec<u8>);

impl Parts {
    fn put(&mut self, part: impl AsRef<[u8]>) -> &mut Self {
        let part = part.as_ref();
        self.count(part.len());
        self.0.extend(part);
        self
    }

    fn count(&mut self, count: usize) -> &mut Self {
        self.0.extend((count as u64).to_be_bytes());
        self
    }
}

#[cfg(test)]
mod tests {
    use http::{Method, Uri};
    use tokio_postgres::types::Type;
    use towerblock_core::TenantId;

    use super::{Owner, Scope};
    use crate::{Keyset, Unique};

    fn bytes(owner: Owner, uri: &'static str, bound: &[(&str, &str)]) -> Vec<u8> {
        let scope = Scope {
            owner,
            method: Method::GET,
            uri: Uri::from_static(uri),
            bound: bound
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).into()))
                .collect(),
        };
        scope.bytes(&Keyset::new("list/1", [], Unique::asc("id", Type::INT8)))
    }

    #[test]
    fn no_two_scopes_have_the_same_bytes() {
        let tenant = |name: &str| Owner::Tenant(TenantId::new(name).unwrap());
        let scopes = [
            bytes(Owner::Nobody, "/p", &[]),
            bytes(Owner::Everybody, "/p", &[]),
            bytes(tenant("nobody"), "/p", &[]),
            bytes(tenant("everybody"), "/p", &[]),
            bytes(Owner::Nobody, "/p?a=b", &[]),
            bytes(Owner::Nobody, "/p?ab=", &[]),
            bytes(Owner::Nobody, "/p?=ab", &[]),
            bytes(Owner::Nobody, "/p?a=&b=", &[]),
            bytes(Owner::Nobody, "/p", &[("a", "b")]),
            bytes(Owner::Nobody, "/p", &[("ab", "")]),
            bytes(Owner::Nobody, "/p", &[("a", ""), ("b", "")]),
        ];
        for (n, scope) in scopes.iter().enumerate() {
            assert!(
                !scopes.iter().skip(n + 1).any(|other| other == scope),
                "{n}"
            );
        }
    }

    #[test]
    fn a_spelling_or_an_order_that_says_the_same_is_the_same() {
        let scope = |uri| bytes(Owner::Nobody, uri, &[]);
        assert_eq!(
            scope("/p?a=1&b=%20&b=x"),
            scope("/p?b=+&cursor=C&%61=1&limit=7&b=x")
        );
        assert_ne!(scope("/p?b=1&b=2"), scope("/p?b=2&b=1"));
    }
}
