use std::fmt;
use std::sync::Arc;

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Label, Level, Metadata, Recorder, Unit};

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

    pub(crate) fn describe(&self, describe: impl Fn(&dyn Recorder)) {
        self.with(describe);
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

/// What a name means, told to a recorder.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Described {
    Counter(&'static str, Unit, &'static str),
    Gauge(&'static str, Unit, &'static str),
    Histogram(&'static str, Unit, &'static str),
}

impl Described {
    pub(crate) fn tell(self, recorder: &dyn Recorder) {
        let name = KeyName::from_const_str;
        match self {
            Self::Counter(of, unit, help) => {
                recorder.describe_counter(name(of), Some(unit), help.into());
            }
            Self::Gauge(of, unit, help) => {
                recorder.describe_gauge(name(of), Some(unit), help.into());
            }
            Self::Histogram(of, unit, help) => {
                recorder.describe_histogram(name(of), Some(unit), help.into());
            }
        }
    }
}
