mod model;

use std::collections::HashMap;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};
use proptest::test_runner::Config;
use tokio::time::Instant;
use towerblock_core::{Reason, TenantId};

use self::model::Model;
use crate::Share;
use crate::turns::{Taken, Turn, Turns};

const TENANTS: usize = 4;

fn id(name: impl Into<String>) -> TenantId {
    TenantId::new(name.into()).unwrap()
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Take(usize),
    Wait(usize),
    GiveBack(usize),
    Exchange(usize),
    Leave(usize),
    Resize(usize),
    Share(usize, Share),
    Reserve(usize, usize),
    Close,
}

fn shares() -> impl Strategy<Value = Share> {
    let cap = prop_oneof![3 => Just(usize::MAX), 2 => 0..6_usize];
    (1..5_u32, cap).prop_map(|(weight, cap)| Share::weight(weight).at_most(cap))
}

/// Where nobody is counted, all shares are alike.
fn steps(counted: bool) -> impl Strategy<Value = Vec<Step>> {
    let tenant = || 0..TENANTS;
    let (rarely, hardly) = if counted { (4, 1) } else { (0, 0) };
    let step = prop_oneof![
        12 => tenant().prop_map(Step::Take),
        40 => tenant().prop_map(Step::Wait),
        30 => any::<usize>().prop_map(Step::GiveBack),
                4 => any::<usize>().prop_map(Step::Exchange),
        8 => any::<usize>().prop_map(Step::Leave),
        4 => (0..9_usize).prop_map(Step::Resize),
        rarely => (tenant(), shares()).prop_map(|(tenant, share)| Step::Share(tenant, share)),
        hardly => (tenant(), 0..5_usize).prop_map(|(tenant, slots)| Step::Reserve(tenant, slots)),
        1 => Just(Step::Close),
    ];
    vec(step, 1..200)
}

/// The policy beside the model: whoever is handed a slot, by one, must be by the other.
struct Pair {
    turns: Turns<usize>,
    model: Model,
    names: Vec<TenantId>,
    shares: Vec<Share>,
    /// By the number of each waiter, which starts with 1.
    keys: HashMap<usize, usize>,
    out: Vec<(usize, Taken)>,
    waiters: usize,
    now: Instant,
}

impl Pair {
    fn new(counted: bool, slots: usize, per_tenant: usize, in_all: usize) -> Self {
        let mut turns = Turns::new(slots);
        turns.queue(per_tenant, in_all);
        if counted {
            turns.count_tenants();
        }
        Self {
            turns,
            model: Model::new(TENANTS, slots, per_tenant, in_all),
            names: (0..TENANTS).map(|n| id(format!("t{n}"))).collect(),
            shares: vec![Share::default(); TENANTS],
            keys: HashMap::new(),
            out: Vec::new(),
            waiters: 0,
            now: Instant::now(),
        }
    }

    fn step(&mut self, step: Step) {
        self.now += Duration::from_millis(1);
        match step {
            Step::Take(tenant) => self.take(tenant),
            Step::Wait(tenant) => self.wait(tenant),
            Step::GiveBack(which) => {
                if !self.out.is_empty() {
                    let (tenant, taken) = self.out.swap_remove(which % self.out.len());
                    self.turns.give_back(taken, Some(self.now));
                    self.model.give_back(tenant);
                }
            }
            Step::Exchange(which) => self.exchange(which),
            Step::Leave(which) => self.leave(which),
            Step::Resize(slots) => {
                self.turns.resize(slots);
                self.model.resize(slots);
            }
            Step::Share(tenant, share) => self.shares[tenant] = share,
            Step::Reserve(tenant, slots) => {
                let share = self.shares[tenant];
                self.turns.reserve(&self.names[tenant], share, slots);
                self.model.reserve(tenant, share, slots);
            }
            Step::Close => {
                let mut called = self.turns.close();
                let mut closed = self.model.close();
                called.sort_unstable();
                closed.sort_unstable();
                assert_eq!(called, closed);
                for waiter in closed {
                    self.is_refused(waiter, Reason::Draining);
                }
            }
        }
        self.hand_out();
    }

    fn take(&mut self, tenant: usize) {
        let share = self.shares[tenant];
        let taken = self.turns.take(&self.names[tenant], share);
        assert_eq!(taken.is_some(), self.model.take(tenant, share));
        self.out.extend(taken.map(|taken| (tenant, taken)));
    }

