use hashbrown::HashTable;
use towerblock_core::TenantId;

use crate::statistics::tally::Tally;

/// Tenants that one sketch tells apart.
pub(crate) const ENTRIES: usize = 1_024;

/// The tenants that held connections longest: Space-Saving (Metwally, Agrawal and El Abbadi,
/// 2005), weighted by the time held, with a heap for the stream summary.
///
/// A tenant that is not in it held at most 1 ÷ [`ENTRIES`] of the whole, and nobody's tally
/// falls short by more than that. No tally is ever above the truth: what a newcomer takes
/// over from the entry that it displaces decides only who is displaced next.
#[derive(Debug, Default)]
pub(crate) struct Sketch {
    entries: Vec<Entry>,
    /// Positions in `entries`, the lightest first.
    heap: Vec<usize>,
    /// Positions in `entries`, by tenant.
    places: HashTable<usize>,
    total: Tally,
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) tenant: TenantId,
    /// Since it displaced another.
    pub(crate) tally: Tally,
    /// What those before it held here.
    inherited: u64,
    /// Position in the heap.
    place: usize,
}

impl Entry {
    const fn weight(&self) -> u64 {
        self.inherited.saturating_add(self.tally.hold)
    }
}

impl Sketch {
    /// As much room as this many tenants take.
    pub(crate) fn with_room_for(tenants: usize) -> Self {
        let tenants = tenants.min(ENTRIES);
        Self {
            entries: Vec::with_capacity(tenants),
            heap: Vec::with_capacity(tenants),
            places: HashTable::with_capacity(tenants),
            total: Tally::default(),
        }
    }

    pub(crate) fn add(&mut self, tenant: &TenantId, tally: Tally) {
        self.total += tally;
        let at = match self.places.find(tenant.hash_code(), self.is_of(tenant)) {
            Some(&at) => at,
            None => self.admit(tenant),
        };
        let Some(entry) = self.entries.get_mut(at) else {
            return;
        };
        entry.tally += tally;
        let place = entry.place;
        self.sink(place);
        self.rise(place);
    }

