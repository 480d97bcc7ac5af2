use slab::Slab;

/// Room for so many is kept while there is nothing in it.
const KEPT: usize = 1_024;

/// Things by the key that each gets when it is put in, and has until it is taken out.
///
/// Asking for a key that is not there is a mistake of this crate, and panics.
#[derive(Debug)]
pub(crate) struct Arena<T>(Slab<T>);

#[expect(
    clippy::indexing_slicing,
    reason = "keys are kept only while what they name is in the arena"
)]
impl<T> Arena<T> {
    pub(crate) fn at(&self, key: usize) -> &T {
        &self.0[key]
    }

    pub(crate) fn at_mut(&mut self, key: usize) -> &mut T {
        &mut self.0[key]
    }

    pub(crate) fn insert(&mut self, thing: T) -> usize {
        self.0.insert(thing)
    }

    pub(crate) fn remove(&mut self, key: usize) -> T {
        let thing = self.0.remove(key);
        // Keys stay what they are, so an arena becomes smaller only when it is empty.
        if self.0.is_empty() && self.0.capacity() > KEPT {
            self.0 = Slab::new();
        }
        thing
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn room(&self) -> usize {
        self.0.capacity()
    }
}

impl<T> Default for Arena<T> {
    fn default() -> Self {
        Self(Slab::new())
    }
}
