use std::fmt;
use std::sync::Arc;

use towerblock_core::{Metric, Stats, Value};

use crate::page::error::Cause;
use crate::page::text::Text;

/// Whose numbers are told.
#[derive(Clone, Default)]
pub(crate) struct Sources(Vec<Source>);

#[derive(Clone)]
struct Source {
    /// Empty for the only one of its kind.
    name: &'static str,
    stats: Arc<dyn Stats>,
}

impl Sources {
    pub(crate) fn add(&mut self, name: &'static str, stats: Arc<dyn Stats>) {
        self.0.push(Source { name, stats });
    }

    /// Whether no two tell the same series, and none tells a name in another way.
    pub(crate) fn check(&self) -> Result<(), Cause> {
        let told: Vec<_> = self.0.iter().flat_map(Source::told).collect();
        for (place, (source, metric)) in told.iter().enumerate() {
            let clash = |(other, its): &(&str, &Metric)| {
                its.name == metric.name && (other == source || *its != *metric)
            };
            if told.iter().take(place).any(clash) {
                return Err(Cause::Collision { name: metric.name });
            }
        }
        Ok(())
    }

    pub(crate) fn write(&self, text: &mut Text) {
        for source in &self.0 {
            let mut sink = |metric: &'static Metric, label: &str, value: Value| {
                text.add(metric, source.name, label, &value);
            };
            source.stats.read(&mut sink);
        }
    }
}

impl Source {
    fn told(&self) -> impl Iterator<Item = (&'static str, &'static Metric)> {
        let name = self.name;
        self.stats.describe().iter().map(move |of| (name, of))
    }
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.0.iter().map(|source| source.name);
        f.debug_list().entries(names).finish()
    }
}
