use std::fmt;
use std::ops::{Deref, DerefMut};

use bb8::{ManageConnection, PooledConnection};
use tokio::time::Instant;
use towerblock_fair::Slot;

use crate::engine::Engine;

/// A connection on loan; dropped, it goes back to its pool, or is closed if it is broken.
///
/// Whether it is broken is the manager's to say (`has_broken`): one whose answer is still
/// outstanding should be, for the next to have it would wait for that answer.
pub struct Pooled<M: ManageConnection> {
    // In this order: whoever gets the slot finds the connection.
    connection: PooledConnection<'static, Engine<M>>,
    _slot: Slot,
}

impl<M: ManageConnection> Pooled<M> {
    pub(crate) const fn new(connection: PooledConnection<'static, Engine<M>>, slot: Slot) -> Self {
        Self {
            connection,
            _slot: slot,
        }
    }
}

impl<M: ManageConnection> Deref for Pooled<M> {
    type Target = M::Connection;

    fn deref(&self) -> &M::Connection {
        &self.connection.connection
    }
}

impl<M: ManageConnection> DerefMut for Pooled<M> {
    fn deref_mut(&mut self) -> &mut M::Connection {
        &mut self.connection.connection
    }
}

impl<M: ManageConnection> Drop for Pooled<M> {
    fn drop(&mut self) {
        self.connection.age.used = Instant::now();
        self.connection.holder.given_back();
    }
}

impl<M: ManageConnection> fmt::Debug for Pooled<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held = self.connection.holder.held();
        f.debug_struct("Pooled")
            .field("held", &held)
            .finish_non_exhaustive()
    }
}
