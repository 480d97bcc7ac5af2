//! What only the instances of this service know: it seals cursors and what a client
//! wrote last, and verifies tokens.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use towerblock_core::BoxError;
use towerblock_page::KeyRing;
use towerblock_postgres::TokenKeys;
use towerblock_tenant::{JwtClaim, JwtKey};

const BYTES: usize = 32;

/// One secret of `SECRET_KEYS`.
#[derive(Clone)]
pub struct SecretKey(Vec<u8>);

impl SecretKey {
    /// Reads base64, of either alphabet, padded or not.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let text = text.trim().trim_end_matches('=');
        let bytes = STANDARD_NO_PAD
            .decode(text)
            .or_else(|_| URL_SAFE_NO_PAD.decode(text));
        let key = bytes.ok().filter(|bytes| bytes.len() >= BYTES).map(Self);
        key.ok_or("expected at least 32 bytes each in base64, such as of: openssl rand -base64 32")
    }

    fn random() -> Result<Self, BoxError> {
        let mut bytes = vec![0; BYTES];
        getrandom::fill(&mut bytes)?;
        Ok(Self(bytes))
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

/// The first seals, all of them open.
#[derive(Clone, Debug)]
pub(crate) struct Secrets(Vec<SecretKey>);

impl Secrets {
    /// Those of the environment, or one that nobody else has.
    pub(crate) fn new(given: &[SecretKey]) -> Result<Self, BoxError> {
        if given.is_empty() {
            return Ok(Self(vec![SecretKey::random()?]));
        }
        Ok(Self(given.to_vec()))
    }

    pub(crate) fn key_ring(&self) -> Result<KeyRing, BoxError> {
        Ok(KeyRing::new(self.0.iter().map(|key| &key.0))?)
    }

    pub(crate) fn read_tokens(&self) -> Result<TokenKeys, BoxError> {
        Ok(TokenKeys::new(self.0.iter().map(|key| &key.0))?)
    }

    /// Names the tenant by the claim `tenant` of a token that is signed with a secret.
    pub(crate) fn tenant_claim(&self) -> Result<JwtClaim, BoxError> {
        let keys: Result<Vec<_>, _> = self.0.iter().map(|key| JwtKey::hs256(&key.0)).collect();
        Ok(JwtClaim::new("tenant", keys?))
    }
}
