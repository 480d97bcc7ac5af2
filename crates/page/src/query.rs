use futures_util::future::try_join;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{GenericClient, Row};
use towerblock_core::BoxError;

use crate::error::Kind;
use crate::keyset::{Column, Nulls};
use crate::predicate::branches;
use crate::seek::Found;
use crate::total::{Count, Total};
use crate::value::{IsNotNull, Raw};
use crate::{Page, PageError, Seek};

/// A page of rows from PostgreSQL, to be asked for.
#[derive(Clone, Debug)]
#[must_use = "a query does nothing until it is sent"]
pub struct Query<'q> {
    seek: &'q Seek,
    columns: &'q str,
    tables: &'q str,
    filter: &'q str,
    parameters: Vec<(&'q (dyn ToSql + Sync), Type)>,
    total: Total,
}

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

impl<'q> Query<'q> {
    pub(crate) const fn new(seek: &'q Seek, columns: &'q str, tables: &'q str) -> Self {
        Self {
            seek,
            columns,
            tables,
            filter: "",
            parameters: Vec::new(),
            total: Total::None,
        }
    }

    /// The condition of all rows of the list, and what its `$1`, `$2` and so on stand for:
    /// whatever number there are, the page's own come after them. Default: none.
    pub fn filter(
        mut self,
        condition: &'q str,
        parameters: &[(&'q (dyn ToSql + Sync), Type)],
    ) -> Self {
        self.filter = condition;
        self.parameters = parameters.to_vec();
        self
    }

    /// Whether the rows of the whole list are counted. Default: not.
    pub const fn total(mut self, total: Total) -> Self {
        self.total = total;
        self
    }

    /// Sends the statement, and with it the one that counts, and makes the page: one round
    /// trip, and nothing is prepared.
    ///
    /// # Errors
    ///
    /// When a statement fails, `map` does, or the rows do not agree with the keyset.
    pub async fn fetch<C, T, M>(&self, client: &C, map: M) -> Result<Page<T>, PageError>
    where
        C: GenericClient + Sync,
        M: FnMut(&Row) -> Result<T, BoxError>,
    {
        let list = self.statement();
        let rows = client.query_typed(&list.sql, &list.parameters);
        // Cancel safety: both only read.
        let answered = match self.count_statement() {
            None => rows.await.map(|rows| (rows, None)),
            Some(count) => {
                let count = client.query_typed_one(&count.sql, &count.parameters);
                let both = try_join(rows, count).await;
                both.map(|(rows, count)| (rows, Some(count)))
            }
        };
        let (rows, count) = answered.map_err(Kind::Database)?;
        self.page(&rows, count.as_ref(), map)
    }

    /// The statement that reads the page, for those who send it in a way of their own.
    #[must_use]
    pub fn statement(&self) -> Statement<'q> {
        let mut parameters = self.parameters.clone();
        let columns = self.columns();
        let branches = match &self.seek.position {
            None => vec![String::new()],
            Some(position) => {
                let first = parameters.len() + 1;
                let values = columns.iter().zip(&position.key);
                parameters.extend(values.filter_map(|(column, value)| {
                    let value: &'q (dyn ToSql + Sync) = value.as_ref()?;
                    Some((value, column.ty().clone()))
                }));
                branches(columns, position, first)
            }
        };
        let limit = self.seek.rows();
        let parts = branches.iter().enumerate();
        let parts: Vec<_> = parts.map(|(n, branch)| self.select(n, branch)).collect();
        let sql = match &*parts {
            [one] => one.clone(),
            // Each is in order, and so are they: the first that yield enough are the last
            // that are read. Only a subquery with a LIMIT is never read in parallel.
            many => format!("({}) LIMIT {limit}", many.join(") UNION ALL (")),
        };
        Statement { sql, parameters }
    }

    /// The statement that counts, when a [`total`](Self::total) is asked for.
    #[must_use]
    pub fn count_statement(&self) -> Option<Statement<'q>> {
        let most = match self.total {
            Total::None => return None,
            Total::Capped(most) => most,
        };
        let (tables, condition) = (self.tables, self.condition(""));
        let limit = u64::from(most) + 1;
        let sql = format!(
            "SELECT count(*) FROM (SELECT 1 FROM {tables}{condition} LIMIT {limit}) AS counted"
        );
        let parameters = self.parameters.clone();
        Some(Statement { sql, parameters })
    }

