use std::collections::HashMap;
use std::fmt;

use tokio_postgres::Statement;

/// The statements that one connection has prepared, by the schema that they were prepared in:
/// the server plans a statement anew whenever it finds it in another schema.
///
/// The one used longest ago makes room.
pub(crate) struct Statements {
    most: usize,
    count: usize,
    clock: u64,
    by_schema: HashMap<Option<u64>, HashMap<Box<str>, Entry>>,
}

#[derive(Clone)]
pub(crate) struct Prepared {
    pub(crate) statement: Statement,
    /// Whether something of it may stay on the connection.
    pub(crate) leaves_state: bool,
}

struct Entry {
    prepared: Prepared,
    used: u64,
}

impl Statements {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most: most.max(1),
            count: 0,
            clock: 0,
            by_schema: HashMap::new(),
        }
    }

    pub(crate) fn get(&mut self, schema: Option<u64>, sql: &str) -> Option<Prepared> {
        let entry = self.by_schema.get_mut(&schema)?.get_mut(sql)?;
        self.clock += 1;
        entry.used = self.clock;
        Some(entry.prepared.clone())
    }

    /// Cheap beside the round trip by which the statement was prepared, also where it has to
    /// look for the oldest.
    pub(crate) fn put(&mut self, schema: Option<u64>, sql: &str, statement: Statement) -> Prepared {
        self.forget(schema, sql);
        if self.count >= self.most {
            self.forget_oldest();
        }
        self.clock += 1;
        let prepared = Prepared {
            statement,
            leaves_state: leaves_state(sql),
        };
        let entry = Entry {
            prepared: prepared.clone(),
            used: self.clock,
        };
        self.by_schema
            .entry(schema)
            .or_default()
            .insert(sql.into(), entry);
        self.count += 1;
        prepared
    }

    pub(crate) fn forget(&mut self, schema: Option<u64>, sql: &str) {
        let Some(of_schema) = self.by_schema.get_mut(&schema) else {
            return;
        };
        if of_schema.remove(sql).is_some() {
            self.count -= 1;
        }
        if of_schema.is_empty() {
            self.by_schema.remove(&schema);
        }
    }

    fn forget_oldest(&mut self) {
        let all = self.by_schema.iter().flat_map(|(schema, of_schema)| {
            let of_schema = of_schema.iter();
            of_schema.map(|(sql, entry)| (entry.used, *schema, sql))
        });
        let oldest = all.min_by_key(|(used, ..)| *used);
        if let Some((schema, sql)) = oldest.map(|(_, schema, sql)| (schema, sql.clone())) {
            self.forget(schema, &sql);
        }
    }
}

impl fmt::Debug for Statements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Statements")
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

/// Whether a statement may leave something on its connection that outlives its transaction.
///
/// By its words: a connection that is reset for nothing costs a round trip, in the background.
/// What a function does in its body is not seen.
pub(crate) fn leaves_state(sql: &str) -> bool {
    let sql = sql.to_ascii_lowercase();
    let first = sql.split_whitespace().next().unwrap_or_default();
    let is_command = [
        "set",
        "reset",
        "listen",
        "unlisten",
        "declare",
        "prepare",
        "deallocate",
        "discard",
        "load",
        "do",
        "call",
    ]
    .contains(&first);
    is_command
        || ["set_config", "advisory", "temp"]
            .iter()
            .any(|word| sql.contains(word))
}

#[cfg(test)]
mod tests {
    use super::leaves_state;

    #[test]
    fn what_may_stay_on_a_connection_is_known_by_its_words() {
        for sql in [
            "SET app.x = 1",
            " set role evil",
            "select set_config('app.x', '1', false)",
            "SELECT pg_advisory_lock(1)",
            "CREATE TEMP TABLE t (i int)",
            "create temporary table t as select 1",
            "LISTEN news",
            "DECLARE c CURSOR WITH HOLD FOR SELECT 1",
            "DO $$ begin set role evil; end $$",
        ] {
            assert!(leaves_state(sql), "{sql}");
        }
        for sql in [
            "UPDATE t SET x = 1",
            "select 1",
            "insert into t values ($1)",
            "",
        ] {
            assert!(!leaves_state(sql), "{sql}");
        }
    }
}
