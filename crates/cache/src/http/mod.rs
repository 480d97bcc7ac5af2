//! A layer that caches responses: what a request asks for, what of a response may be kept, and
//! how one is served.

mod answer;
mod ask;
mod body;
mod conditions;
mod directives;
mod fetch;
mod future;
mod gather;
mod layer;
mod loader;
mod policy;
mod ranges;
mod route;
mod service;
mod status;
mod storing;
mod target;
mod vary;
mod wire;
mod write;

pub use self::{
    body::CachedBody, future::ResponseFuture, layer::HttpCacheLayer, policy::HttpPolicy,
    service::HttpCache,
};
