//! What is degraded, and the switches of an operator.

use axum::Json;
use axum::extract::{Path, State};
use http::HeaderName;
use http::header::CACHE_CONTROL;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use towerblock_breaker as breaker;
use towerblock_breaker::Circuit;
use towerblock_respond::Refused;

use crate::caller::{Admin, Operator};
use crate::reply::{Sent, missing, number};
use crate::stack::SOFT_PERCENT;
use crate::state::Shared;

type Fresh<T> = ([(HeaderName, &'static str); 1], Json<T>);

/// A circuit, and its numbers.
#[derive(Serialize)]
pub(crate) struct Shown {
    name: &'static str,
    state: String,
    forced: bool,
    stats: Map<String, Value>,
}

/// What is to become of a circuit.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Order {
    state: Wanted,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Wanted {
    Open,
    Closed,
    Released,
}

#[derive(Serialize)]
pub(crate) struct Health {
    level: &'static str,
    reasons: Vec<Why>,
}

#[derive(Serialize)]
struct Why {
    kind: &'static str,
    name: String,
    state: String,
}

/// All circuits.
pub(crate) async fn circuits(_: Admin, State(state): State<Shared>) -> Fresh<Vec<Shown>> {
    let all = state.circuits.registry().list();
    fresh(all.iter().map(|circuit| shown(&state, circuit)).collect())
}

/// Forces a circuit, or releases it.
pub(crate) async fn switch(
    _: Operator,
    State(state): State<Shared>,
    Path(name): Path<String>,
    Sent(order): Sent<Order>,
) -> Result<Fresh<Shown>, Refused> {
    let circuit = state.circuits.registry().get(&name);
    let circuit = circuit.ok_or_else(|| missing("no such circuit"))?;
    match order.state {
        Wanted::Open => circuit.force_open(),
        Wanted::Closed => circuit.force_closed(),
        Wanted::Released => circuit.release(),
    }
    Ok(fresh(shown(&state, &circuit)))
}

/// Whether all is as it should be, and if not, why.
pub(crate) async fn health(_: Admin, State(state): State<Shared>) -> Fresh<Health> {
    let reasons = reasons(&state);
    let serves_reads = state.store.is_ready() && state.circuits.of_reads().refuses().is_none();
    let level = match (serves_reads, reasons.is_empty()) {
        (true, true) => "full",
        (true, false) => "degraded",
        (false, _) => "unavailable",
    };
    fresh(Health { level, reasons })
}

fn reasons(state: &Shared) -> Vec<Why> {
    let mut reasons = Vec::new();
    for circuit in state.circuits.registry().list() {
        if circuit.state() != breaker::State::Closed {
            reasons.push(why("circuit", circuit.name(), circuit.state().to_string()));
        }
    }
    for stats in state.stats() {
        stats.read(&mut |metric, label, value| {
            let level = number(&value).as_f64().unwrap_or_default();
            match metric.name {
                "breaker_keys_open" if level > 0.0 => {
                    reasons.push(why("tenants", label, format!("{level} shut out")));
                }
                "postgres_away" if level > 0.0 => {
                    reasons.push(why("server", label, "away".to_owned()));
                }
                _ => {}
            }
        });
    }
    if let Some(redis) = &state.caches.redis {
        let heard = redis.watch().borrow().subscribed;
        if !heard {
            reasons.push(why("server", "redis", "not heard".to_owned()));
        }
    }
    let fleet = state.limits.fleet.as_ref();
    if fleet.is_some_and(|fleet| !fleet.is_shared()) {
        reasons.push(why("limits", "rates", "each instance its part".to_owned()));
    }
    let (in_flight, limit) = (state.shed.in_flight(), state.shed.limit());
    // From the soft limit on somebody may be refused.
    if in_flight * 100 >= limit * usize::from(SOFT_PERCENT) {
        let state = format!("{in_flight} of {limit} in flight");
        reasons.push(why("shedding", "shed", state));
    }
    reasons
}

fn why(kind: &'static str, name: &str, state: String) -> Why {
    let name = name.to_owned();
    Why { kind, name, state }
}

fn shown(state: &Shared, circuit: &Circuit) -> Shown {
    let mut numbers = Map::new();
    for stats in state.circuits.stats() {
        stats.read(&mut |metric, label, value| {
            if label == circuit.name() {
                numbers.insert(metric.name.to_owned(), number(&value));
            }
        });
    }
    let now = circuit.state();
    let forced = matches!(
        now,
        breaker::State::ForcedOpen | breaker::State::ForcedClosed
    );
    Shown {
        name: circuit.name(),
        state: now.to_string(),
        forced,
        stats: numbers,
    }
}

fn fresh<T>(value: T) -> Fresh<T> {
    ([(CACHE_CONTROL, "no-store")], Json(value))
}
