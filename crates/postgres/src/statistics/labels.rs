use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use crate::statistics::sample::{Outcome, Sample};
use crate::statistics::times::Times;

/// Labels that are told apart.
const LABELS: usize = 512;
/// Twice as many, so that few lie on the way to another.
const SLOTS: usize = 2 * LABELS;
/// What is written under any label beyond [`LABELS`].
pub(crate) const OTHER: &str = "other";

/// What is known of each label. Labels are never forgotten, so that finding one takes no
/// lock: a slot that was filled stays as it is.
pub(crate) struct Labels {
    slots: Box<[OnceLock<Box<Label>>]>,
    other: OnceLock<Box<Label>>,
    known: AtomicUsize,
    hasher: RandomState,
}

impl Labels {
    pub(crate) fn new() -> Self {
        Self {
            slots: (0..SLOTS).map(|_| OnceLock::new()).collect(),
            other: OnceLock::new(),
            known: AtomicUsize::new(0),
            hasher: RandomState::new(),
        }
    }

    pub(crate) fn of(&self, name: &'static str) -> &Label {
        self.find(name)
            .unwrap_or_else(|| self.other.get_or_init(|| Box::new(Label::new(OTHER))))
    }

    /// Those that were ever written, in no order.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Label> {
        let slots = self.slots.iter().chain([&self.other]);
        slots.filter_map(|slot| slot.get().map(|label| &**label))
    }

    fn find(&self, name: &'static str) -> Option<&Label> {
        if name == OTHER {
            return None;
        }
        let start = usize::try_from(self.hasher.hash_one(name) % SLOTS as u64).unwrap_or(0);
        let slots = self.slots.iter();
        for slot in slots.clone().skip(start).chain(slots.take(start)) {
            let label = match slot.get() {
                Some(label) => label,
                None => self.fill(slot, name)?,
            };
            if label.name == name {
                return Some(label);
            }
        }
        None
    }

    /// The label that the slot then has, which is another when somebody else was quicker;
    /// `None` when there are too many.
    fn fill<'a>(&self, slot: &'a OnceLock<Box<Label>>, name: &'static str) -> Option<&'a Label> {
        // The number orders nothing: the slot hands its label over by itself.
        let more = |known| (known < LABELS).then_some(known + 1);
        let (relaxed, count) = (Ordering::Relaxed, &self.known);
        count.fetch_update(relaxed, relaxed, more).ok()?;
        let mut filled = false;
        let label = slot.get_or_init(|| {
            filled = true;
            Box::new(Label::new(name))
        });
        if !filled {
            count.fetch_sub(1, relaxed);
        }
        Some(label)
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.all().map(|label| label.name))
            .finish()
    }
}

pub(crate) struct Label {
    name: &'static str,
    numbers: Mutex<Numbers>,
}

impl Label {
    fn new(name: &'static str) -> Self {
        Self {
            name,
            numbers: Mutex::new(Numbers::new()),
        }
    }

    pub(crate) const fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn add(&self, sample: &Sample<'_>, slow: bool) {
        self.lock().add(sample, slow);
    }

    /// A copy, so that whoever works on it keeps nobody from writing.
    pub(crate) fn numbers(&self) -> Numbers {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Numbers> {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Numbers {
    pub(crate) queries: u64,
    pub(crate) errors: u64,
    pub(crate) cancelled: u64,
    pub(crate) refused: u64,
    pub(crate) slow: u64,
    pub(crate) rows: u64,
    pub(crate) wait: Times,
    pub(crate) connect: Times,
    pub(crate) execute: Times,
    pub(crate) hold: Times,
}

impl Numbers {
    fn new() -> Self {
        Self {
            queries: 0,
            errors: 0,
            cancelled: 0,
            refused: 0,
            slow: 0,
            rows: 0,
            wait: Times::new(),
            connect: Times::new(),
            execute: Times::new(),
            hold: Times::new(),
        }
    }

    fn add(&mut self, sample: &Sample<'_>, slow: bool) {
        self.queries += 1;
        self.wait.add(sample.wait);
        match sample.outcome {
            Outcome::Ok => {}
            Outcome::Error => self.errors += 1,
            Outcome::Cancelled => self.cancelled += 1,
            Outcome::Refused => {
                self.refused += 1;
                return;
            }
        }
        self.slow += u64::from(slow);
        self.rows = self.rows.saturating_add(sample.rows);
        if sample.connect > Duration::ZERO {
            self.connect.add(sample.connect);
        }
        self.execute.add(sample.execute);
        self.hold.add(sample.hold);
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::{LABELS, Labels, OTHER};

    fn leaked(number: usize) -> &'static str {
        format!("label.{number}").leak()
    }

    #[test]
    fn a_flood_of_labels_ends_under_one() {
        let labels = Labels::new();
        for number in 0..3 * LABELS {
            let name = leaked(number);
            let written = if number < LABELS { name } else { OTHER };
            assert_eq!(labels.of(name).name(), written);
        }
        assert_eq!(labels.all().count(), LABELS + 1);
        assert_eq!(
            labels.of("label.7").name(),
            "label.7",
            "by text, not by address"
        );
    }

    #[test]
    fn threads_that_race_for_a_label_find_one() {
        let labels = Labels::new();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    // Threads that race for the last slots may for a moment take them for full.
                    for number in 0..LABELS - 4 {
                        let name = leaked(number);
                        assert_eq!(labels.of(name).name(), name);
                    }
                });
            }
        });
        assert_eq!(labels.all().count(), LABELS - 4);
        for number in 0..LABELS {
            assert_ne!(labels.of(leaked(number)).name(), OTHER);
        }
        assert_eq!(labels.of("one more").name(), OTHER);
    }

    #[test]
    fn a_label_named_like_the_rest_is_the_rest() {
        let labels = Labels::new();
        assert_eq!(labels.of(OTHER).name(), OTHER);
        for number in 0..=LABELS {
            labels.of(leaked(number));
        }
        let rest = labels.all().filter(|label| label.name() == OTHER);
        assert_eq!(rest.count(), 1);
    }
}
