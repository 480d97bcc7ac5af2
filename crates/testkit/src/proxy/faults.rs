use std::time::Duration;

/// Which way bytes go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "a connection has two ends")]
pub enum Direction {
    /// From the client to the server.
    ToServer,
    /// From the server to the client.
    ToClient,
    /// Both ways.
    Both,
}

/// What is wrong with the network.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    pub(crate) delay: Duration,
    /// Bytes per second and direction.
    pub(crate) rate: Option<u32>,
    pub(crate) to_server: Flow,
    pub(crate) to_client: Flow,
    pub(crate) refuse: bool,
    pub(crate) ending: Ending,
}

impl Faults {
    /// What happens to bytes going this way.
    pub(crate) fn flow(&self, way: Way) -> Flow {
        match way {
            Way::ToServer => self.to_server,
            Way::ToClient => self.to_client,
        }
    }
}

/// One direction.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    ToServer,
    ToClient,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Flow {
    #[default]
    Pass,
    /// Read, and lost.
    Swallow,
    /// Not read.
    Stall,
}

/// The connections that began before the ending of this number are to end.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ending {
    pub(crate) number: u64,
    pub(crate) by_reset: bool,
}
