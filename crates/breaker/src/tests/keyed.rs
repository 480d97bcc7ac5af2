//! The keyed circuits beside a map that forgets nothing.

use std::collections::HashMap;
use std::time::Duration;

use proptest::prelude::*;
use tokio::time::advance;

use super::backoff;
use crate::{Circuit, Circuits, Policy, Probes, State};

fn forced() -> Circuit {
    let circuit = Circuit::new("shared", Policy::default());
    circuit.force_closed();
    circuit
}

fn of_keys() -> Policy {
    Policy::in_a_row(3)
        .backoff(backoff())
        .probes(Probes::calls(1))
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Call(u8, bool),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => (0..40_u8, any::<bool>()).prop_map(|(key, good)| Step::Call(key, good)),
        10 => (0..3_u8).prop_map(|key| Step::Call(key, false)),
        3 => (0..1_500_u64).prop_map(Step::Wait),
        1 => Just(Step::Wait(60_000)),
    ]
}

async fn same_as_a_map(steps: &[Step]) {
    // Room for all: what is given up must not be missed.
    let forgetful = Circuits::new(forced(), of_keys())
        .capacity(16 * 40)
        .forget_after(Duration::MAX);
    let mut kept: HashMap<u8, Circuit> = HashMap::new();
    let jitter_free = of_keys();
    for step in steps {
        match *step {
            Step::Wait(millis) => advance(Duration::from_millis(millis)).await,
            Step::Call(key, good) => {
                let circuit = kept
                    .entry(key)
                    .or_insert_with(|| Circuit::new("kept", jitter_free));
                let (one, other) = (forgetful.try_acquire(&key), circuit.try_acquire());
                assert_eq!(one.is_ok(), other.is_ok(), "{step:?}");
                if let (Ok(one), Ok(other)) = (one, other) {
                    if good {
                        one.success();
                        other.success();
                    } else {
                        one.failure();
                        other.failure();
                    }
                }
                assert_eq!(forgetful.state(&key), kept[&key].state(), "{step:?}");
            }
        }
    }
}

proptest! {
    #[test]
    fn what_is_forgotten_is_not_missed(steps in prop::collection::vec(step(), 1..300)) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(same_as_a_map(&steps));
    }
}

#[tokio::test(start_paused = true)]
async fn idle_keys_leave_nothing_behind_not_even_their_room() {
    let circuits = Circuits::new(forced(), of_keys());
    for key in 0..20_000_u32 {
        circuits.try_acquire(&key).unwrap().failure();
    }
    assert_eq!(circuits.len(), 20_000);
    advance(Duration::from_secs(300)).await;
    // Others who come sweep up.
    for key in 0..12_000_u32 {
        circuits.try_acquire(&(100_000 + key)).unwrap().success();
    }
    assert_eq!(circuits.len(), 0);
    assert!(
        circuits.inner().suspects.room() < 16 * 130,
        "{}",
        circuits.inner().suspects.room()
    );
}

#[tokio::test(start_paused = true)]
async fn an_open_key_is_not_forgotten_before_it_may_be_probed() {
    let long = of_keys().backoff(crate::Backoff::from(Duration::from_secs(1_000)));
    let circuits = Circuits::new(forced(), long).forget_after(Duration::from_secs(1));
    for _ in 0..3 {
        circuits.try_acquire(&1).unwrap().failure();
    }
    advance(Duration::from_secs(700)).await;
    for key in 2..1_000 {
        circuits.try_acquire(&key).unwrap().failure();
    }
    assert_eq!(circuits.state(&1), State::Open);
}
