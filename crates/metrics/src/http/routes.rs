use std::sync::{Arc, OnceLock};

use crate::facade::Facade;
use crate::first_come::FirstCome;
use crate::http::method::METHODS;
use crate::http::series::Series;

/// A server has not nearly as many; where paths are mistaken for routes, this is where it ends.
const ROUTES: usize = 1_024;
const UNMATCHED: &str = "__unmatched__";
const OVERFLOW: &str = "__overflow__";

/// The series of all methods on all routes.
#[derive(Debug)]
pub(crate) struct Routes {
    facade: Facade,
    known: FirstCome<Route>,
    unmatched: Route,
    overflow: Route,
}

#[derive(Debug)]
struct Route {
    name: Arc<str>,
    methods: [OnceLock<Arc<Series>>; METHODS.len()],
}

impl Routes {
    pub(crate) fn new(facade: Facade) -> Self {
        Self {
            facade,
            known: FirstCome::new(ROUTES),
            unmatched: Route::new(UNMATCHED),
            overflow: Route::new(OVERFLOW),
        }
    }

    pub(crate) const fn facade(&self) -> &Facade {
        &self.facade
    }

    /// The series of the method at this place, on this route.
    #[inline]
    pub(crate) fn series(&self, route: Option<&str>, method: usize) -> Option<&Arc<Series>> {
        let route = route.map_or(&self.unmatched, |name| {
            let is_it = |route: &Route| *route.name == *name;
            let known = self.known.find(hash(name), is_it, || Route::new(name));
            known.unwrap_or(&self.overflow)
        });
        let (series, method) = (route.methods.get(method)?, METHODS.get(method)?);
        let make = || Arc::new(Series::new(&self.facade, method, &route.name));
        Some(series.get_or_init(make))
    }
}

impl Route {
    fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            methods: Default::default(),
        }
    }
}

/// FxHash: routes are the application's, so nobody chooses who collides, and their number
/// is bounded.
fn hash(name: &str) -> u64 {
    const SEED: u64 = 0x51_7c_c1_b7_27_22_0a_95;
    let eights = name.as_bytes().chunks_exact(8);
    let rest = eights.remainder().iter();
    let last = rest.fold(1, |last, byte| (last << 8) | u64::from(*byte));
    let words = eights.map(|eight| eight.try_into().map_or(0, u64::from_le_bytes));
    let mix = |hash: u64, word: u64| (hash.rotate_left(5) ^ word).wrapping_mul(SEED);
    let hash = words.chain([last]).fold(0, mix);
    // The low bits choose the place, and the high ones are the better mixed.
    hash ^ (hash >> 32)
}