    /// As the semaphore does it: who can have a slot does not wait.
    fn wait(&mut self, tenant: usize) {
        let share = self.shares[tenant];
        if let Some(taken) = self.turns.take(&self.names[tenant], share) {
            assert!(self.model.take(tenant, share));
            self.out.push((tenant, taken));
            return;
        }
        self.waiters += 1;
        let name = &self.names[tenant];
        let outcome = self.turns.wait(name, share, None, self.now);
        let pushed_out = match &outcome {
            Ok((_, pushed_out)) => *pushed_out,
            Err(_) => None,
        };
        let expected = self.model.wait(tenant, share, self.waiters, pushed_out);
        match (outcome, expected) {
            (Ok((key, _)), Ok(())) => {
                assert!(matches!(
                    self.turns.poll(key, self.waiters),
                    (Turn::Waits, 0)
                ));
                self.keys.insert(self.waiters, key);
                if let Some(waiter) = pushed_out {
                    self.is_refused(waiter, Reason::OverShare);
                }
            }
            (Err(rejected), Err(reason)) => assert_eq!(rejected.reason(), reason),
            (outcome, expected) => panic!("{outcome:?}, and not {expected:?}"),
        }
    }

    fn exchange(&mut self, which: usize) {
        if self.out.is_empty() {
            return;
        }
        let (tenant, taken) = self.out.swap_remove(which % self.out.len());
        let share = self.shares[tenant];
        let name = &self.names[tenant];
        let outcome = self.turns.exchange(Some(taken), name, share, self.now);
        self.waiters += 1;
        if self.model.exchange(tenant, share, self.waiters) {
            let key = outcome.unwrap();
            self.turns.poll(key, self.waiters);
            self.keys.insert(self.waiters, key);
        } else {
            assert_eq!(outcome.unwrap_err().reason(), Reason::Draining);
        }
    }

    fn leave(&mut self, which: usize) {
        let mut waiting = self.model.waiting();
        if waiting.is_empty() {
            return;
        }
        let waiter = waiting.swap_remove(which % waiting.len());
        let key = self.keys.remove(&waiter).unwrap();
        assert_eq!(self.turns.leave(key), (None, waiter));
        self.model.leave(waiter);
    }

    fn hand_out(&mut self) {
        loop {
            let (next, expected) = (self.turns.next(), self.model.next());
            assert_eq!(next, expected.map(|(_, waiter)| waiter));
            let Some((tenant, waiter)) = expected else {
                break;
            };
            let key = self.keys.remove(&waiter).unwrap();
            let (Turn::Has(taken), _) = self.turns.poll(key, 0) else {
                panic!("was handed a slot");
            };
            self.out.push((tenant, taken));
        }
    }

    fn is_refused(&mut self, waiter: usize, reason: Reason) {
        let key = self.keys.remove(&waiter).unwrap();
        let (Turn::Refused(rejected), _) = self.turns.poll(key, 0) else {
            panic!("was refused");
        };
        assert_eq!(rejected.reason(), reason);
    }

    fn is_consistent(&self) {
        let count = self.turns.count();
        assert_eq!(count.in_use, self.out.len());
        assert_eq!(count.waiting, self.keys.len());
        assert_eq!(count.waiting, self.model.waiting().len());
        self.model.is_work_conserving();
    }

    fn ends_empty(mut self) {
        for (_, taken) in self.out.drain(..) {
            self.turns.give_back(taken, None);
        }
        while let Some(waiter) = self.turns.next() {
            let key = self.keys.remove(&waiter).unwrap();
            self.turns.give_back_of(key);
        }
        for key in self.keys.into_values() {
            self.turns.leave(key);
        }
        assert!(self.turns.knows_no_idle_tenant(), "{:?}", self.turns);
        for name in &self.names {
            self.turns.reserve(name, Share::default(), 0);
        }
        assert!(self.turns.is_blank(), "{:?}", self.turns);
    }
}

impl Turns<usize> {
    fn give_back_of(&mut self, key: usize) {
        if let (Some(taken), _) = self.leave(key) {
            self.give_back(taken, None);
        }
    }
}

fn agree(counted: bool, slots: usize, queue: (usize, usize), steps: Vec<Step>) {
    let mut pair = Pair::new(counted, slots, queue.0, queue.1);
    for step in steps {
        pair.step(step);
        pair.is_consistent();
    }
    pair.ends_empty();
}

