use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::AeadInOut as _;
use chacha20poly1305::{KeyInit as _, Tag, XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use towerblock_core::{Metric, Stats, Value};

use crate::ReadToken;
use crate::token;

const LEAST_BYTES: usize = 32;
const MOST_SECRETS: usize = 8;

const VERSION: u8 = 1;
const NONCE: usize = 24;
const TAG: usize = 16;
const WHOLE: usize = 1 + NONCE + token::BYTES + TAG;
/// In characters; every token has as many.
pub(crate) const LENGTH: usize = WHOLE.div_ceil(3) * 4 - (3 - WHOLE % 3) % 3;

/// A clock that is ahead of ours by less than this seals tokens that we take, in seconds.
const AHEAD: u64 = 5;

/// The secrets that seal read tokens: the first seals, all of them open.
///
/// To change the secret, add the new one at the end on all instances, then move it to the
/// front, and take the old one away when the tokens that it sealed have expired. The secrets
/// may be those of other things: what is sealed here opens nowhere else.
///
/// Clones share the keys, and what they count.
#[derive(Clone)]
pub struct TokenKeys {
    ring: Arc<[Key]>,
    refused: Arc<RefusedTokens>,
    /// In seconds, at least one.
    lifetime: u64,
}

impl TokenKeys {
    /// A ring of 1 to 8 secrets of at least 32 random bytes each.
    ///
    /// # Errors
    ///
    /// [`InvalidTokenKeys`] when there are fewer or more, or one is shorter.
    pub fn new<I>(secrets: I) -> Result<Self, InvalidTokenKeys>
    where
        I: IntoIterator,
        I::Item: AsRef<[u8]>,
    {
        let mut ring = Vec::new();
        for (index, secret) in secrets.into_iter().enumerate() {
            let secret = secret.as_ref();
            let bytes = secret.len();
            let is_long = bytes >= LEAST_BYTES;
            let key = is_long.then(|| Key::derive(secret)).flatten();
            ring.push(key.ok_or(InvalidTokenKeys(Fault::Short { index, bytes }))?);
        }
        match ring.len() {
            0 => Err(InvalidTokenKeys(Fault::None)),
            1..=MOST_SECRETS => Ok(Self {
                ring: ring.into(),
                refused: Arc::default(),
                lifetime: 60,
            }),
            count => Err(InvalidTokenKeys(Fault::Many { count })),
        }
    }

    /// How long after a write its token is heeded: longer than replicas lag. Whole seconds
    /// count, and at least one; the same on all instances. Default: 60 seconds.
    #[must_use]
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime.as_secs().max(1);
        self
    }

    /// In seconds.
    pub(crate) const fn seconds(&self) -> u64 {
        self.lifetime
    }

    /// As text for a cookie, a header or a job; `None` when it has expired at `now`.
    pub(crate) fn seal(&self, token: &ReadToken, now: u64) -> Option<String> {
        let key = self.ring.first().filter(|_| now <= token.expires)?;
        let expires = token.expires.min(now.saturating_add(self.lifetime));
        let mut text = ReadToken { expires, ..*token }.write();
        let nonce = key.nonce(&text);
        let cipher = &key.cipher;
        let tag = cipher.encrypt_inout_detached(&nonce, &[VERSION], text.as_mut_slice().into());
        let whole = [&[VERSION], &*nonce, &text, &*tag.ok()?].concat();
        Some(URL_SAFE_NO_PAD.encode(whole))
    }

    /// Opens what [`seal`](Self::seal) made. What does not open is counted, by its reason, and
    /// otherwise ignored: it is the client's own freshness that is lost.
    pub(crate) fn open(&self, text: &[u8], now: u64) -> Option<ReadToken> {
        let refused = &self.refused;
        let Some(token) = self.unseal(text) else {
            return count(&refused.forged);
        };
        if token.expires < now {
            return count(&refused.expired);
        }
        if token.expires > now.saturating_add(self.lifetime).saturating_add(AHEAD) {
            return count(&refused.future);
        }
        Some(token)
    }

    fn unseal(&self, text: &[u8]) -> Option<ReadToken> {
        if text.len() != LENGTH {
            return None;
        }
        let mut whole = [0; WHOLE];
        let written = URL_SAFE_NO_PAD.decode_slice(text, &mut whole).ok()?;
        let (version, sealed) = whole.get_mut(..written)?.split_first_mut()?;
        let (nonce, sealed) = sealed.split_first_chunk_mut::<NONCE>()?;
        let (sealed, tag) = sealed.split_first_chunk_mut::<{ token::BYTES }>()?;
        let (nonce, tag) = (
            XNonce::from(*nonce),
            Tag::from(<[u8; TAG]>::try_from(&*tag).ok()?),
        );
        // What does not open is left as it was, so that the next key may try.
        let opens = |key: &Key| {
            let cipher = &key.cipher;
            let sealed = sealed.as_mut_slice().into();
            let opened = cipher.decrypt_inout_detached(&nonce, &[*version], sealed, &tag);
            opened.is_ok()
        };
        self.ring.iter().any(opens).then_some(())?;
        (*version == VERSION).then(|| ReadToken::read(sealed))?
    }
}

