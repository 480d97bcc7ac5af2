use std::fmt;

use crate::url::{InvalidUrl, Target};

/// The servers of a cluster: one that takes writes, and standbys that stream from it.
///
/// Which is which is asked of the servers themselves, so a standby that was promoted takes
/// the writes from then on, wherever it stands here.
pub struct Servers {
    pub(crate) primary: Target,
    pub(crate) replicas: Vec<Target>,
}

impl Servers {
    /// The primary, by its URL: `postgres://user:password@host:port/database`, with what libpq
    /// knows as parameters. TLS is by `sslmode`: `disable`, `prefer` (the default), `require`,
    /// `verify-ca` or `verify-full`, the last two by the authorities of `sslrootcert` (a PEM
    /// file; default `system`), which are read here, once.
    ///
    /// # Errors
    ///
    /// When the URL is none, names more than one server, or asks for what there is not.
    pub fn new(primary: &str) -> Result<Self, InvalidUrl> {
        Ok(Self {
            primary: Target::parse(primary)?,
            replicas: Vec::new(),
        })
    }

    /// A standby, by its URL.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn replica(mut self, url: &str) -> Result<Self, InvalidUrl> {
        self.replicas.push(Target::parse(url)?);
        Ok(self)
    }
}

impl fmt::Debug for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = [&self.primary].into_iter().chain(&self.replicas);
        let all = all.map(|target| (&target.host, target.port));
        f.debug_list().entries(all).finish()
    }
}