    pub(crate) const fn total(&self) -> Tally {
        self.total
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(crate) fn into_entries(self) -> Vec<Entry> {
        self.entries
    }

    fn admit(&mut self, tenant: &TenantId) -> usize {
        let mut at = self.entries.len();
        if at < ENTRIES {
            let place = self.heap.len();
            self.heap.push(at);
            self.entries.push(Entry {
                tenant: tenant.clone(),
                tally: Tally::default(),
                inherited: 0,
                place,
            });
        } else if let Some(lightest) = self.heap.first() {
            at = *lightest;
            if let Some(entry) = self.entries.get_mut(at) {
                let hash = entry.tenant.hash_code();
                if let Ok(place) = self.places.find_entry(hash, |other| *other == at) {
                    place.remove();
                }
                entry.inherited = entry.weight();
                entry.tenant = tenant.clone();
                entry.tally = Tally::default();
            }
        }
        let entries = &self.entries;
        let hash = |at: &usize| entries.get(*at).map_or(0, |it| it.tenant.hash_code());
        self.places.insert_unique(tenant.hash_code(), at, hash);
        at
    }

    fn is_of(&self, tenant: &TenantId) -> impl Fn(&usize) -> bool {
        |at| self.entries.get(*at).is_some_and(|it| it.tenant == *tenant)
    }

    /// Lets what has grown heavier go down.
    fn sink(&mut self, mut place: usize) {
        loop {
            let (left, right) = (2 * place + 1, 2 * place + 2);
            let lighter = if self.weight(right) < self.weight(left) {
                right
            } else {
                left
            };
            if self.weight(lighter) >= self.weight(place) {
                return;
            }
            self.swap(place, lighter);
            place = lighter;
        }
    }

    /// Lets what was put at the end go up.
    fn rise(&mut self, mut place: usize) {
        while place > 0 {
            let above = (place - 1) / 2;
            if self.weight(above) <= self.weight(place) {
                return;
            }
            self.swap(place, above);
            place = above;
        }
    }

    /// Beyond the end lies what is heavier than anything.
    fn weight(&self, place: usize) -> u64 {
        let entry = self.heap.get(place).and_then(|at| self.entries.get(*at));
        entry.map_or(u64::MAX, Entry::weight)
    }

    fn swap(&mut self, one: usize, other: usize) {
        self.heap.swap(one, other);
        for place in [one, other] {
            let at = self.heap.get(place).copied();
            if let Some(entry) = at.and_then(|at| self.entries.get_mut(at)) {
                entry.place = place;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::{Strategy, any, prop};
    use proptest::{prop_assert, prop_assert_eq, proptest};
    use towerblock_core::TenantId;

    use super::{ENTRIES, Sketch, Tally};

    fn held(hold: u64) -> Tally {
        Tally {
            queries: 1,
            rows: hold * 3,
            execute: hold / 2,
            hold,
        }
    }

    /// A few that come often, in a crowd of four times as many as are told apart.
    fn crowd() -> impl Strategy<Value = Vec<(usize, u64)>> {
        let who = (any::<bool>(), 0..4 * ENTRIES)
            .prop_map(|(often, who)| if often { who % 12 } else { who });
        prop::collection::vec((who, 1..5_000_u64), 1..20_000)
    }

    fn tenant(name: impl std::fmt::Display) -> TenantId {
        TenantId::new(name.to_string()).unwrap()
    }

    fn seen(sketch: &Sketch, name: &str) -> Option<u64> {
        let mut entries = sketch.entries().iter();
        let found = entries.find(|entry| entry.tenant.as_str() == name);
        found.map(|entry| entry.tally.hold)
    }

    #[test]
    fn the_lightest_makes_room() {
        let mut sketch = Sketch::default();
        for number in 0..ENTRIES as u64 {
            sketch.add(&tenant(number), held(5_000 - number));
        }
        sketch.add(&tenant("late"), held(1));
        assert_eq!(seen(&sketch, "late"), Some(1));
        assert_eq!(seen(&sketch, "1023"), None);
        assert_eq!(seen(&sketch, "0"), Some(5_000));
        assert_eq!(seen(&sketch, "1022"), Some(3_978));
    }

    #[test]
    fn who_comes_late_and_often_is_not_driven_out_by_those_who_come_once() {
        let mut sketch = Sketch::default();
        for number in 0..ENTRIES {
            sketch.add(&tenant(number), held(10));
        }
        for number in 0..20_000 {
            sketch.add(&tenant("late"), held(1));
            sketch.add(&tenant(format!("once-{number}")), held(1));
        }
        let bound = sketch.total().hold / ENTRIES as u64;
        assert!(seen(&sketch, "late").is_some_and(|hold| hold + bound >= 20_000));
    }

    proptest! {
        #![proptest_config(proptest::test_runner::Config::with_cases(48))]

        #[test]
        fn nobody_is_wronged_and_nobody_hides(stream in crowd()) {
            let mut sketch = Sketch::default();
            let mut exact: HashMap<TenantId, Tally> = HashMap::new();
            for (who, hold) in stream {
                let tenant = TenantId::new(format!("t{who}")).unwrap();
                sketch.add(&tenant, held(hold));
                *exact.entry(tenant).or_default() += held(hold);
            }
            let whole: u64 = exact.values().map(|tally| tally.hold).sum();
            prop_assert_eq!(sketch.total().hold, whole);
            prop_assert!(sketch.entries().len() <= ENTRIES);
            let bound = whole / ENTRIES as u64;
            let found: HashMap<_, _> = sketch
                .entries()
                .iter()
                .map(|entry| (&entry.tenant, entry.tally))
                .collect();
            prop_assert_eq!(found.len(), sketch.entries().len(), "each once");
            for (tenant, truth) in &exact {
                let seen = found.get(tenant).copied().unwrap_or_default();
                prop_assert!(seen.hold <= truth.hold && seen.rows <= truth.rows);
                prop_assert!(seen.hold + bound >= truth.hold, "{tenant:?}: {seen:?} of {truth:?}");
            }
        }

        #[test]
        fn few_tenants_are_counted_exactly(stream in prop::collection::vec((0..ENTRIES, 1..99_u64), 1..3_000)) {
            let mut sketch = Sketch::with_room_for(7);
            let mut exact: HashMap<String, Tally> = HashMap::new();
            for (who, hold) in stream {
                let name = format!("t{who}");
                sketch.add(&TenantId::new(&*name).unwrap(), held(hold));
                *exact.entry(name).or_default() += held(hold);
            }
            prop_assert_eq!(sketch.entries().len(), exact.len());
            for entry in sketch.entries() {
                prop_assert_eq!(entry.tally, exact[entry.tenant.as_str()]);
            }
        }
    }
}