fn count<T>(counter: &AtomicU64) -> Option<T> {
    counter.fetch_add(1, Ordering::Relaxed);
    None
}

static REFUSED: Metric = Metric::counter(
    "postgres_tokens_refused",
    "tokens",
    "Read tokens that were not heeded, by reason",
)
.labelled("reason");
pub(crate) static METRICS: &[Metric] = &[REFUSED];

impl Stats for TokenKeys {
    fn describe(&self) -> &'static [Metric] {
        METRICS
    }

    fn read(&self, sink: &mut dyn FnMut(&'static Metric, &str, Value)) {
        let refused = &self.refused;
        for (reason, times) in [
            ("forged", &refused.forged),
            ("expired", &refused.expired),
            ("future", &refused.future),
        ] {
            sink(
                &REFUSED,
                reason,
                Value::Count(times.load(Ordering::Relaxed)),
            );
        }
    }
}

#[cfg(test)]
impl TokenKeys {
    pub(crate) const fn token(
        &self,
        position: crate::lsn::Position,
        cluster: u64,
        now: u64,
    ) -> ReadToken {
        ReadToken {
            position,
            cluster,
            expires: now.saturating_add(self.lifetime),
        }
    }
}

impl fmt::Debug for TokenKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenKeys")
            .field("keys", &self.ring.len())
            .field("lifetime", &self.lifetime)
            .finish_non_exhaustive()
    }
}

/// Tokens that were not heeded. None of the numbers orders anything else.
#[derive(Debug, Default)]
struct RefusedTokens {
    /// Cut, altered, or sealed by none of our secrets.
    forged: AtomicU64,
    expired: AtomicU64,
    /// They would live longer than any that was sealed by now.
    future: AtomicU64,
}

/// Two keys of one secret, neither of which tells the other.
struct Key {
    cipher: XChaCha20Poly1305,
    /// Keyed, and fed with nothing yet.
    nonces: Hmac<Sha256>,
}

impl Key {
    /// HMAC takes a key of any length, so this is never `None`.
    fn derive(secret: &[u8]) -> Option<Self> {
        let keyed = |label: &[u8]| {
            let mut mac = <Hmac<Sha256>>::new_from_slice(secret).ok()?;
            mac.update(label);
            Some(mac.finalize().into_bytes())
        };
        let seal = keyed(b"towerblock-postgres/1 read token seal")?;
        let nonce = keyed(b"towerblock-postgres/1 read token nonce")?;
        Some(Self {
            cipher: XChaCha20Poly1305::new_from_slice(&seal).ok()?,
            nonces: Hmac::new_from_slice(&nonce).ok()?,
        })
    }

    /// A keyed hash of all that is sealed, so that sealing needs no randomness and cannot fail
    /// for want of it. Two tokens with one nonce are one token.
    fn nonce(&self, text: &[u8]) -> XNonce {
        let mut mac = self.nonces.clone();
        mac.update(text);
        let hash: [u8; 32] = mac.finalize().into_bytes().into();
        let mut nonce = XNonce::default();
        nonce.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
        nonce
    }
}

/// There were too few secrets or too many, or one was too short.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct InvalidTokenKeys(Fault);

#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("no secret given to seal read tokens with")]
    None,
    #[error("{count} secrets given to open read tokens with, at most {MOST_SECRETS} are tried")]
    Many { count: usize },
    #[error(
        "secret number {} has {bytes} bytes, at least {LEAST_BYTES} are needed",
        index + 1
    )]
    Short { index: usize, bytes: usize },
}

#[cfg(test)]
mod tests;
