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

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::{AHEAD, LONGEST, URL_SAFE_NO_PAD, open, read, seal, write};
    use crate::position::Position;
    use crate::value::Raw;
    use crate::{Direction, KeyRing};

    const DAY: u64 = 86_400;
    const NOW: u64 = 1_800_000_000;

    fn ring(secrets: &[[u8; 32]]) -> KeyRing {
        KeyRing::new(secrets).unwrap()
    }

    fn at(key: &[Option<&'static [u8]>]) -> Position {
        let raw = |value: &Option<&'static [u8]>| value.map(|v| Raw(Bytes::from_static(v)));
        Position {
            direction: Direction::Backward,
            inclusive: true,
            key: key.iter().map(raw).collect(),
        }
    }

    #[test]
    fn a_cursor_lives_from_its_issue_to_its_expiry() {
        let ring = ring(&[[1; 32]]);
        let text = seal(&ring, b"list", &at(&[None]), NOW).unwrap();
        let opens = |now| open(&ring, b"list", &text, now, DAY).is_some();
        assert!(opens(NOW) && opens(NOW + DAY) && !opens(NOW + DAY + 1));
        assert!(opens(NOW - AHEAD) && !opens(NOW - AHEAD - 1));
        assert!(!opens(0) && !opens(u64::MAX));
        assert!(open(&ring, b"list", &text, NOW + DAY + 1, u64::MAX).is_some());
    }

    #[test]
    fn a_cursor_is_the_same_for_the_same_place_time_and_scope_only() {
        let secret = ring(&[[1; 32]]);
        let text = seal(&secret, b"list", &at(&[Some(b"a")]), NOW);
        assert_eq!(seal(&secret, b"list", &at(&[Some(b"a")]), NOW), text);
        let others = [
            seal(&secret, b"list", &at(&[Some(b"b")]), NOW),
            seal(&secret, b"lisu", &at(&[Some(b"a")]), NOW),
            seal(&secret, b"list", &at(&[Some(b"a")]), NOW + 1),
            seal(&ring(&[[2; 32]]), b"list", &at(&[Some(b"a")]), NOW),
        ];
        let bytes = |text: &Option<String>| URL_SAFE_NO_PAD.decode(text.as_ref().unwrap()).unwrap();
        for other in others {
            // Not even the nonce is: two texts under one would tell their difference.
            assert_ne!(bytes(&other)[1..25], bytes(&text)[1..25]);
        }
    }

    #[test]
    fn a_cursor_shows_nothing_of_the_key() {
        let secret = b"a rather secret value";
        let text = seal(&ring(&[[1; 32]]), b"list", &at(&[Some(secret)]), NOW).unwrap();
        let bytes = URL_SAFE_NO_PAD.decode(text).unwrap();
        assert!(
            !bytes
                .windows(4)
                .any(|window| secret.windows(4).any(|w| w == window))
        );
    }

    #[test]
    fn a_text_that_is_too_long_is_neither_made_nor_read() {
        let ring = ring(&[[1; 32]]);
        let position = |length| Position {
            key: vec![Some(Raw(vec![7; length].into()))],
            ..at(&[])
        };
        // 1 + 24 + 1 + 8 + 4 + 16 bytes besides, and four characters for three bytes.
        let most = LONGEST / 4 * 3 - 54;
        let longest = seal(&ring, b"", &position(most), NOW).unwrap();
        assert_eq!(longest.len(), LONGEST);
        assert_eq!(open(&ring, b"", &longest, NOW, DAY), Some(position(most)));
        assert_eq!(seal(&ring, b"", &position(most + 1), NOW), None);
        assert_eq!(open(&ring, b"", &"A".repeat(LONGEST), NOW, DAY), None);
        assert_eq!(open(&ring, b"", &"A".repeat(10_000_000), NOW, DAY), None);
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens_with_any_key_of_the_ring_that_sealed_it(
            key in prop::collection::vec(prop::option::of(prop::collection::vec(any::<u8>(), 0..40)), 0..5),
            flags in any::<(bool, bool)>(),
            scope in any::<Vec<u8>>(),
            issued in any::<u64>(),
        ) {
            let direction = if flags.0 { Direction::Forward } else { Direction::Backward };
            let key = key.into_iter().map(|v| v.map(|v| Raw(v.into()))).collect();
            let position = Position { direction, inclusive: flags.1, key };
            let text = seal(&ring(&[[2; 32]]), &scope, &position, issued).unwrap();
            let three = ring(&[[1; 32], [2; 32], [3; 32]]);
            prop_assert_eq!(open(&three, &scope, &text, issued, DAY), Some(position));
            prop_assert_eq!(open(&ring(&[[1; 32]]), &scope, &text, issued, DAY), None);
        }

        #[test]
        fn no_text_makes_opening_panic(text in any::<String>(), bytes in any::<Vec<u8>>()) {
            let ring = ring(&[[1; 32]]);
            prop_assert_eq!(open(&ring, b"", &text, NOW, DAY), None);
            prop_assert_eq!(open(&ring, b"", &URL_SAFE_NO_PAD.encode(&bytes), NOW, DAY), None);
            // Also not what an older version of ours may have sealed.
            if let Some((position, issued)) = read(&bytes) {
                let flags = bytes[0] & 3;
                prop_assert_eq!(&write(&position, issued).unwrap()[1..], &bytes[1..]);
                prop_assert_eq!(write(&position, issued).unwrap()[0], flags);
            }
        }
    }
}
