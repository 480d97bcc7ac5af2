//! Lists whose members may leave from the middle: neighbours are indices into an arena.

use crate::arena::Arena;

/// The neighbours of a member of a list.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Links {
    before: Option<usize>,
    after: Option<usize>,
}

/// What can be a member of one list at a time.
pub(crate) trait Linked {
    fn links(&mut self) -> &mut Links;
}

#[derive(Debug, Default)]
pub(crate) struct List {
    front: Option<usize>,
    back: Option<usize>,
    len: usize,
}

impl List {
    pub(crate) fn front(&self) -> Option<usize> {
        self.front
    }

    pub(crate) fn back(&self) -> Option<usize> {
        self.back
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn push_back<T: Linked>(&mut self, arena: &mut Arena<T>, key: usize) {
        let before = self.back.replace(key);
        *arena.at_mut(key).links() = Links {
            before,
            after: None,
        };
        match before {
            Some(before) => arena.at_mut(before).links().after = Some(key),
            None => self.front = Some(key),
        }
        self.len += 1;
    }

    pub(crate) fn push_front<T: Linked>(&mut self, arena: &mut Arena<T>, key: usize) {
        let after = self.front.replace(key);
        *arena.at_mut(key).links() = Links {
            before: None,
            after,
        };
        match after {
            Some(after) => arena.at_mut(after).links().before = Some(key),
            None => self.back = Some(key),
        }
        self.len += 1;
    }

    /// Takes a member out; to be called for members of this list only.
    pub(crate) fn remove<T: Linked>(&mut self, arena: &mut Arena<T>, key: usize) {
        let Links { before, after } = std::mem::take(arena.at_mut(key).links());
        match before {
            Some(before) => arena.at_mut(before).links().after = after,
            None => self.front = after,
        }
        match after {
            Some(after) => arena.at_mut(after).links().before = before,
            None => self.back = before,
        }
        self.len -= 1;
    }
}
