use std::fmt;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::Duration;

use crate::Rate;
use crate::ask::keyed;

/// A name of a policy or a quota: `[a-z0-9][a-z0-9_-]{0,31}`, fit for a header and for JSON.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Name(Arc<str>);

impl Name {
    /// Accepts what the name of the type says.
    ///
    /// # Errors
    ///
    /// [`InvalidName`] for anything else.
    pub fn new(name: impl Into<Arc<str>>) -> Result<Self, InvalidName> {
        let name = name.into();
        let allowed = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
        let starts_well = !name.starts_with(['-', '_']);
        if matches!(name.len(), 1..=32) && starts_well && name.bytes().all(allowed) {
            Ok(Self(name))
        } else {
            Err(InvalidName(()))
        }
    }

    /// As it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// A name had a wrong length or a character that is not allowed.
#[derive(Debug, thiserror::Error)]
#[error("name is not of the form [a-z0-9][a-z0-9_-]{{0,31}}")]
pub struct InvalidName(());

/// Whom a policy limits.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Scope {
    /// All that a tenant asks.
    #[default]
    Tenant,
    /// What each user of a tenant asks; requests that name no user are one user.
    User,
    /// What a tenant asks of each class of routes; requests of no class are not limited by it.
    Route,
}

/// A rate, and whom it limits.
///
/// What was used is remembered by name, scope and tenant: two plans that use the same name continue
/// each other.
#[derive(Clone, Debug)]
pub struct RatePolicy {
    pub(crate) name: Name,
    pub(crate) scope: Scope,
    pub(crate) rate: Rate,
    /// In nanoseconds.
    pub(crate) penalty: u64,
    pub(crate) shadow: bool,
    /// What keeps its keys apart from those of other policies.
    pub(crate) salt: u64,
}

impl RatePolicy {
    /// Limits each tenant to this rate.
    #[must_use]
    pub fn new(name: Name, rate: Rate) -> Self {
        let scope = Scope::Tenant;
        Self {
            salt: salt(&name, scope),
            name,
            scope,
            rate,
            penalty: 0,
            shadow: false,
        }
    }

    /// Limits somebody else. Default: [`Scope::Tenant`].
    #[must_use]
    pub fn per(mut self, scope: Scope) -> Self {
        self.scope = scope;
        self.salt = salt(&self.name, scope);
        self
    }

    /// Blocks whoever exceeds it for so long, counted from the first request that was refused and
    /// rounded up to a tenth of a second; retries do not extend it. At most 13 years after the
    /// limiter was made. Default: zero, what is back may be used.
    #[must_use]
    pub fn penalty(mut self, block: Duration) -> Self {
        self.penalty = u64::try_from(block.as_nanos()).unwrap_or(u64::MAX);
        self
    }

    /// Decides and counts, and refuses nothing. Default: it refuses.
    #[must_use]
    pub const fn shadow(mut self) -> Self {
        self.shadow = true;
        self
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &Name {
        &self.name
    }

    /// Its rate.
    #[must_use]
    pub const fn rate(&self) -> &Rate {
        &self.rate
    }
}

fn salt(name: &Name, scope: Scope) -> u64 {
    keyed().hash_one((name.as_str(), scope))
}
