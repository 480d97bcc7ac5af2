use std::sync::Arc;

use http::header::RANGE;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body::Body;
use towerblock_core::ProblemBody;

use super::answer::{Answer, CACHE_STATUS, Reader};
use super::ask::{Ask, Read};
use super::body::CachedBody;
use super::policy::HttpPolicy;
use super::status::{Forward, Label};
use super::target::{Target, VariantKey};
use super::write::Written;
use crate::entry::Entry;
use crate::hit::{Freshness, Hit, Source};
use crate::key::{KeyBuf, PlaceRef};
use crate::store::{Look, Store};
use crate::tenant::Tenant;

/// What the services of one layer share: the answers of a route, and what is to be done about
/// them.
#[derive(Debug)]
pub(crate) struct Route {
    pub(super) store: Arc<Store<Answer>>,
    /// In whose name answers are kept that are no tenant's.
    pub(super) scope: Option<Arc<Tenant>>,
    pub(super) policy: HttpPolicy,
    pub(super) label: Label,
}

/// An answer, and where it comes from.
pub(super) type Answered<R> = Response<ProblemBody<CachedBody<R>>>;

/// What is done with a request.
pub(super) enum Step<R: Body> {
    Answer(Answered<R>),
    /// This is the answer, and a new one is to be loaded meanwhile.
    Refresh(Answered<R>, Target),
    Fetch(Target),
    Pass(Forward),
    Write(Written),
}

/// What is in memory, if that may be served.
struct Found {
    entry: Arc<Entry<Answer>>,
    age: Age,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Age {
    Fresh,
    Stale { refresh: bool },
    Late,
}

impl Route {
    pub(super) fn step<B: Body, R: Body>(self: &Arc<Self>, req: &Request<B>) -> Step<R> {
        match Ask::of(self, req) {
            Ask::Read(read) => self.read(&read),
            Ask::Write(owner, uri) => {
                let place = self.store.at(owner, &KeyBuf::of(&uri)).to_owned();
                Step::Write(Written::new(Arc::clone(self), place))
            }
            Ask::Pass(why) => Step::Pass(why),
        }
    }

    fn read<R: Body>(&self, read: &Read<'_>) -> Step<R> {
        if read.directives.no_store {
            return self.unless_cached(read, Step::Pass(Forward::Bypass("no-store")));
        }
        let step = self.find(read);
        self.unless_cached(read, step)
    }

    fn find<R: Body>(&self, read: &Read<'_>) -> Step<R> {
        let uri = KeyBuf::of(&read.uri);
        let place = self.store.at(read.owner, &uri);
        let now = self.store.hub.clock.coarse();
        let first = match Found::of(self.store.look(place, now)) {
            Ok(Some(first)) => first,
            Ok(None) => return self.fetch(read, place, None, Forward::UriMiss),
            Err(why) => return Step::Pass(why),
        };
        if first.entry.value.selection.matches(read.reader.headers) {
            return self.judge(read, place, None, first, now);
        }
        let key = VariantKey {
            uri: uri.bytes(),
            generation: first.entry.value.generation,
            selection: &first.entry.value.selection,
            headers: read.reader.headers,
        };
        if key.is_too_long() {
            return Step::Pass(Forward::VaryMiss);
        }
        let variant = KeyBuf::of(&key);
        let variant = self.store.at(read.owner, &variant);
        match Found::of(self.store.look(variant, now)) {
            Ok(Some(found)) if found.entry.value.selection.matches(read.reader.headers) => {
                self.judge(read, variant, Some(uri.bytes()), found, now)
            }
            // It selects by something else than the first.
            Ok(Some(_)) => Step::Pass(Forward::VaryMiss),
            Ok(None) if first.age == Age::Fresh => {
                self.fetch(read, variant, Some(uri.bytes()), Forward::VaryMiss)
            }
            Ok(None) => self.fetch(read, place, None, Forward::VaryMiss),
            Err(why) => Step::Pass(why),
        }
    }

    /// What to do about an answer that is for this request.
    fn judge<R: Body>(
        &self,
        read: &Read<'_>,
        place: PlaceRef<'_>,
        variant_of: Option<&[u8]>,
        found: Found,
        now: u64,
    ) -> Step<R> {
        let Found { entry, age } = found;
        let must_revalidate = entry.value.must_revalidate;
        let target = |stale: bool, entry: &Arc<Entry<Answer>>| Target {
            stale: stale.then(|| Arc::clone(entry)),
            known: Some(Arc::clone(entry)),
            ..self.target(read, place, variant_of, Forward::Stale)
        };
        let refresh = match age {
            Age::Late => return Self::load(read, target(!must_revalidate, &entry)),
            Age::Stale { .. } if must_revalidate => {
                return Self::load(read, target(false, &entry));
            }
            Age::Stale { refresh } => refresh,
            Age::Fresh => false,
        };
        let fresh_for = entry.meta.fresh_until().saturating_sub(now) / 1_000;
        let held = now.saturating_sub(entry.meta.born()) / 1_000;
        let old = entry.value.age.saturating_add(held);
        if !read.directives.accepts(old, fresh_for) {
            return Step::Pass(Forward::Request);
        }
        let target = refresh.then(|| target(true, &entry));
        let hit = if age == Age::Fresh {
            self.store.hit(entry, now)
        } else {
            self.store.serve_stale(entry)
        };
        let answer = self.hit(&hit, read.reader);
        match target {
            Some(target) => Step::Refresh(answer, target),
            None => Step::Answer(answer),
        }
    }

