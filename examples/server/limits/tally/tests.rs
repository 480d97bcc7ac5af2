use towerblock_core::{Reason, TenantId};
use towerblock_quota::{Anchor, MemoryQuotas, Name, Quota};

use super::Tally;

/// A month that began then.
const APRIL: i64 = 1_743_465_600;
const TEN: Quota = Quota::monthly(10);

/// A store, and an instance beside others that count in it.
struct Instance {
    store: MemoryQuotas,
    tally: Tally,
}

impl Instance {
    fn new(store: &MemoryQuotas, most: usize) -> Self {
        let (store, tally) = (store.clone(), Tally::new(most, APRIL));
        Self { store, tally }
    }

    /// How many of so many calls are admitted.
    fn call(&mut self, tenant: &str, calls: usize, now: i64) -> usize {
        let tenant = TenantId::new(tenant).unwrap();
        let mut call = || self.tally.count(&tenant, TEN, now);
        (0..calls).filter(|_| call().is_ok()).count()
    }

    fn settle(&mut self, now: i64) -> usize {
        let counted = self.tally.take(now);
        let resource = calls();
        let claims = counted.iter().map(|one| one.claim(&resource));
        let usages: Result<Vec<_>, _> = claims.map(|c| self.store.consume(&c)).collect();
        self.tally.settled(&counted, &usages.unwrap());
        counted.len()
    }
}

fn calls() -> Name {
    Name::new("api_calls").unwrap()
}

fn store() -> MemoryQuotas {
    MemoryQuotas::new(100.try_into().unwrap())
}

fn used(store: &MemoryQuotas, tenant: &str, at: i64) -> u64 {
    let period = Anchor::default().period_at(at);
    let tenant = TenantId::new(tenant).unwrap();
    let claim = towerblock_quota::Claim::new(&tenant, &calls(), TEN).period(period);
    store.usage(&claim).used
}

#[test]
fn beyond_its_month_a_tenant_gets_what_others_did_not_know() {
    let store = store();
    let mut instances = [(); 2].map(|()| Instance::new(&store, 10));
    for instance in &mut instances {
        assert_eq!(instance.call("acme", 7, APRIL), 7);
    }
    instances.iter_mut().for_each(|one| _ = one.settle(APRIL));
    assert_eq!(used(&store, "acme", APRIL), 14);
    // The first was settled before the second, and learns of it when it asks next.
    let [first, second] = &mut instances;
    assert_eq!(
        (first.call("acme", 9, APRIL), second.call("acme", 9, APRIL)),
        (3, 0)
    );
    first.settle(APRIL);
    assert_eq!(first.call("acme", 9, APRIL), 0);
    // Nor later: whoever is full is not forgotten.
    for _ in 0..3 {
        assert!(second.settle(APRIL) <= 1);
    }
    assert_eq!(second.call("acme", 1, APRIL), 0);
    assert_eq!(used(&store, "acme", APRIL), 17);
    let refused = second
        .tally
        .count(&TenantId::new("acme").unwrap(), TEN, APRIL);
    assert_eq!(refused.unwrap_err().reason(), Reason::PeriodQuota);
}

#[test]
fn what_could_not_be_told_is_told_later_and_once() {
    let store = store();
    let mut one = Instance::new(&store, 10);
    one.call("acme", 4, APRIL);
    let counted = one.tally.take(APRIL);
    one.call("acme", 2, APRIL);
    one.tally.put_back(counted);
    // Meanwhile it limits by what it knows itself.
    assert_eq!(one.call("acme", 9, APRIL), 4);
    one.settle(APRIL);
    assert_eq!(used(&store, "acme", APRIL), 10);
    assert_eq!(one.settle(APRIL), 0, "nobody asked");
    one.call("globex", 3, APRIL);
    let counted = one.tally.take(APRIL);
    one.tally.lose(&counted);
    one.settle(APRIL);
    assert_eq!((used(&store, "globex", APRIL), one.tally.lost), (0, 3));
}

#[test]
fn a_month_is_counted_where_it_was_called() {
    let store = store();
    let mut one = Instance::new(&store, 10);
    let may = Anchor::default().period_at(APRIL).end();
    assert_eq!(one.call("acme", 4, may - 1), 4);
    let counted = one.tally.take(may - 1);
    assert_eq!(one.call("acme", 3, may - 1), 3);
    assert_eq!(one.call("acme", 12, may), 10, "a month of its own");
    one.tally.put_back(counted);
    one.settle(may);
    assert_eq!(
        (used(&store, "acme", APRIL), used(&store, "acme", may)),
        (7, 10)
    );
    assert_eq!(one.call("acme", 1, may), 0);
}

#[test]
fn more_tenants_than_there_is_room_for_are_admitted_and_idle_ones_are_forgotten() {
    let mut one = Instance::new(&store(), 10);
    for n in 0..1_000 {
        assert_eq!(one.call(&format!("t{n}"), 2, APRIL), 2);
    }
    assert_eq!((one.tally.len(), one.tally.uncounted), (10, 1_980));
    assert_eq!(one.settle(APRIL), 10);
    assert_eq!((one.settle(APRIL), one.tally.len()), (0, 0));
}
