use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use towerblock_core::{Metric, Stats, Value};

use crate::{Circuit, State};

/// How much is tried again: a share of what succeeds, whoever tries.
///
/// A retry helps where little fails and harms where all does. So each call that needs none puts
/// a part of a token into the budget, and each retry or hedge takes a whole one out. While all
/// calls fail nothing comes in, and retries end.
///
/// ```
/// use towerblock_breaker::RetryBudget;
///
/// let budget = RetryBudget::percent(20).reserve(1);
/// assert!(budget.withdraw(), "the reserve");
/// assert!(!budget.withdraw());
/// (0..5).for_each(|_| budget.deposit());
/// assert!(budget.withdraw());
/// ```
///
/// Clones share the tokens: give one to all that retry the same dependency.
#[derive(Clone)]
pub struct RetryBudget {
    shared: Arc<Shared>,
}

struct Shared {
    percent: u64,
    reserve: u64,
    /// In hundredths.
    tokens: AtomicU64,
    circuit: Option<Circuit>,
    granted: AtomicU64,
    refused: AtomicU64,
}

const TOKEN: u64 = 100;

impl RetryBudget {
    /// So many retries for a hundred calls that need none, from 1 to 100.
    #[must_use]
    pub fn percent(percent: u8) -> Self {
        Self::with(percent.clamp(1, 100).into(), 10, None)
    }

    /// Begins with so many tokens and never holds more. Default: 10.
    #[must_use]
    pub fn reserve(self, tokens: u32) -> Self {
        Self::with(self.shared.percent, tokens, self.shared.circuit.clone())
    }

    /// Refuses while this circuit is not closed: what it would refuse needs no retry, and its
    /// probes are not to be doubled. Default: none.
    #[must_use]
    pub fn unless_open(self, circuit: Circuit) -> Self {
        let reserve = u32::try_from(self.shared.reserve / TOKEN).unwrap_or(u32::MAX);
        Self::with(self.shared.percent, reserve, Some(circuit))
    }

    fn with(percent: u64, reserve: u32, circuit: Option<Circuit>) -> Self {
        let reserve = u64::from(reserve) * TOKEN;
        let shared = Shared {
            percent,
            reserve,
            tokens: AtomicU64::new(reserve),
            circuit,
            granted: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// A call has ended that needs no retry.
    pub fn deposit(&self) {
        let shared = &*self.shared;
        let filled = |tokens: u64| {
            let more = (tokens + shared.percent).min(shared.reserve.max(TOKEN));
            // Full, as it mostly is, it is only read.
            (more > tokens).then_some(more)
        };
        let _full = shared
            .tokens
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, filled);
    }

    /// Takes a token for a retry, and says whether there was one.
    #[must_use]
    pub fn withdraw(&self) -> bool {
        let shared = &*self.shared;
        let taken = |tokens: u64| tokens.checked_sub(TOKEN);
        let closed = shared
            .circuit
            .as_ref()
            .is_none_or(|it| matches!(it.state(), State::Closed | State::ForcedClosed));
        let granted = closed
            && shared
                .tokens
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken)
                .is_ok();
        let counter = if granted {
            &shared.granted
        } else {
            &shared.refused
        };
        counter.fetch_add(1, Ordering::Relaxed);
        granted
    }
}

/// 20 percent, with a reserve of 10.
impl Default for RetryBudget {
    fn default() -> Self {
        Self::percent(20)
    }
}

impl fmt::Debug for RetryBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tokens = self.shared.tokens.load(Ordering::Relaxed) / TOKEN;
        f.debug_struct("RetryBudget")
            .field("tokens", &tokens)
            .finish_non_exhaustive()
    }
}

static RETRIES: Metric = Metric::counter(
    "retry_budget_retries",
    "",
    "Retries that were asked for, by what became of it",
)
.labelled("outcome");
static TOKENS: Metric = Metric::gauge(
    "retry_budget_tokens",
    "retries",
    "Retries that there are tokens for",
);
pub(crate) static METRICS: &[Metric] = &[RETRIES, TOKENS];

impl Stats for RetryBudget {
    fn describe(&self) -> &'static [Metric] {
        METRICS
    }

    fn read(&self, sink: &mut dyn FnMut(&'static Metric, &str, Value)) {
        for (outcome, counter) in [
            ("granted", &self.shared.granted),
            ("refused", &self.shared.refused),
        ] {
            let count = counter.load(Ordering::Relaxed);
            sink(&RETRIES, outcome, Value::Count(count));
        }
        let tokens = self.shared.tokens.load(Ordering::Relaxed) as f64;
        sink(&TOKENS, "", Value::Level(tokens / TOKEN as f64));
    }
}
