use std::fmt;
use std::sync::Arc;

use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

const LEAST_BYTES: usize = 32;
const MOST_SECRETS: usize = 8;

/// The secrets that seal cursors: the first seals, all of them open.
///
/// To change the secret, add the new one at the end on all instances, then move it to the
/// front, and take the old one away when the cursors that it sealed have expired: at no time
/// does one instance seal what another cannot open.
///
/// Clones share the keys.
#[derive(Clone)]
pub struct KeyRing {
    keys: Arc<[Key]>,
}

impl KeyRing {
    /// A ring of 1 to 8 secrets of at least 32 random bytes each.
    ///
    /// # Errors
    ///
    /// [`InvalidKeys`] when there are fewer or more, or one is shorter.
    pub fn new<I>(secrets: I) -> Result<Self, InvalidKeys>
    where
        I: IntoIterator,
        I::Item: AsRef<[u8]>,
    {
        let mut keys = Vec::new();
        for (index, secret) in secrets.into_iter().enumerate() {
            let secret = secret.as_ref();
            let bytes = secret.len();
            let is_long = bytes >= LEAST_BYTES;
            let key = is_long.then(|| Key::derive(secret)).flatten();
            keys.push(key.ok_or(InvalidKeys(Fault::Short { index, bytes }))?);
        }
        match keys.len() {
            0 => Err(InvalidKeys(Fault::None)),
            1..=MOST_SECRETS => Ok(Self { keys: keys.into() }),
            count => Err(InvalidKeys(Fault::Many { count })),
        }
    }

    /// The one that seals.
    pub(crate) fn first(&self) -> Option<&Key> {
        self.keys.first()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Key> {
        self.keys.iter()
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing")
            .field("keys", &self.keys.len())
            .finish_non_exhaustive()
    }
}

/// Two keys of one secret, neither of which tells the other.
pub(crate) struct Key {
    pub(crate) cipher: XChaCha20Poly1305,
    /// Keyed, and fed with nothing yet.
    pub(crate) nonces: Hmac<Sha256>,
}

impl Key {
    /// HMAC takes a key of any length, so this is never `None`.
    fn derive(secret: &[u8]) -> Option<Self> {
        let keyed = |label: &[u8]| {
            let mut mac = <Hmac<Sha256>>::new_from_slice(secret).ok()?;
            mac.update(label);
            Some(mac.finalize().into_bytes())
        };
        let seal = keyed(b"towerblock-page/1 seal")?;
        let nonce = keyed(b"towerblock-page/1 nonce")?;
        Some(Self {
            cipher: XChaCha20Poly1305::new_from_slice(&seal).ok()?,
            nonces: Hmac::new_from_slice(&nonce).ok()?,
        })
    }
}

/// There were too few secrets or too many, or one was too short.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct InvalidKeys(Fault);

#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("no secret given to seal cursors with")]
    None,
    #[error("{count} secrets given to open cursors with, at most {MOST_SECRETS} are tried")]
    Many { count: usize },
    #[error(
        "secret number {} has {bytes} bytes, at least {LEAST_BYTES} are needed",
        index + 1
    )]
    Short { index: usize, bytes: usize },
}

#[cfg(test)]
mod tests {
    use super::KeyRing;

    #[test]
    fn a_ring_has_one_to_eight_long_secrets() {
        let fault = |lengths: &[usize]| {
            let secrets = lengths.iter().map(|length| vec![7; *length]);
            KeyRing::new(secrets).err().map(|fault| fault.to_string())
        };
        assert_eq!(fault(&[32]), None);
        assert_eq!(fault(&[64; 8]), None);
        let none = "no secret given to seal cursors with";
        assert_eq!(fault(&[]).as_deref(), Some(none));
        let many = "9 secrets given to open cursors with, at most 8 are tried";
        assert_eq!(fault(&[32; 9]).as_deref(), Some(many));
        let short = "secret number 2 has 31 bytes, at least 32 are needed";
        assert_eq!(fault(&[32, 31]).as_deref(), Some(short));
    }

    #[test]
    fn a_ring_does_not_print_its_secrets() {
        let ring = KeyRing::new([[b'x'; 32]]).unwrap();
        assert_eq!(format!("{ring:?}"), "KeyRing { keys: 1, .. }");
    }
}
