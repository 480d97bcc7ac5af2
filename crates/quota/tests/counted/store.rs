use std::ops::Deref;
use std::time::Duration;

use tokio_postgres::{Client, NoTls};
use towerblock_core::BoxError;
use towerblock_quota::{Claim, Crossings, MemoryQuotas, PostgresQuotas, QuotaError, Usage};

type Counted = Result<Usage, QuotaError>;

/// What both stores are asked.
pub(crate) trait Store {
    async fn consume(&self, claim: &Claim) -> Counted;
    async fn consume_once(&self, claim: &Claim, key: &str) -> Counted;
    async fn reserve(&self, claim: &Claim, key: &str, hold: Duration) -> Counted;
    async fn commit(&self, claim: &Claim, key: &str, actual: u64) -> Counted;
    async fn release(&self, claim: &Claim, key: &str) -> bool;
    async fn give_back(&self, claim: &Claim) -> Usage;
    async fn correct(&self, claim: &Claim, used: u64) -> Usage;
    async fn usage(&self, claim: &Claim) -> Usage;
    async fn sweep(&self) -> u64;
    fn crossings(&self) -> Crossings;
}

impl Store for MemoryQuotas {
    async fn consume(&self, claim: &Claim) -> Counted {
        self.consume(claim)
    }
    async fn consume_once(&self, claim: &Claim, key: &str) -> Counted {
        self.consume_once(claim, key)
    }
    async fn reserve(&self, claim: &Claim, key: &str, hold: Duration) -> Counted {
        self.reserve(claim, key, hold)
    }
    async fn commit(&self, claim: &Claim, key: &str, actual: u64) -> Counted {
        self.commit(claim, key, actual)
    }
    async fn release(&self, claim: &Claim, key: &str) -> bool {
        self.release(claim, key)
    }
    async fn give_back(&self, claim: &Claim) -> Usage {
        self.give_back(claim)
    }
    async fn correct(&self, claim: &Claim, used: u64) -> Usage {
        self.correct(claim, used).unwrap()
    }
    async fn usage(&self, claim: &Claim) -> Usage {
        self.usage(claim)
    }
    async fn sweep(&self) -> u64 {
        self.sweep()
    }
    fn crossings(&self) -> Crossings {
        self.crossings()
    }
}

impl<F, A, C> Store for PostgresQuotas<F>
where
    F: Fn() -> A + Send + Sync,
    A: Future<Output = Result<C, BoxError>> + Send,
    C: Deref<Target = Client> + Send + Sync,
{
    async fn consume(&self, claim: &Claim) -> Counted {
        self.consume(claim).await
    }
    async fn consume_once(&self, claim: &Claim, key: &str) -> Counted {
        self.consume_once(claim, key).await
    }
    async fn reserve(&self, claim: &Claim, key: &str, hold: Duration) -> Counted {
        self.reserve(claim, key, hold).await
    }
    async fn commit(&self, claim: &Claim, key: &str, actual: u64) -> Counted {
        self.commit(claim, key, actual).await
    }
    async fn release(&self, claim: &Claim, key: &str) -> bool {
        self.release(claim, key).await.unwrap()
    }
    async fn give_back(&self, claim: &Claim) -> Usage {
        self.give_back(claim).await.unwrap()
    }
    async fn correct(&self, claim: &Claim, used: u64) -> Usage {
        self.correct(claim, used).await.unwrap()
    }
    async fn usage(&self, claim: &Claim) -> Usage {
        self.usage(claim).await.unwrap()
    }
    async fn sweep(&self) -> u64 {
        self.sweep(1_000).await.unwrap()
    }
    fn crossings(&self) -> Crossings {
        self.crossings()
    }
}

pub(crate) async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    // Ends with its client.
    tokio::spawn(connection);
    client
}
