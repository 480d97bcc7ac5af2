/// How a crate's numbers are read: when somebody asks, as data, with no exporter and
/// no callback in between.
///
/// ```
/// use towerblock_core::{Metric, Stats, Value};
///
/// struct Pool { idle: u32 }
///
/// static IDLE: Metric = Metric::gauge("pool_idle", "connections", "Connections nobody uses");
/// static ALL: &[Metric] = &[IDLE];
///
/// impl Stats for Pool {
///     fn describe(&self) -> &'static [Metric] {
///         ALL
///     }
///     fn read(&self, sink: &mut dyn FnMut(&'static Metric, &str, Value)) {
///         sink(&IDLE, "", Value::Level(f64::from(self.idle)));
///     }
/// }
///
/// let mut seen = Vec::new();
/// Pool { idle: 3 }.read(&mut |metric, _, value| seen.push((metric.name, value)));
/// assert_eq!(seen, [("pool_idle", Value::Level(3.0))]);
/// ```
pub trait Stats: Send + Sync {
    /// Every metric that [`read`](Self::read) can yield.
    fn describe(&self) -> &'static [Metric];

    /// Gives the present values to `sink`: the metric, the value of its label (empty
    /// when it has none), and the number.
    fn read(&self, sink: &mut dyn FnMut(&'static Metric, &str, Value));
}

/// What a number means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Metric {
    /// In snake case, without the unit and without a suffix such as `_total`.
    pub name: &'static str,
    /// How the number moves.
    pub kind: Kind,
    /// A plural noun, `"seconds"` or `"connections"`; empty for a plain count of events.
    pub unit: &'static str,
    /// One sentence for whoever reads the dashboard.
    pub help: &'static str,
    /// The name of the one label, or empty.
    pub label: &'static str,
}

impl Metric {
    /// A number that only grows.
    #[must_use]
    pub const fn counter(name: &'static str, unit: &'static str, help: &'static str) -> Self {
        Self::new(name, Kind::Counter, unit, help)
    }

    /// A level that goes up and down.
    #[must_use]
    pub const fn gauge(name: &'static str, unit: &'static str, help: &'static str) -> Self {
        Self::new(name, Kind::Gauge, unit, help)
    }

    /// A distribution, counted in buckets.
    #[must_use]
    pub const fn histogram(name: &'static str, unit: &'static str, help: &'static str) -> Self {
        Self::new(name, Kind::Histogram, unit, help)
    }

    /// Gives the metric one label of this name. Default: none.
    #[must_use]
    pub const fn labelled(mut self, label: &'static str) -> Self {
        self.label = label;
        self
    }

    const fn new(name: &'static str, kind: Kind, unit: &'static str, help: &'static str) -> Self {
        Self {
            name,
            kind,
            unit,
            help,
            label: "",
        }
    }
}

/// How a metric moves.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// A distribution, counted in buckets.
    Histogram,
}

/// One number of a [`Metric`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// How often it happened since the start.
    Count(u64),
    /// How much there is now.
    Level(f64),
    /// How often a value fell into each bucket.
    Buckets {
        /// The upper bounds, inclusive and ascending; a last bucket without bound follows.
        bounds: &'static [f64],
        /// One count for each bound and one for what lies above, not cumulative.
        counts: Vec<u64>,
        /// The sum of all values.
        sum: f64,
    },
}
