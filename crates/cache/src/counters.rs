use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use towerblock_core::{Metric, Value};

static HITS: Metric = Metric::counter(
    "cache_hits",
    "",
    "Answers without a load of one's own, by source",
)
.labelled("source");
static MISSES: Metric = Metric::counter("cache_misses", "", "Callers who had to wait for a load");
static LOADS: Metric = Metric::counter("cache_loads", "", "Loads begun");
static LOAD_ERRORS: Metric =
    Metric::counter("cache_load_errors", "", "Loads that failed, by kind").labelled("kind");
static REMOTE: Metric =
    Metric::counter("cache_remote", "", "What was done beyond memory").labelled("what");
static STALE: Metric = Metric::counter("cache_stale_served", "", "Answers that were stale");
static SHED: Metric =
    Metric::counter("cache_shed", "", "Loads that got no slot, by what for").labelled("load");
static EVICTED: Metric = Metric::counter(
    "cache_evicted_for_share",
    "",
    "Entries that a tenant over its share gave up for its own",
);
static NOT_STORED: Metric = Metric::counter(
    "cache_not_stored",
    "",
    "Values that were not kept, by reason",
)
.labelled("reason");
static INVALIDATIONS: Metric =
    Metric::counter("cache_invalidations", "", "Invalidations, by what of").labelled("of");
static BYTES: Metric = Metric::gauge("cache_bytes", "bytes", "What the entries take");
static ENTRIES: Metric = Metric::gauge("cache_entries", "entries", "Entries there are");
static TENANTS: Metric = Metric::gauge("cache_tenants", "tenants", "Tenants with an entry");

pub(crate) static METRICS: &[Metric] = &[
    HITS,
    MISSES,
    LOADS,
    LOAD_ERRORS,
    REMOTE,
    STALE,
    SHED,
    EVICTED,
    NOT_STORED,
    INVALIDATIONS,
    BYTES,
    ENTRIES,
    TENANTS,
];

/// What has happened since the hub was started.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) hits: Striped,
    pub(crate) coalesced: Count,
    pub(crate) misses: Count,
    pub(crate) loads: Count,
    pub(crate) failed: Count,
    pub(crate) timed_out: Count,
    pub(crate) panicked: Count,
    pub(crate) aborted: Count,
    pub(crate) stale: Count,
    pub(crate) shed: Count,
    pub(crate) skipped: Count,
    pub(crate) evicted: Count,
    pub(crate) too_large: Count,
    pub(crate) over_share: Count,
    pub(crate) overtaken: Count,
    pub(crate) of_key: Count,
    pub(crate) of_tag: Count,
    pub(crate) of_all: Count,
    pub(crate) remotely: Arc<Remotely>,
}

/// What is counted beyond memory.
#[derive(Debug, Default)]
pub(crate) struct Remotely {
    pub(crate) hits: Count,
    pub(crate) fills: Count,
    pub(crate) overtaken: Count,
    pub(crate) errors: Count,
    pub(crate) damaged: Count,
    pub(crate) queued: Count,
    pub(crate) heard: Count,
    pub(crate) suspected: Count,
}

/// What there is now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Levels {
    pub(crate) bytes: u64,
    pub(crate) entries: u64,
    pub(crate) tenants: usize,
}

impl Counters {
    pub(crate) fn read(&self, now: Levels, sink: &mut dyn FnMut(&'static Metric, &str, Value)) {
        for (metric, label, count) in [
            (&HITS, "memory", self.hits.get()),
            (&HITS, "coalesced", self.coalesced.get()),
            (&MISSES, "", self.misses.get()),
            (&LOADS, "", self.loads.get()),
            (&LOAD_ERRORS, "error", self.failed.get()),
            (&LOAD_ERRORS, "timeout", self.timed_out.get()),
            (&LOAD_ERRORS, "panic", self.panicked.get()),
            (&LOAD_ERRORS, "aborted", self.aborted.get()),
            (&HITS, "remote", self.remotely.hits.get()),
            (&REMOTE, "stored", self.remotely.fills.get()),
            (&REMOTE, "overtaken", self.remotely.overtaken.get()),
            (&REMOTE, "error", self.remotely.errors.get()),
            (&REMOTE, "damaged", self.remotely.damaged.get()),
            (&REMOTE, "invalidation_queued", self.remotely.queued.get()),
            (&REMOTE, "invalidation_heard", self.remotely.heard.get()),
            (&REMOTE, "all_suspected", self.remotely.suspected.get()),
            (&STALE, "", self.stale.get()),
            (&SHED, "awaited", self.shed.get()),
            (&SHED, "refresh", self.skipped.get()),
            (&EVICTED, "", self.evicted.get()),
            (&NOT_STORED, "too_large", self.too_large.get()),
            (&NOT_STORED, "over_share", self.over_share.get()),
            (&NOT_STORED, "invalidated", self.overtaken.get()),
            (&INVALIDATIONS, "key", self.of_key.get()),
            (&INVALIDATIONS, "tag", self.of_tag.get()),
            (&INVALIDATIONS, "tenant", self.of_all.get()),
        ] {
            sink(metric, label, Value::Count(count));
        }
        for (metric, level) in [
            (&BYTES, now.bytes as f64),
            (&ENTRIES, now.entries as f64),
            (&TENANTS, now.tenants as f64),
        ] {
            sink(metric, "", Value::Level(level));
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    #[inline]
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

const STRIPES: usize = 16;

/// A count that threads do not contend for.
#[derive(Debug, Default)]
pub(crate) struct Striped([Stripe; STRIPES]);

// Two lines of a cache: processors fetch them in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Stripe(Count);

impl Striped {
    #[inline]
    pub(crate) fn add(&self) {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        thread_local! {
            static MINE: usize = NEXT.fetch_add(1, Ordering::Relaxed) % STRIPES;
        }
        let mine = MINE.try_with(|mine| *mine).unwrap_or_default();
        if let Some(stripe) = self.0.get(mine) {
            stripe.0.add();
        }
    }

    fn get(&self) -> u64 {
        self.0.iter().map(|stripe| stripe.0.get()).sum()
    }
}
