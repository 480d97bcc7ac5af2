use std::collections::BTreeMap;
use std::convert::Infallible;

use proptest::prelude::*;
use tokio::task::JoinHandle;
use towerblock_cache::{Cache, Loaded};

use crate::support::{Origin, hub, minute, settle, tenant};

/// What may happen to one of three keys of one of two tenants.
#[derive(Clone, Copy, Debug)]
enum Step {
    Put,
    Get,
    /// A load that begins now and ends when it is let through.
    Begin,
    End,
    Invalidate,
    InvalidateTag,
    InvalidateTenant,
}

fn steps() -> impl Strategy<Value = Vec<(Step, u8, u8)>> {
    let step = prop_oneof![
        3 => Just(Step::Put),
        6 => Just(Step::Get),
        4 => Just(Step::Begin),
        4 => Just(Step::End),
        2 => Just(Step::Invalidate),
        1 => Just(Step::InvalidateTag),
        1 => Just(Step::InvalidateTenant),
    ];
    proptest::collection::vec((step, 0..2_u8, 0..3_u8), 1..60)
}

struct Under {
    began: u64,
    origin: Origin,
    task: JoinHandle<()>,
}

/// The world: the time of the last change of each key that must be seen, and loads under way.
struct Model {
    cache: Cache<u8, u64>,
    now: u64,
    changed: BTreeMap<(u8, u8), u64>,
    under_way: BTreeMap<(u8, u8), Vec<Under>>,
}

impl Model {
    async fn step(&mut self, step: Step, who: u8, key: u8) {
        self.now += 1;
        let (owner, now) = (tenant(&format!("t{who}")), self.now);
        match step {
            Step::Put => {
                self.cache
                    .put(&owner, &key, Loaded::new(now).tag("tag"))
                    .await;
                self.changed.insert((who, key), now);
            }
            Step::Get => {
                // A load under way may be joined, and would wait: only what is in memory.
                if let Some(hit) = self.cache.peek(&owner, &key) {
                    let changed = self.changed.get(&(who, key)).copied().unwrap_or_default();
                    assert!(*hit >= changed, "{} is older than {changed}", *hit);
                }
            }
            Step::Begin => {
                let origin = Origin::gated();
                let load = origin.clone();
                let call = self.cache.get_or_load(&owner, &key, move || async move {
                    load.enter().await;
                    Ok::<_, Infallible>(Loaded::new(now).tag("tag"))
                });
                let changed = self.changed.get(&(who, key)).copied().unwrap_or_default();
                let task = tokio::spawn(async move {
                    let hit = call.await.unwrap().unwrap();
                    assert!(*hit >= changed, "{} is older than {changed}", *hit);
                });
                settle().await;
                let began = Under {
                    began: now,
                    origin,
                    task,
                };
                self.under_way.entry((who, key)).or_default().push(began);
            }
            Step::End => self.end(who, key).await,
            Step::Invalidate => {
                let _ = self.cache.invalidate(&owner, &key).await;
                self.changed.insert((who, key), now);
            }
            Step::InvalidateTag | Step::InvalidateTenant => {
                let _ = match step {
                    Step::InvalidateTag => self.cache.invalidate_tag(&owner, "tag").await,
                    _ => self.cache.invalidate_tenant(&owner).await,
                };
                for key in 0..3 {
                    self.changed.insert((who, key), now);
                }
            }
        }
    }

    /// The newest first, as it suits what is to go wrong.
    async fn end(&mut self, who: u8, key: u8) {
        if let Some(under) = self.under_way.get_mut(&(who, key)).and_then(Vec::pop) {
            under.origin.let_through(1);
            settle().await;
            let changed = self.changed.get(&(who, key)).copied().unwrap_or_default();
            let owner = tenant(&format!("t{who}"));
            if let Some(hit) = self.cache.peek(&owner, &key) {
                assert!(*hit >= changed, "{} began before {changed}", *hit);
            }
            assert!(under.began <= self.now);
            if under.task.is_finished() {
                under.task.await.unwrap();
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// G1 and G3 under all interleavings of loads, puts and invalidations: what is served is
    /// never older than the last change that had returned.
    #[test]
    fn nothing_older_than_the_last_change_is_served(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let hub = hub();
            let mut model = Model {
                cache: hub.cache("numbers", minute()).unwrap(),
                now: 0,
                changed: BTreeMap::new(),
                under_way: BTreeMap::new(),
            };
            for (step, who, key) in steps {
                model.step(step, who, key).await;
            }
        });
    }
}
