use std::net::SocketAddr;

/// The address that a connection comes from: an extension of each request that
/// [`Lifecycle::serve`](crate::Lifecycle::serve) receives. Behind a proxy it is the proxy's.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "an address is all there is to it"
)]
pub struct Peer(pub SocketAddr);
