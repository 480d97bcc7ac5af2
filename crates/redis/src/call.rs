use bytes::Bytes;

/// One command, and whether it passes the gate for reads or the one for writes.
///
/// ```
/// use towerblock_redis::Call;
///
/// let read = Call::read("HMGET").arg("plugin:7").arg("name").arg("size");
/// let write = Call::write("SET").arg("plugin:7").arg(b"\x00\xff").arg("PX").number(5_000);
/// # let _ = (read, write);
/// ```
///
/// Not for what blocks or changes the connection, which is shared: `BLPOP`, `MULTI`,
/// `SUBSCRIBE`, `SELECT`, `QUIT`.
#[derive(Clone, Debug)]
#[must_use = "a call does nothing until it is sent"]
pub struct Call {
    pub(crate) command: &'static str,
    pub(crate) args: Vec<Bytes>,
    pub(crate) writes: bool,
}

impl Call {
    /// One that a server takes though it is full or read-only, such as `GET`; and `DEL`, where
    /// it must not be held back because writes are refused.
    pub const fn read(command: &'static str) -> Self {
        let args = Vec::new();
        let writes = false;
        Self {
            command,
            args,
            writes,
        }
    }

    /// One that a server refuses when it is full or read-only.
    pub const fn write(command: &'static str) -> Self {
        let args = Vec::new();
        let writes = true;
        Self {
            command,
            args,
            writes,
        }
    }

    /// One more argument, copied.
    pub fn arg(self, arg: impl AsRef<[u8]>) -> Self {
        self.bytes(Bytes::copy_from_slice(arg.as_ref()))
    }

    /// One more argument, not copied: for large values.
    pub fn bytes(mut self, arg: Bytes) -> Self {
        self.args.push(arg);
        self
    }

    /// One more argument, in decimal digits.
    pub fn number(self, arg: impl Into<i64>) -> Self {
        self.bytes(Bytes::from(arg.into().to_string()))
    }

    /// As many arguments as there are, each copied.
    pub fn args<A: AsRef<[u8]>>(self, args: impl IntoIterator<Item = A>) -> Self {
        args.into_iter().fold(self, Self::arg)
    }
}
