use std::path::PathBuf;

use towerblock_postgres::{Binding, Cluster, Error, Servers, Settings};
use towerblock_testkit::Postgres;

use crate::budget;

const ENCRYPTED: &str = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";

/// A file that ends with the test.
pub(crate) struct Authority(pub(crate) PathBuf);

impl Authority {
    pub(crate) fn of(postgres: &Postgres) -> Self {
        let name = format!(
            "towerblock-{}-{}.pem",
            std::process::id(),
            postgres.primary().port()
        );
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, postgres.ca().unwrap()).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

pub(crate) fn cluster(postgres: &Postgres, host: &str, parameters: &str) -> Cluster {
    let port = postgres.primary().port();
    let url = format!("postgres://towerblock@{host}:{port}/towerblock?{parameters}");
    Cluster::start(Servers::new(&url).unwrap(), Settings::new(budget(1)))
}

pub(crate) async fn is_encrypted(cluster: &Cluster) -> Result<bool, Error> {
    let all = Binding::shared();
    let rows = cluster.read(&all).query("ssl", ENCRYPTED, &[]).await?;
    Ok(rows[0].get(0))
}
