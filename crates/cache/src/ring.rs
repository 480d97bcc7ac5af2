use std::sync::Arc;

use slab::Slab;

/// The entries of one tenant, oldest first, and their bytes: what a tenant over its share is
/// told to give up.
///
/// An entry is counted while it stands here. Memory frees what it evicts a little later, and a
/// reader may keep it longer still; neither may make a tenant evict more than it should.
#[derive(Debug)]
pub(crate) struct Ring {
    nodes: Slab<Node>,
    oldest: usize,
    newest: usize,
    stamps: u64,
    bytes: u64,
}

#[derive(Debug)]
struct Node {
    held: Held,
    stamp: u64,
    older: usize,
    newer: usize,
}

/// What is known of an entry without looking it up.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) cache: u16,
    pub(crate) key: Arc<[u8]>,
    pub(crate) bytes: u32,
    /// When it cannot be served any more, in milliseconds of the clock.
    pub(crate) dies: u64,
}

/// Where an entry stands; spent once it does not stand there any more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket {
    at: usize,
    stamp: u64,
}

const NONE: usize = usize::MAX;

impl Ring {
    pub(crate) fn push(&mut self, held: Held) -> Ticket {
        self.stamps += 1;
        self.bytes += u64::from(held.bytes);
        let stamp = self.stamps;
        let at = self.nodes.insert(Node {
            held,
            stamp,
            older: self.newest,
            newer: NONE,
        });
        match self.nodes.get_mut(self.newest) {
            Some(newest) => newest.newer = at,
            None => self.oldest = at,
        }
        self.newest = at;
        Ticket { at, stamp }
    }

    /// Takes out an entry, if it is there still.
    pub(crate) fn remove(&mut self, ticket: Ticket) -> Option<Held> {
        let node = self.nodes.get(ticket.at)?;
        (node.stamp == ticket.stamp).then(|| self.take(ticket.at))?
    }

    pub(crate) fn pop_oldest(&mut self) -> Option<Held> {
        self.take(self.oldest)
    }

    /// Takes out the oldest if it cannot be served any more.
    pub(crate) fn pop_dead(&mut self, now: u64) -> Option<Held> {
        let oldest = self.nodes.get(self.oldest)?;
        (oldest.held.dies <= now).then(|| self.pop_oldest())?
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    fn take(&mut self, at: usize) -> Option<Held> {
        let node = self.nodes.try_remove(at)?;
        match self.nodes.get_mut(node.older) {
            Some(older) => older.newer = node.newer,
            None => self.oldest = node.newer,
        }
        match self.nodes.get_mut(node.newer) {
            Some(newer) => newer.older = node.older,
            None => self.newest = node.older,
        }
        self.bytes -= u64::from(node.held.bytes);
        // A slab keeps the room of its fullest hour.
        if self.nodes.capacity() > 64 && self.nodes.len() < self.nodes.capacity() / 8 {
            self.nodes.shrink_to_fit();
        }
        Some(node.held)
    }
}

impl Default for Ring {
    fn default() -> Self {
        Self {
            nodes: Slab::new(),
            oldest: NONE,
            newest: NONE,
            stamps: 0,
            bytes: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Held, Ring};

    fn held(bytes: u32, dies: u64) -> Held {
        Held {
            cache: 0,
            key: [].into(),
            bytes,
            dies,
        }
    }

    #[test]
    fn the_oldest_leaves_first_and_nothing_is_counted_twice() {
        let mut ring = Ring::default();
        let first = ring.push(held(1, 0));
        let second = ring.push(held(2, 0));
        ring.push(held(4, 0));
        assert!(ring.remove(second).is_some());
        assert!(ring.remove(second).is_none());
        assert_eq!((ring.bytes(), ring.len()), (5, 2));
        assert_eq!(ring.pop_oldest().map(|held| held.bytes), Some(1));
        // Its place has another now.
        ring.push(held(8, 0));
        assert!(ring.remove(first).is_none());
        assert_eq!(ring.pop_oldest().map(|held| held.bytes), Some(4));
        assert_eq!(ring.pop_oldest().map(|held| held.bytes), Some(8));
        assert!(ring.pop_oldest().is_none());
        assert_eq!((ring.bytes(), ring.len()), (0, 0));
    }

    #[test]
    fn only_what_is_dead_is_swept() {
        let mut ring = Ring::default();
        ring.push(held(1, 10));
        ring.push(held(2, 20));
        assert!(ring.pop_dead(9).is_none());
        assert_eq!(ring.pop_dead(10).map(|held| held.bytes), Some(1));
        assert!(ring.pop_dead(10).is_none());
    }
}
