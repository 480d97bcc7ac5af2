use std::fmt;
use std::ops::Deref;

use tokio_postgres::{Client, Notification};

use crate::loan::Loan;

/// A connection to the primary that is its user's alone: for `LISTEN`, `COPY`, advisory locks
/// and whatever else outlives a transaction. It counts as one of the connections of whoever
/// asked, and is closed when it is dropped.
pub struct Dedicated {
    loan: Loan,
}

impl Dedicated {
    pub(crate) const fn new(loan: Loan) -> Self {
        Self { loan }
    }

    /// The next notification of a channel that was listened to; `None` when the connection is
    /// lost. Of more than 1,024 that nobody takes, the later ones are lost.
    ///
    /// Cancel safety: dropped, it has taken none.
    pub async fn notification(&mut self) -> Option<Notification> {
        self.loan.notifications.recv().await
    }
}

impl Deref for Dedicated {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.loan.client
    }
}

impl fmt::Debug for Dedicated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dedicated").finish_non_exhaustive()
    }
}
