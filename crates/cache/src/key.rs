use std::hash::{Hash, Hasher};
use std::sync::Arc;

use moka::Equivalent;
use towerblock_core::TenantId;

/// What a value is found by, within a tenant and a cache.
///
/// Keys that differ must write bytes that differ. A key of several parts is a tuple, whose
/// parts cannot run into each other. A type that a key type can be borrowed as, such as `str`
/// for `String`, must write the same.
///
/// ```
/// use towerblock_cache::{Key, KeyBuf};
///
/// struct UserId(u64);
///
/// impl Key for UserId {
///     fn write(&self, buf: &mut KeyBuf) {
///         self.0.write(buf);
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no key of a cache",
    note = "implement `towerblock_cache::Key` by writing the bytes that tell it from others"
)]
pub trait Key {
    /// Writes what tells this key from others.
    fn write(&self, buf: &mut KeyBuf);
}

macro_rules! integers {
    ($($integer:ty)*) => {$(
        impl Key for $integer {
            fn write(&self, buf: &mut KeyBuf) {
                buf.push(&self.to_be_bytes());
            }
        }
    )*};
}

integers!(u8 u16 u32 u64 u128 i8 i16 i32 i64 i128);

impl Key for str {
    fn write(&self, buf: &mut KeyBuf) {
        buf.push(self.as_bytes());
    }
}

impl Key for String {
    fn write(&self, buf: &mut KeyBuf) {
        self.as_str().write(buf);
    }
}

impl Key for [u8] {
    fn write(&self, buf: &mut KeyBuf) {
        buf.push(self);
    }
}

impl Key for Vec<u8> {
    fn write(&self, buf: &mut KeyBuf) {
        self.as_slice().write(buf);
    }
}

impl<T: Key + ?Sized> Key for &T {
    fn write(&self, buf: &mut KeyBuf) {
        (**self).write(buf);
    }
}

impl<A: Key, B: Key> Key for (A, B) {
    fn write(&self, buf: &mut KeyBuf) {
        buf.part(&self.0);
        buf.part(&self.1);
    }
}

impl<A: Key, B: Key, C: Key> Key for (A, B, C) {
    fn write(&self, buf: &mut KeyBuf) {
        buf.part(&self.0);
        buf.part(&self.1);
        buf.part(&self.2);
    }
}

/// So many bytes of a key need no allocation.
const INLINE: usize = 64;

/// Where a [`Key`] writes itself: up to 64 bytes without an allocation.
#[derive(Debug)]
pub struct KeyBuf {
    inline: [u8; INLINE],
    len: usize,
    /// All of it, once it is longer.
    spilled: Vec<u8>,
}

impl KeyBuf {
    pub(crate) fn of<Q: Key + ?Sized>(key: &Q) -> Self {
        let mut buf = Self {
            inline: [0; INLINE],
            len: 0,
            spilled: Vec::new(),
        };
        key.write(&mut buf);
        buf
    }

    /// Appends these bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        let end = self.len.saturating_add(bytes.len());
        match self.inline.get_mut(self.len..end) {
            Some(room) => room.copy_from_slice(bytes),
            None => self.spill(bytes),
        }
        self.len = end;
    }

    /// Appends a part, and its length after it: read from the end, it is clear where each
    /// part begins.
    fn part<Q: Key + ?Sized>(&mut self, key: &Q) {
        let before = self.len;
        key.write(self);
        let written = self.len.saturating_sub(before) as u64;
        self.push(&written.to_be_bytes());
    }

    #[cold]
    fn spill(&mut self, bytes: &[u8]) {
        if self.spilled.is_empty() {
            let inline = self.inline.get(..self.len).unwrap_or_default();
            self.spilled.extend_from_slice(inline);
        }
        self.spilled.extend_from_slice(bytes);
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.inline.get(..self.len).unwrap_or(&self.spilled)
    }
}

/// What an entry stands under in memory. Its parts are compared one by one and never joined, so
/// that no tenant can spell the key of another.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) tenant: TenantId,
    pub(crate) cache: u16,
    pub(crate) key: Arc<[u8]>,
}

impl Place {
    pub(crate) fn borrowed(&self) -> PlaceRef<'_> {
        PlaceRef {
            tenant: &self.tenant,
            cache: self.cache,
            key: &self.key,
        }
    }
}

impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        self.borrowed().is(other)
    }
}

impl Eq for Place {}

impl Hash for Place {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.borrowed().hash(state);
    }
}

/// A [`Place`] to look at, which needs no allocation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlaceRef<'a> {
    pub(crate) tenant: &'a TenantId,
    pub(crate) cache: u16,
    pub(crate) key: &'a [u8],
}

impl PlaceRef<'_> {
    pub(crate) fn to_owned(self) -> Place {
        Place {
            tenant: self.tenant.clone(),
            cache: self.cache,
            key: self.key.into(),
        }
    }

    fn is(self, place: &Place) -> bool {
        self.key == &*place.key && self.cache == place.cache && *self.tenant == place.tenant
    }
}

impl Hash for PlaceRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.tenant.hash(state);
        state.write_u16(self.cache);
        state.write(self.key);
    }
}

impl Equivalent<Place> for PlaceRef<'_> {
    fn equivalent(&self, place: &Place) -> bool {
        self.is(place)
    }
}

#[cfg(test)]
mod tests {
    use towerblock_core::TenantId;

    use super::{KeyBuf, Place};

    /// As if all had the same hash.
    #[test]
    fn places_with_one_hash_are_told_apart_by_each_of_their_parts() {
        let place = |tenant: &str, cache, key: &str| Place {
            tenant: TenantId::new(tenant.to_owned()).unwrap(),
            cache,
            key: key.as_bytes().into(),
        };
        let here = place("acme", 1, "k");
        assert!(here.borrowed().is(&place("acme", 1, "k")));
        for other in [
            place("globex", 1, "k"),
            place("acme", 2, "k"),
            place("acme", 1, "K"),
        ] {
            assert!(!here.borrowed().is(&other) && here != other, "{other:?}");
        }
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        let bytes = |a: &str, b: &str| KeyBuf::of(&(a, b)).bytes().to_vec();
        assert_ne!(bytes("a", "bc"), bytes("ab", "c"));
        assert_ne!(bytes("", "a"), bytes("a", ""));
        assert_ne!(bytes("a", "b:c"), bytes("a:b", "c"));
    }

    #[test]
    fn a_long_key_is_kept_whole() {
        for len in [0, 1, 63, 64, 65, 4_096] {
            let key = "k".repeat(len);
            assert_eq!(KeyBuf::of(&key).bytes(), key.as_bytes());
            assert!(KeyBuf::of(&(7_u8, &key)).bytes().len() == len + 17);
        }
    }
}
