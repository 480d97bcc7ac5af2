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

    /// Those of a schema whose tables have changed: one of them was found to be of the time
    /// before, and so are the others.
    pub(crate) fn forget_all(&mut self, schema: Option<u64>) {
        let gone = self.by_schema.remove(&schema);
        self.count -= gone.map_or(0, |of_schema| of_schema.len());
    }

    fn forget(&mut self, schema: Option<u64>, sql: &str) {
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
/// By its words: a connection that is reset for nothing costs two round trips, in the
/// background. What a function does in its body is not seen.
pub(crate) fn leaves_state(sql: &str) -> bool {
    let sql = sql.to_ascii_lowercase();
    let mut words = words(&sql);
    let first = words.next().unwrap_or_default();
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
    let is_local = first == "set" && words.next().is_some_and(|word| word == "local");
    let is_lasting = |word: &str| {
        ["set_config", "temp", "temporary", "pg_temp"].contains(&word)
            || (word.contains("advisory") && !word.contains("_xact_"))
    };
    (is_command && !is_local) || self::words(&sql).any(is_lasting)
}

/// Whether a statement ends the transaction that it stands in: what came after it would be
/// bound to nobody.
pub(crate) fn ends_transaction(sql: &str) -> bool {
    let sql = sql.to_ascii_lowercase();
    let mut words = words(&sql);
    let (first, second) = (words.next(), words.next());
    let is_end =
        |word: &str| ["begin", "start", "commit", "end", "abort", "rollback"].contains(&word);
    let is_partial = first == Some("rollback") && second == Some("to");
    let is_two_phase = first == Some("prepare") && second == Some("transaction");
    first.is_some_and(is_end) && !is_partial || is_two_phase
}

/// What is between comments, spaces and signs, in lower case.
fn words(sql: &str) -> impl Iterator<Item = &str> {
    let mut rest = sql;
    std::iter::from_fn(move || {
        loop {
            let is_word = |c: char| c.is_alphanumeric() || c == '_';
            rest = rest.trim_start_matches(|c: char| !is_word(c) && c != '-' && c != '/');
            if let Some(comment) = rest.strip_prefix("--") {
                rest = comment.split_once('\n').map_or("", |(_, after)| after);
            } else if let Some(comment) = rest.strip_prefix("/*") {
                rest = comment.split_once("*/").map_or("", |(_, after)| after);
            } else if rest.starts_with(['-', '/']) {
                rest = rest.get(1..).unwrap_or_default();
            } else if rest.is_empty() {
                return None;
            } else {
                let end = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
                let (word, after) = rest.split_at(end);
                rest = after;
                return Some(word);
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::{ends_transaction, leaves_state};

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
            "/* trace=7 */ SET ROLE evil",
            "-- a line\n;( select pg_try_advisory_lock(1))",
        ] {
            assert!(leaves_state(sql), "{sql}");
        }
        for sql in [
            "UPDATE t SET x = 1",
            "select attempts from email_templates",
            "SELECT pg_advisory_xact_lock(1)",
            "set local app.x = 1",
            "insert into t values ($1) -- set",
            "select 1 / 2 - 1",
            "",
        ] {
            assert!(!leaves_state(sql), "{sql}");
        }
    }

    #[test]
    fn what_ends_a_transaction_is_known_by_its_words() {
        for sql in [
            "commit",
            " /* x */ ROLLBACK",
            "END;",
            "begin",
            "PREPARE TRANSACTION 'x'",
        ] {
            assert!(ends_transaction(sql), "{sql}");
        }
        for sql in [
            "ROLLBACK TO s",
            "savepoint s",
            "prepare x as select 1",
            "select 1",
            "",
        ] {
            assert!(!ends_transaction(sql), "{sql}");
        }
    }
}
