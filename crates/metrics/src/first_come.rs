use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// So many values, made in the order in which they are first asked for and never forgotten:
/// found without a lock, and without a guard that would have to be kept. Threads that come
/// at once to the last place may take one more each; there are twice as many places.
#[derive(Debug)]
pub(crate) struct FirstCome<V> {
    places: Box<[OnceLock<V>]>,
    room: usize,
    taken: AtomicUsize,
}

impl<V> FirstCome<V> {
    pub(crate) fn new(room: usize) -> Self {
        // Half of it stays empty, so that few keys are looked at on the way.
        let places = room.next_power_of_two() * 2;
        Self {
            places: (0..places).map(|_| OnceLock::new()).collect(),
            room,
            taken: AtomicUsize::new(0),
        }
    }

    /// The value that `is_it`, or the one made now; `None` when there is no room for it.
    #[inline]
    pub(crate) fn find(
        &self,
        hash: u64,
        is_it: impl Fn(&V) -> bool,
        make: impl Fn() -> V,
    ) -> Option<&V> {
        let mask = self.places.len() - 1;
        #[expect(clippy::cast_possible_truncation, reason = "the low bits will do")]
        let first = hash as usize;
        // It ends at an empty place, of which there are as many as others.
        for step in 0..=mask {
            let place = self.places.get(first.wrapping_add(step) & mask)?;
            let value = match place.get() {
                Some(value) => value,
                None => self.take(place, &make)?,
            };
            if is_it(value) {
                return Some(value);
            }
        }
        None
    }

    #[cold]
    fn take<'p>(&self, place: &'p OnceLock<V>, make: &impl Fn() -> V) -> Option<&'p V> {
        if self.taken.load(Ordering::Acquire) >= self.room {
            // The last to be made may have come here meanwhile.
            return place.get();
        }
        // Another thread may be first, with this key or with another.
        let mut is_mine = false;
        let value = place.get_or_init(|| {
            is_mine = true;
            make()
        });
        // Only once it can be found: whoever then sees that there is no more room finds it.
        if is_mine {
            self.taken.fetch_add(1, Ordering::Release);
        }
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::FirstCome;

    fn find(table: &FirstCome<u64>, key: u64) -> Option<u64> {
        // All begin at the same place.
        table.find(7, |value| *value == key, || key).copied()
    }

    #[test]
    fn whoever_comes_first_has_a_place_and_keeps_it() {
        let table = FirstCome::new(3);
        for key in [1, 2, 1, 3, 2] {
            assert_eq!(find(&table, key), Some(key));
        }
        for key in 4..1_000 {
            assert_eq!(find(&table, key), None);
        }
        assert_eq!(find(&table, 3), Some(3));
    }

    #[test]
    fn threads_that_meet_take_one_place_for_one_key() {
        for _ in 0..1_000 {
            let table = FirstCome::new(8);
            thread::scope(|scope| {
                for from in [0, 0, 4] {
                    let table = &table;
                    scope.spawn(move || {
                        for key in 0..8 {
                            let key = (key + from) % 8;
                            assert_eq!(find(table, key), Some(key));
                        }
                    });
                }
            });
            assert_eq!(find(&table, 8), None);
        }
    }
}