    /// Makes the page of what the statements answered.
    ///
    /// # Errors
    ///
    /// When `map` fails, or the rows do not agree with the keyset.
    pub fn page<T, M>(
        &self,
        rows: &[Row],
        count: Option<&Row>,
        map: M,
    ) -> Result<Page<T>, PageError>
    where
        M: FnMut(&Row) -> Result<T, BoxError>,
    {
        if let Some(row) = rows.first() {
            self.check_columns(row)?;
        }
        self.check_rows(rows)?;
        let more = rows.len() > self.seek.size;
        let rows = rows.get(..self.seek.size).unwrap_or(rows);
        let ends = match rows {
            [] => None,
            [first, ..] => Some([self.key(first)?, self.key(rows.last().unwrap_or(first))?]),
        };
        let items: Result<_, _> = rows.iter().map(map).collect();
        let items = items.map_err(Kind::Row)?;
        let total = match (self.total, count) {
            (Total::Capped(most), Some(row)) => {
                let counted: i64 = row.try_get(0).map_err(Kind::Database)?;
                Some(Count::capped(counted.unsigned_abs(), most))
            }
            _ => None,
        };
        self.seek.page(Found { items, ends, more }, total)
    }

    /// The keys are selected once more under names of ours, and sorted by these: another
    /// column of the caller's may have the name of one.
    fn select(&self, branch: usize, condition: &str) -> String {
        let (columns, tables, condition) = (self.columns, self.tables, self.condition(condition));
        let mut keys = String::new();
        let mut order = Vec::new();
        for (n, column) in self.columns().iter().enumerate() {
            let alias = alias(n);
            keys += &format!(", {} AS {alias}", column.expression());
            order.push(self.order(column, &alias));
        }
        let order = order.join(", ");
        let limit = self.seek.rows();
        format!(
            "SELECT {columns}{keys}, {branch} AS {BRANCH} FROM {tables}{condition} \
             ORDER BY {order} LIMIT {limit}"
        )
    }

    fn order(&self, column: &Column, alias: &str) -> String {
        let direction = self.seek.direction();
        let descends = if column.descends(direction) {
            " DESC"
        } else {
            ""
        };
        let nulls = match column.nulls_in(direction) {
            None => "",
            Some(Nulls::First) => " NULLS FIRST",
            Some(Nulls::Last) => " NULLS LAST",
        };
        format!("{alias}{descends}{nulls}")
    }

    fn condition(&self, beyond: &str) -> String {
        match (self.filter, beyond) {
            ("", "") => String::new(),
            ("", condition) | (condition, "") => format!(" WHERE {condition}"),
            (filter, beyond) => format!(" WHERE ({filter}) AND {beyond}"),
        }
    }

    fn columns(&self) -> &'q [Column] {
        self.seek.keyset.columns()
    }

    /// Where our columns begin in a row.
    fn offset(&self, row: &Row) -> usize {
        row.len().saturating_sub(self.columns().len() + 1)
    }

    fn check_columns(&self, row: &Row) -> Result<(), PageError> {
        let (ours, branch) = (self.columns(), BRANCH.to_owned());
        let names = (0..ours.len()).map(alias).chain([branch]);
        let actual = || row.columns().iter().skip(self.offset(row));
        if !names.eq(actual().map(|column| column.name().to_owned())) {
            return Err(self.seek.fault(|keyset| Kind::Foreign { keyset }));
        }
        for (column, actual) in ours.iter().zip(actual()) {
            if column.ty().oid() != actual.type_().oid() {
                return Err(self.seek.fault(|keyset| Kind::Type {
                    keyset,
                    column: column.expression().to_owned(),
                    declared: column.ty().to_string(),
                    actual: actual.type_().to_string(),
                }));
            }
        }
        Ok(())
    }

    /// No key is NULL that may not be, and the branches come one after another.
    fn check_rows(&self, rows: &[Row]) -> Result<(), PageError> {
        let mut reached = 0;
        for row in rows {
            let offset = self.offset(row);
            let ours = self.columns();
            for (n, column) in ours.iter().enumerate() {
                let value: Option<IsNotNull> = row.try_get(offset + n).map_err(Kind::Database)?;
                self.seek.check_null(column, value.is_none())?;
            }
            let branch: i32 = row.try_get(offset + ours.len()).map_err(Kind::Database)?;
            if branch < reached {
                return Err(Kind::Disorder.into());
            }
            reached = branch;
        }
        Ok(())
    }

    fn key(&self, row: &Row) -> Result<Vec<Option<Raw>>, PageError> {
        let offset = self.offset(row);
        let keys = (0..self.columns().len()).map(|n| row.try_get(offset + n));
        let key: Result<_, _> = keys.collect();
        Ok(key.map_err(Kind::Database)?)
    }
}

const BRANCH: &str = "towerblock_branch";

fn alias(index: usize) -> String {
    format!("towerblock_key_{}", index + 1)
}