    fn fetch<R: Body>(
        &self,
        read: &Read<'_>,
        place: PlaceRef<'_>,
        variant_of: Option<&[u8]>,
        why: Forward,
    ) -> Step<R> {
        Self::load(read, self.target(read, place, variant_of, why))
    }

    fn load<R: Body>(read: &Read<'_>, target: Target) -> Step<R> {
        if read.directives.no_cache {
            return Step::Pass(Forward::Request);
        }
        // A part is not worth the whole, which may be long.
        if read.reader.headers.contains_key(RANGE) {
            return Step::Pass(Forward::Bypass("range"));
        }
        Step::Fetch(target)
    }

    fn target(
        &self,
        read: &Read<'_>,
        place: PlaceRef<'_>,
        variant_of: Option<&[u8]>,
        why: Forward,
    ) -> Target {
        Target {
            tenant: self.store.enter(read.owner),
            place: place.to_owned(),
            variant_of: variant_of.map(Arc::from),
            stale: None,
            known: None,
            why,
        }
    }

    /// Nobody is asked for what is to be had from the cache only.
    fn unless_cached<R: Body>(&self, read: &Read<'_>, step: Step<R>) -> Step<R> {
        if !read.directives.only_if_cached || matches!(step, Step::Answer(_) | Step::Refresh(..)) {
            return step;
        }
        let mut response =
            ProblemBody::about(StatusCode::GATEWAY_TIMEOUT, "there is no stored answer");
        let status = self.label.none("only-if-cached");
        response.headers_mut().insert(CACHE_STATUS, status);
        Step::Answer(response)
    }

    /// An answer that was in memory, or at another instance.
    pub(super) fn hit<R: Body>(&self, hit: &Hit<Answer>, reader: Reader<'_>) -> Answered<R> {
        Self::served(hit, reader, self.label.hit(self.ttl(hit)))
    }

    /// An answer for which somebody was asked.
    pub(super) fn fetched<R: Body>(
        &self,
        hit: &Hit<Answer>,
        reader: Reader<'_>,
        why: Forward,
    ) -> Answered<R> {
        let what = match hit.source() {
            Source::Coalesced => "collapsed",
            Source::Load if hit.entry().meta.is_stored() => "stored",
            Source::Load => "stored=?0",
            // Nothing newer could be had.
            Source::Memory if hit.freshness() == Freshness::Stale => "stored=?0",
            Source::Memory | Source::Remote => return self.hit(hit, reader),
        };
        Self::served(hit, reader, self.label.fetched(why, what, self.ttl(hit)))
    }

    fn served<R: Body>(hit: &Hit<Answer>, reader: Reader<'_>, status: HeaderValue) -> Answered<R> {
        let mut response = hit.serve(reader, hit.age().as_secs(), status);
        if let Some(stale) = hit.degraded() {
            response.extensions_mut().insert(stale);
        }
        response.map(|bytes| ProblemBody::new(CachedBody::stored(bytes)))
    }

    /// In seconds; negative, if it is stale.
    fn ttl(&self, hit: &Hit<Answer>) -> i64 {
        let fresh_until = hit.entry().meta.fresh_until();
        let now = self.store.hub.clock.coarse();
        let seconds = |millis: u64| i64::try_from(millis / 1_000).unwrap_or(i64::MAX);
        match fresh_until.checked_sub(now) {
            Some(left) if hit.freshness() == Freshness::Fresh => seconds(left),
            _ => -seconds(now.saturating_sub(fresh_until)),
        }
    }
}

impl Found {
    /// What may be served; nothing; or why it is not to be looked for.
    fn of(look: Look<Answer>) -> Result<Option<Self>, Forward> {
        let (entry, age) = match look {
            Look::Nothing => return Ok(None),
            // What cannot be stored nobody waits for.
            Look::Absent => return Err(Forward::Bypass("hit-for-miss")),
            Look::Failed(_) => return Err(Forward::Bypass("failing")),
            Look::Fresh(entry) => (entry, Age::Fresh),
            Look::Stale { entry, refresh } => (entry, Age::Stale { refresh }),
            Look::Late(entry) => (entry, Age::Late),
        };
        Ok(Some(Self { entry, age }))
    }
}
