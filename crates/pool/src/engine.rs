//! What bb8 is told: to keep idle connections, and to open none by itself. It would have
//! those who wait race for each, and test those it hands out without a bound.

use std::sync::Arc;

use bb8::ManageConnection;

use crate::kept::Kept;

#[derive(Debug)]
pub(crate) struct Engine<M> {
    manager: Arc<M>,
}

/// Only the pool opens connections.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NotHere;

impl<M> Engine<M> {
    pub(crate) const fn new(manager: Arc<M>) -> Self {
        Self { manager }
    }
}

impl<M: ManageConnection> ManageConnection for Engine<M> {
    // Boxed, for the engine moves it several times on each way.
    type Connection = Box<Kept<M::Connection>>;
    type Error = NotHere;

    async fn connect(&self) -> Result<Self::Connection, NotHere> {
        Err(NotHere)
    }

    async fn is_valid(&self, _: &mut Self::Connection) -> Result<(), NotHere> {
        Err(NotHere)
    }

    fn has_broken(&self, kept: &mut Self::Connection) -> bool {
        kept.is_over(kept.age.used) || self.manager.has_broken(&mut kept.connection)
    }
}
