use std::sync::atomic::{AtomicU8, Ordering};

/// What is known of a pooler between here and a server.
///
/// Whether there is one shows on each connection at once, whoever else is there: it answers the
/// door in another name than its backend's. How long it lends a backend shows only in time, so
/// until then it is taken for one that lends by the transaction, with which nothing is left
/// behind.
#[derive(Debug, Default)]
pub(crate) struct Lending(AtomicU8);

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Pooler {
    /// Nobody has met one.
    None,
    /// There is one, and nobody knows how long it lends.
    Unknown,
    /// It lends a backend to whoever stays connected.
    Session,
    /// It was seen to lend by the transaction.
    Transaction,
}

impl Lending {
    pub(crate) fn get(&self) -> Pooler {
        match self.0.load(Ordering::Relaxed) {
            1 => Pooler::Unknown,
            2 => Pooler::Session,
            3 => Pooler::Transaction,
            _ => Pooler::None,
        }
    }

    /// Whether nothing can be left on a connection.
    pub(crate) fn is_by_transaction(&self) -> bool {
        matches!(self.get(), Pooler::Unknown | Pooler::Transaction)
    }

    /// Somebody has met one.
    pub(crate) fn met(&self, name: &str) {
        if self.turn(Pooler::None, Pooler::Unknown) {
            tracing::info!(name, "a pooler is in between");
        }
    }

    /// It did not lend by the transaction, however often somebody looked.
    pub(crate) fn keeps_sessions(&self, name: &str) {
        if self.turn(Pooler::Unknown, Pooler::Session) {
            tracing::info!(name, "a pooler lends connections by session");
        }
    }

    /// It did, whatever it was taken for.
    pub(crate) fn changes(&self, name: &str) {
        let now = Pooler::Transaction as u8;
        if self.0.swap(now, Ordering::Relaxed) != now {
            tracing::info!(name, "a pooler lends connections by transaction");
        }
    }

    /// Whether this was news.
    fn turn(&self, from: Pooler, to: Pooler) -> bool {
        let (from, to) = (from as u8, to as u8);
        let (set, fetch) = (Ordering::Relaxed, Ordering::Relaxed);
        self.0.compare_exchange(from, to, set, fetch).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::{Lending, Pooler};

    #[test]
    fn a_pooler_is_not_trusted_until_it_was_looked_at_and_never_once_it_was_seen_to_change() {
        let lending = Lending::default();
        lending.keeps_sessions("one");
        assert_eq!(lending.get(), Pooler::None);
        assert!(!lending.is_by_transaction());
        lending.met("one");
        assert!(lending.is_by_transaction());
        lending.keeps_sessions("one");
        // Each new connection meets it again.
        lending.met("one");
        assert_eq!(lending.get(), Pooler::Session);
        assert!(!lending.is_by_transaction());
        lending.changes("one");
        lending.met("one");
        lending.keeps_sessions("one");
        assert_eq!(lending.get(), Pooler::Transaction);
        assert!(lending.is_by_transaction());
    }
}
