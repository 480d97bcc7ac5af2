use std::sync::OnceLock;

use bytes::Bytes;
use fred::util::sha1_hash;

use crate::Call;

/// A script in Lua, sent by its hash and only where the server does not know it as a whole: the
/// way to make a write depend on what is there.
///
/// ```
/// use towerblock_redis::Script;
///
/// static FILL: Script = Script::write(
///     "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end \
///      redis.call('SET', KEYS[2], ARGV[2]) return 1",
/// );
/// ```
#[derive(Debug)]
pub struct Script {
    lua: &'static str,
    writes: bool,
    sha: OnceLock<Bytes>,
}

impl Script {
    /// One that passes the gate for writes.
    #[must_use]
    pub const fn write(lua: &'static str) -> Self {
        let sha = OnceLock::new();
        let writes = true;
        Self { lua, writes, sha }
    }

    /// One that passes the gate for reads, because it writes nothing, or only frees memory.
    #[must_use]
    pub const fn read(lua: &'static str) -> Self {
        let sha = OnceLock::new();
        let writes = false;
        Self { lua, writes, sha }
    }

    /// By its hash.
    pub(crate) fn call<K: AsRef<[u8]>, A: AsRef<[u8]>>(&self, keys: &[K], args: &[A]) -> Call {
        let sha = self.sha.get_or_init(|| sha1_hash(self.lua).into());
        let call = Call {
            command: "EVALSHA",
            args: Vec::with_capacity(2 + keys.len() + args.len()),
            writes: self.writes,
        };
        let count = i64::try_from(keys.len()).unwrap_or(i64::MAX);
        call.bytes(sha.clone()).number(count).args(keys).args(args)
    }

    /// The same call with the whole text.
    pub(crate) fn in_full(&self, mut call: Call) -> Call {
        call.command = "EVAL";
        if let Some(first) = call.args.first_mut() {
            *first = Bytes::from_static(self.lua.as_bytes());
        }
        call
    }
}
