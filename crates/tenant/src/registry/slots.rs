//! How many questions to the store may be open.

use std::num::NonZeroUsize;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A quarter of them is for names that are known: clients can make up others, and would keep
/// those that are known from being refreshed.
#[derive(Debug)]
pub(super) struct Slots {
    all: Arc<Semaphore>,
    of_strangers: Arc<Semaphore>,
}

/// The right to have one question open.
#[derive(Debug)]
pub(super) struct Slot {
    _all: OwnedSemaphorePermit,
    _of_strangers: Option<OwnedSemaphorePermit>,
}

impl Slots {
    pub(super) fn new(at_once: NonZeroUsize) -> Self {
        let all = at_once.get().min(Semaphore::MAX_PERMITS);
        let of_strangers = all - all / 4;
        Self {
            all: Arc::new(Semaphore::new(all)),
            of_strangers: Arc::new(Semaphore::new(of_strangers)),
        }
    }

    pub(super) fn take(&self, is_known: bool) -> Option<Slot> {
        let take = |slots: &Arc<Semaphore>| Arc::clone(slots).try_acquire_owned().ok();
        let of_strangers = if is_known {
            None
        } else {
            Some(take(&self.of_strangers)?)
        };
        Some(Slot {
            _all: take(&self.all)?,
            _of_strangers: of_strangers,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::Slots;

    #[test]
    fn strangers_leave_a_quarter_to_those_who_are_known() {
        let slots = Slots::new(NonZeroUsize::new(32).unwrap());
        let strangers: Vec<_> = (0..64).map_while(|_| slots.take(false)).collect();
        assert_eq!(strangers.len(), 24);
        let known: Vec<_> = (0..64).map_while(|_| slots.take(true)).collect();
        assert_eq!(known.len(), 8);
        drop(strangers);
        let more: Vec<_> = (0..32).map_while(|_| slots.take(true)).collect();
        assert_eq!(more.len(), 24);
        let one = Slots::new(NonZeroUsize::MIN);
        assert!(one.take(false).is_some(), "one is for whoever comes");
    }
}
