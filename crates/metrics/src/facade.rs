use std::fmt;
use std::sync::Arc;

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Label, Level, Metadata, Recorder, Unit};
use towerblock_core::{Kind, Metric};

use crate::name_of;

static METADATA: Metadata<'static> =
    Metadata::new(module_path!(), Level::INFO, Some(module_path!()));

/// Where handles come from: a recorder of one's own, or the one of the process.
#[derive(Clone, Default)]
pub(crate) struct Facade(Option<Arc<dyn Recorder + Send + Sync>>);

impl Facade {
    pub(crate) fn of(recorder: impl Recorder + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(recorder)))
    }

    pub(crate) fn counter(&self, name: impl Into<KeyName>, labels: Vec<Label>) -> Counter {
        let key = Key::from_parts(name, labels);
        self.with(|recorder| recorder.register_counter(&key, &METADATA))
    }

    pub(crate) fn gauge(&self, name: impl Into<KeyName>, labels: Vec<Label>) -> Gauge {
        let key = Key::from_parts(name, labels);
        self.with(|recorder| recorder.register_gauge(&key, &METADATA))
    }

    pub(crate) fn histogram(&self, name: impl Into<KeyName>, labels: Vec<Label>) -> Histogram {
        let key = Key::from_parts(name, labels);
        self.with(|recorder| recorder.register_histogram(&key, &METADATA))
    }

    /// Tells what a name means.
    pub(crate) fn describe(&self, metric: &Metric) {
        let (name, help) = (KeyName::from(name_of(metric)), metric.help.into());
        let unit = match metric.unit {
            "seconds" => Unit::Seconds,
            "bytes" => Unit::Bytes,
            _ => Unit::Count,
        };
        self.with(|recorder| match metric.kind {
            Kind::Counter => recorder.describe_counter(name, Some(unit), help),
            Kind::Gauge => recorder.describe_gauge(name, Some(unit), help),
            _ => recorder.describe_histogram(name, Some(unit), help),
        });
    }

    fn with<T>(&self, ask: impl FnOnce(&dyn Recorder) -> T) -> T {
        match &self.0 {
            Some(recorder) => ask(recorder),
            None => metrics::with_recorder(ask),
        }
    }
}

impl fmt::Debug for Facade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whose = self.0.as_ref().map_or("the process", |_| "its own");
        f.debug_tuple("Facade").field(&whose).finish()
    }
}
