//! The text of a statement. What the caller gave and what a keyset says is put together
//! here; nothing of a client's ever is part of it.

use tokio_postgres::types::{ToSql, Type};

use crate::Direction;
use crate::keyset::{Column, Nulls};

/// A statement and what its `$1` and so on stand for, as `query_typed` of `tokio-postgres`
/// takes them.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Statement<'q> {
    /// The text.
    pub sql: String,
    /// The parameters and their types.
    pub parameters: Vec<(&'q (dyn ToSql + Sync), Type)>,
}

/// Which rows of which tables make the list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct List<'q> {
    pub(crate) columns: &'q str,
    pub(crate) tables: &'q str,
    pub(crate) filter: &'q str,
    pub(crate) keys: &'q [Column],
}

impl List<'_> {
    /// Reads the first rows of each branch, in their order, or of the whole list.
    pub(crate) fn page(&self, direction: Direction, branches: &[String], limit: usize) -> String {
        let branch = |(n, branch): (usize, &String)| self.branch(direction, n, branch, limit);
        let parts: Vec<_> = branches.iter().enumerate().map(branch).collect();
        match &*parts {
            [] => self.branch(direction, 0, "", limit),
            [one] => one.clone(),
            // Each is in order, and so are they: when the first are enough, the others are
            // not read. Only a subquery with a LIMIT is never read in parallel.
            many => format!("({}) LIMIT {limit}", many.join(") UNION ALL (")),
        }
    }

    /// Counts up to `most`.
    pub(crate) fn count(&self, most: u64) -> String {
        let (tables, condition) = (self.tables, self.condition(""));
        format!("SELECT count(*) FROM (SELECT 1 FROM {tables}{condition} LIMIT {most}) AS counted")
    }

    /// The keys are selected once more under names of ours, and sorted by these: another
    /// column of the caller's may have the name of one.
    fn branch(&self, direction: Direction, n: usize, condition: &str, limit: usize) -> String {
        let (columns, tables, condition) = (self.columns, self.tables, self.condition(condition));
        let mut keys = String::new();
        let mut order = Vec::new();
        for (key, name) in self.keys.iter().zip(names()) {
            keys += &format!(", {} AS {name}", key.expression());
            order.push(format!("{name}{}", sorted(key, direction)));
        }
        let order = order.join(", ");
        format!(
            "SELECT {columns}{keys}, {n} AS {BRANCH} FROM {tables}{condition} \
             ORDER BY {order} LIMIT {limit}"
        )
    }

    fn condition(&self, beyond: &str) -> String {
        match (self.filter, beyond) {
            ("", "") => String::new(),
            ("", condition) | (condition, "") => format!(" WHERE {condition}"),
            (filter, beyond) => format!(" WHERE ({filter}) AND {beyond}"),
        }
    }
}

/// The column that tells which branch a row is of. It comes last, after the keys.
pub(crate) const BRANCH: &str = "towerblock_branch";

/// The names of the keys.
pub(crate) fn names() -> impl Iterator<Item = String> {
    (1..).map(|n: u32| format!("towerblock_key_{n}"))
}

fn sorted(key: &Column, direction: Direction) -> String {
    let descends = if key.descends(direction) { " DESC" } else { "" };
    let nulls = match key.nulls_in(direction) {
        None => "",
        Some(Nulls::First) => " NULLS FIRST",
        Some(Nulls::Last) => " NULLS LAST",
    };
    format!("{descends}{nulls}")
}
