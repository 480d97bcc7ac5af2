//! Whose rows a statement sees.
//!
//! A binding lives in one transaction, and its commands travel in one message with the
//! statement. If they fail, the transaction does, and the statement with it.

use std::fmt;
use std::fmt::Write as _;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use towerblock_core::TenantId;

/// Whose rows a statement may see, and by which means.
#[derive(Clone, Debug)]
pub struct Binding {
    tenant: TenantId,
    isolation: Isolation,
}

#[derive(Clone, Debug)]
enum Isolation {
    Schema(SchemaName),
    RowLevel { role: Arc<str>, key: u64 },
    Shared,
}

/// The name of a tenant's schema: `t` and the key in hexadecimal digits.
///
/// It is made of a number alone, so no text of a client's is ever part of a statement.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct SchemaName(u64);

impl SchemaName {
    /// The schema of the tenant with this key: `t00000000002a` for 42.
    #[must_use]
    pub const fn from_key(key: u64) -> Self {
        Self(key)
    }
}

impl fmt::Display for SchemaName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "t{:012x}", self.0)
    }
}

/// How long a statement may take, in milliseconds, where the connection does not say so.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeout(Option<u128>);

impl Timeout {
    /// A command less for each transaction that has about as long as a call has, where the
    /// connection ends statements a little before.
    pub(crate) fn new(left: Duration, of_connection: Option<Duration>) -> Self {
        let is_near = |limit: Duration| limit <= left && left <= limit.saturating_mul(5) / 4;
        let needs_none = of_connection.is_some_and(is_near);
        // 0 would mean for ever.
        Self((!needs_none).then(|| left.as_millis().clamp(1, 3_600_000)))
    }
}

/// Connections find no table by themselves: where nothing binds them, nothing is found.
const DEFAULT_PATH: &str = ";SET LOCAL search_path TO DEFAULT";

/// What a transaction may do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Mode {
    Read,
    Write,
}

impl Binding {
    /// The tables of a schema that is the tenant's alone. The search path is this schema and
    /// `pg_temp`, so a table that is missing there is found nowhere else.
    #[must_use]
    pub fn schema(tenant: &TenantId, schema: SchemaName) -> Self {
        Self::new(tenant, Isolation::Schema(schema))
    }

    /// The tenant's rows of tables under row-level security. Statements run as `role`, which
    /// must own no table, with the setting `app.tenant_id` at `key`, for policies such as
    ///
    /// ```sql
    /// USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::bigint))
    /// ```
    #[must_use]
    pub fn row_level(tenant: &TenantId, role: impl Into<Arc<str>>, key: u64) -> Self {
        let role = role.into();
        Self::new(tenant, Isolation::RowLevel { role, key })
    }

    /// What belongs to no tenant. Whoever asks shares the connections with tenants as if it
    /// were one more, named `shared`.
    #[must_use]
    pub fn shared() -> Self {
        #[expect(clippy::expect_used, reason = "the name is well formed")]
        static SHARED: LazyLock<TenantId> =
            LazyLock::new(|| TenantId::new("shared").expect("a name"));
        Self::new(&SHARED, Isolation::Shared)
    }

    /// In whose name connections are asked for.
    #[must_use]
    pub const fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    fn new(tenant: &TenantId, isolation: Isolation) -> Self {
        Self {
            tenant: tenant.clone(),
            isolation,
        }
    }

    pub(crate) const fn schema_key(&self) -> Option<u64> {
        match self.isolation {
            Isolation::Schema(SchemaName(key)) => Some(key),
            Isolation::RowLevel { .. } | Isolation::Shared => None,
        }
    }

    /// The commands that begin a transaction for it.
    pub(crate) fn begin(&self, mode: Mode, timeout: Timeout) -> String {
        let mut sql = String::with_capacity(192);
        sql.push_str(match mode {
            Mode::Read => "BEGIN READ ONLY",
            // Not READ WRITE: a standby would refuse the transaction, and not the write.
            Mode::Write => "BEGIN",
        });
        self.bind(&mut sql, timeout);
        sql
    }

