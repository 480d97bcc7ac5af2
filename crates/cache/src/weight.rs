//! How many bytes an entry takes.

use std::fmt;
use std::io;

use serde::Serialize;

use crate::entry::{Birth, Entry};
use crate::key::Place;

/// What memory needs to know of an entry, and what stands in the ring of its tenant: measured, for
/// a million entries.
const KEPT: u64 = 490;
/// The first entry of a tenant brings along what is known of the tenant.
const TENANT: u64 = 400;

/// What an entry takes beside what its value points to.
pub(crate) fn overhead<T>(birth: &Birth, place: &Place) -> u64 {
    let tenant = if birth.tenant.holds_nothing() {
        TENANT
    } else {
        0
    };
    let tags = 8 * birth.tags.len() as u64;
    KEPT + tenant + size_of::<Entry<T>>() as u64 + place.key.len() as u64 + tags
}

/// What a value points to is about as long as its JSON. That is written to be counted, which
/// takes a microsecond for each kilobyte or so, and no memory.
pub(crate) fn of<V: Serialize>(value: &V) -> u64 {
    let mut length = Length(0);
    match serde_json::to_writer(&mut length, value) {
        Ok(()) => length.0,
        // What cannot be weighed is too heavy.
        Err(_) => u64::MAX,
    }
}

struct Length(u64);

impl io::Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.saturating_add(bytes.len() as u64);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A function that knows better.
pub(crate) struct Weigh<V>(Box<WeighFn<V>>);

type WeighFn<V> = dyn Fn(&V) -> usize + Send + Sync;

impl<V> Weigh<V> {
    pub(crate) fn new(weigh: impl Fn(&V) -> usize + Send + Sync + 'static) -> Self {
        Self(Box::new(weigh))
    }

    pub(crate) fn of(&self, value: &V) -> u64 {
        (self.0)(value) as u64
    }
}

impl<V> fmt::Debug for Weigh<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Weigh")
    }
}
