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

/// Of three pieces of eight bytes and the length. Routes are the application's and so many at
/// most: nobody chooses who collides, and whoever does is looked at one after another.
#[inline]
fn hash(name: &str) -> u64 {
    const SEED: u64 = 0x51_7c_c1_b7_27_22_0a_95;
    let (name, len) = (name.as_bytes(), name.len());
    let piece = |from: usize| {
        let piece = name.get(from..).and_then(|rest| rest.first_chunk());
        piece.map_or(0, |piece| u64::from_le_bytes(*piece))
    };
    let pieces = if len < 8 {
        // What is short stands in one.
        let one = name
            .iter()
            .fold(0, |one, byte| (one << 8) | u64::from(*byte));
        [one, 0, 0]
    } else {
        [piece(0), piece(len / 2 - 4), piece(len - 8)]
    };
    let mix = |hash: u64, piece: u64| (hash.rotate_left(5) ^ piece).wrapping_mul(SEED);
    let hash = pieces.into_iter().fold(len as u64, mix);
    // The low bits choose the place, and the high ones are the better mixed.
    hash ^ (hash >> 32)
}