proptest! {
    #![proptest_config(Config::with_cases(2_000))]

    #[test]
    fn it_does_as_the_model_where_nobody_is_counted(
        slots in 0..6_usize,
        queue in (0..6_usize, 0..12_usize),
        steps in steps(false),
    ) {
        agree(false, slots, queue, steps);
    }

    #[test]
    fn it_does_as_the_model_with_shares_caps_and_reserves(
        slots in 0..9_usize,
        queue in (0..6_usize, 0..12_usize),
        steps in steps(true),
    ) {
        agree(true, slots, queue, steps);
    }

    /// Stated without the model: whatever happened before, a turn gives each its weight.
    #[test]
    fn in_each_turn_a_tenant_has_as_many_slots_as_weight(
        weights in vec(1..6_u32, 1..6),
        turns_before in 0..40_usize,
    ) {
        let now = Instant::now();
        let mut turns = Turns::<usize>::new(1);
        turns.count_tenants();
        let mut held = turns.take(&id("holder"), Share::default());
        let a_turn: usize = weights.iter().map(|weight| *weight as usize).sum();
        let mut tenant_of = HashMap::new();
        for (tenant, weight) in weights.iter().enumerate() {
            for _ in 0..turns_before + 2 * a_turn + 1 {
                let waits = turns.wait(&id(format!("t{tenant}")), Share::weight(*weight), None, now);
                let (key, _) = waits.unwrap();
                turns.poll(key, key + 1);
                tenant_of.insert(key + 1, tenant);
            }
        }
        let mut next = || {
            turns.give_back(held.take()?, Some(now));
            let waiter = turns.next()?;
            let (Turn::Has(taken), _) = turns.poll(waiter - 1, 0) else { return None };
            held = Some(taken);
            Some(tenant_of[&waiter])
        };
        // Until a turn begins: each tenant's slots in a turn are consecutive.
        let order: Vec<_> = (0..turns_before + 2 * a_turn).map(|_| next().unwrap()).collect();
        let turn = &order[turns_before / a_turn * a_turn..][..a_turn];
        for (tenant, weight) in weights.iter().enumerate() {
            let had = turn.iter().filter(|other| **other == tenant).count();
            assert_eq!(had, *weight as usize, "{order:?}");
        }
    }
}

#[test]
fn a_flood_of_minted_tenants_leaves_no_memory_behind() {
    let now = Instant::now();
    let mut turns = Turns::<()>::new(50_000);
    turns.queue(10, 50_000);
    turns.count_tenants();
    let share = Share::default();
    let (mut taken, mut waiting) = (Vec::new(), Vec::new());
    for n in 0..100_000 {
        let tenant = id(format!("minted-{n}"));
        match turns.take(&tenant, share) {
            Some(slot) => taken.push(slot),
            None => waiting.push(turns.wait(&tenant, share, None, now).unwrap().0),
        }
    }
    assert_eq!((taken.len(), waiting.len()), (50_000, 50_000));
    for key in waiting {
        assert!(turns.leave(key).0.is_none());
    }
    for slot in taken {
        turns.give_back(slot, None);
    }
    assert!(turns.is_blank());
}

#[test]
fn a_slot_handed_over_at_the_deadline_is_not_lost() {
    let now = Instant::now();
    let mut turns = Turns::<()>::new(1);
    let (tenant, share) = (id("a"), Share::default());
    let held = turns.take(&tenant, share).unwrap();
    let [first, second] = [(); 2].map(|()| turns.wait(&tenant, share, None, now).unwrap().0);
    turns.give_back(held, Some(now));
    assert!(turns.next().is_some());
    let (Turn::Has(held), ()) = turns.expire(first, now) else {
        panic!("it has a slot");
    };
    assert!(matches!(turns.expire(second, now), (Turn::Refused(_), ())));
    turns.give_back(held, None);
    assert!(turns.is_blank());
}

#[test]
fn a_tenant_that_lost_its_last_place_in_the_queue_is_forgotten() {
    let now = Instant::now();
    let mut turns = Turns::<()>::new(1);
    turns.queue(10, 1);
    turns.count_tenants();
    let held = turns.take(&id("a"), Share::default()).unwrap();
    let (lost, _) = turns.wait(&id("b"), Share::default(), None, now).unwrap();
    let (key, _) = turns.wait(&id("c"), Share::weight(3), None, now).unwrap();
    assert!(matches!(turns.poll(lost, ()).0, Turn::Refused(_)));
    turns.leave(key);
    turns.give_back(held, None);
    assert!(turns.is_blank());
}