    /// The commands that bind a transaction that has begun.
    pub(crate) fn bind_transaction(&self, timeout: Timeout, idle: Duration) -> String {
        let millis = idle.as_millis().clamp(1, 3_600_000);
        let mut sql = format!("SET LOCAL idle_in_transaction_session_timeout={millis}");
        self.bind(&mut sql, timeout);
        sql
    }

    /// The commands that bind a connection for as long as it lasts, and take it its timeout.
    pub(crate) fn for_session(&self) -> String {
        let mut sql = "SET statement_timeout=0".to_owned();
        self.bind(&mut sql, Timeout(None));
        sql.replace("SET LOCAL", "SET")
    }

    fn bind(&self, sql: &mut String, timeout: Timeout) {
        if let Some(millis) = timeout.0 {
            let _ = write!(sql, ";SET LOCAL statement_timeout={millis}");
        }
        match &self.isolation {
            Isolation::Schema(schema) => {
                let _ = write!(sql, ";SET LOCAL search_path={schema},pg_temp");
            }
            Isolation::RowLevel { role, key } => {
                let role = role.replace('"', "\"\"").replace('\0', "");
                sql.push_str(DEFAULT_PATH);
                let _ = write!(
                    sql,
                    ";SET LOCAL ROLE \"{role}\";SET LOCAL app.tenant_id='{key}'"
                );
            }
            Isolation::Shared => sql.push_str(DEFAULT_PATH),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use towerblock_core::TenantId;

    use super::{Binding, Mode, SchemaName, Timeout};

    fn begin(binding: &Binding, left: u64, limit: Option<u64>) -> String {
        let limit = limit.map(Duration::from_millis);
        let timeout = Timeout::new(Duration::from_millis(left), limit);
        binding.begin(Mode::Read, timeout)
    }

    #[test]
    fn a_name_of_a_schema_is_its_key_and_no_other() {
        assert_eq!(SchemaName::from_key(42).to_string(), "t00000000002a");
        let longest = SchemaName::from_key(u64::MAX).to_string();
        assert_eq!(longest, "tffffffffffffffff");
        assert!(longest.len() < 64, "no identifier is cut");
    }

    #[test]
    fn a_role_is_quoted_and_a_timeout_is_never_off() {
        let acme = TenantId::new("acme").unwrap();
        let hostile = Binding::row_level(&acme, "x\"; DROP TABLE t; --\0", 7);
        let expected = "BEGIN READ ONLY;SET LOCAL statement_timeout=1;\
             SET LOCAL search_path TO DEFAULT;\
             SET LOCAL ROLE \"x\"\"; DROP TABLE t; --\";SET LOCAL app.tenant_id='7'";
        assert_eq!(begin(&hostile, 0, None), expected);
        let schema = Binding::schema(&acme, SchemaName::from_key(1));
        let expected = "BEGIN READ ONLY;SET LOCAL statement_timeout=3600000;\
             SET LOCAL search_path=t000000000001,pg_temp";
        assert_eq!(begin(&schema, u64::MAX, None), expected);
    }

    #[test]
    fn a_timeout_near_that_of_the_connection_is_left_to_it() {
        let millis = |left, limit| {
            let begin = begin(&Binding::shared(), left, limit);
            let set = begin.split_once("statement_timeout=")?.1;
            set.split(';').next()?.parse::<u64>().ok()
        };
        assert_eq!(millis(4_000, Some(4_000)), None);
        assert_eq!(millis(5_000, Some(4_000)), None);
        assert_eq!(millis(3_999, Some(4_000)), Some(3_999));
        assert_eq!(millis(5_001, Some(4_000)), Some(5_001));
        assert_eq!(millis(4_000, None), Some(4_000));
    }
}
