//! The text that a client holds: version | nonce | XChaCha20-Poly1305(direction, time of
//! issue, key values), as base64url. No clock and no request here.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use chacha20poly1305::aead::AeadInOut as _;
use chacha20poly1305::{Tag, XNonce};
use hmac::Mac as _;

use crate::Direction;
use crate::keys::{Key, KeyRing};
use crate::position::Position;
use crate::value::Raw;

/// In characters: what fits into a URL beside other things.
pub(crate) const LONGEST: usize = 2_048;

const VERSION: u8 = 1;
const NONCE: usize = 24;
const TAG: usize = 16;

const BACKWARD: u8 = 1;
const INCLUSIVE: u8 = 2;

/// Stands for the length of a NULL.
const NULL: u32 = u32::MAX;

/// A clock that is ahead of ours by less than this issues cursors that we take, in seconds.
const AHEAD: u64 = 300;

/// Seals `position` for the scope that `aad` names; `None` when the text would be too long.
///
/// The nonce is a keyed hash of all that is sealed, so the same page has the same cursors,
/// and its bytes one ETag. Two cursors with one nonce are one cursor.
pub(crate) fn seal(ring: &KeyRing, aad: &[u8], position: &Position, issued: u64) -> Option<String> {
    let key = ring.first()?;
    let mut text = write(position, issued)?;
    let nonce = nonce(key, aad, &text);
    let sealed = key
        .cipher
        .encrypt_inout_detached(&nonce, aad, text.as_mut_slice().into());
    let tag = sealed.ok()?;
    let whole = [&[VERSION], &*nonce, &text, &*tag].concat();
    let text = URL_SAFE_NO_PAD.encode(whole);
    (text.len() <= LONGEST).then_some(text)
}

/// Opens what [`seal`] made for the same scope, not longer than `expiry` seconds ago.
pub(crate) fn open(
    ring: &KeyRing,
    aad: &[u8],
    text: &str,
    now: u64,
    expiry: u64,
) -> Option<Position> {
    if text.len() > LONGEST {
        return None;
    }
    let mut bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (version, sealed) = bytes.split_first_mut()?;
    let (nonce, sealed) = sealed.split_first_chunk_mut::<NONCE>()?;
    let (sealed, tag) = sealed.split_last_chunk_mut::<TAG>()?;
    let (nonce, tag) = (XNonce::from(*nonce), Tag::from(*tag));
    if *version != VERSION {
        return None;
    }
    // What does not open is left as it was, so that the next key may try.
    let opens = |key: &Key| {
        let opened = key
            .cipher
            .decrypt_inout_detached(&nonce, aad, (&mut *sealed).into(), &tag);
        opened.is_ok()
    };
    let mut keys = ring.iter();
    keys.any(opens).then_some(())?;
    let (position, issued) = read(sealed)?;
    let is_current = issued <= now.saturating_add(AHEAD) && now <= issued.saturating_add(expiry);
    is_current.then_some(position)
}

fn nonce(key: &Key, aad: &[u8], text: &[u8]) -> XNonce {
    let mut mac = key.nonces.clone();
    mac.update(&(aad.len() as u64).to_be_bytes());
    mac.update(aad);
    mac.update(text);
    let hash: [u8; 32] = mac.finalize().into_bytes().into();
    let mut nonce = XNonce::default();
    nonce.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
    nonce
}

fn write(position: &Position, issued: u64) -> Option<Vec<u8>> {
    let backward = match position.direction {
        Direction::Forward => 0,
        Direction::Backward => BACKWARD,
    };
    let inclusive = if position.inclusive { INCLUSIVE } else { 0 };
    let mut text = vec![backward | inclusive];
    text.extend(issued.to_be_bytes());
    for value in &position.key {
        let Some(Raw(value)) = value else {
            text.extend(NULL.to_be_bytes());
            continue;
        };
        // Nothing that is as long as that ends in a cursor.
        let length = u32::try_from(value.len()).ok().filter(|l| *l < NULL)?;
        text.extend(length.to_be_bytes());
        text.extend(value);
    }
    Some(text)
}

fn read(text: &[u8]) -> Option<(Position, u64)> {
    let (flags, text) = text.split_first()?;
    let (issued, mut text) = text.split_first_chunk()?;
    let mut key = Vec::new();
    while let Some((length, rest)) = text.split_first_chunk() {
        let length = u32::from_be_bytes(*length);
        if length == NULL {
            key.push(None);
            text = rest;
            continue;
        }
        let (value, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        key.push(Some(Raw(Bytes::copy_from_slice(value))));
        text = rest;
    }
    let direction = match flags & BACKWARD {
        0 => Direction::Forward,
        _ => Direction::Backward,
    };
    let inclusive = flags & INCLUSIVE != 0;
    let position = Position {
        direction,
        inclusive,
        key,
    };
    text.is_empty()
        .then_some((position, u64::from_be_bytes(*issued)))
}
