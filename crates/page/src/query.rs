use futures_util::future::try_join;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{GenericClient, Row};
use towerblock_core::BoxError;

use crate::error::Kind;
use crate::predicate::branches;
use crate::seek::Found;
use crate::statement::List;
use crate::total::{Count, Total};
use crate::{Page, PageError, Seek, Statement};

/// A page of rows from PostgreSQL, to be asked for.
#[derive(Clone, Debug)]
#[must_use = "a query does nothing until it is sent"]
pub struct Query<'q> {
    seek: &'q Seek,
    list: List<'q>,
    parameters: Vec<(&'q (dyn ToSql + Sync), Type)>,
    total: Total,
}

impl<'q> Query<'q> {
    pub(crate) fn new(seek: &'q Seek, columns: &'q str, tables: &'q str) -> Self {
        let list = List {
            columns,
            tables,
            filter: "",
            keys: seek.keyset.columns(),
        };
        Self {
            seek,
            list,
            parameters: Vec::new(),
            total: Total::None,
        }
    }

    /// The condition of all rows of the list, and what its `$1`, `$2` and so on stand for:
    /// however many there are, the page's own come after them. Default: none.
    pub fn filter(
        mut self,
        condition: &'q str,
        parameters: &[(&'q (dyn ToSql + Sync), Type)],
    ) -> Self {
        self.list.filter = condition;
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
        let (seek, keys) = (self.seek, self.list.keys);
        let mut parameters = self.parameters.clone();
        let mut parts = Vec::new();
        if let Some(position) = &seek.position {
            parts = branches(keys, position, parameters.len() + 1);
            let values = keys.iter().zip(&position.key);
            parameters.extend(values.filter_map(|(column, value)| {
                let value: &'q (dyn ToSql + Sync) = value.as_ref()?;
                Some((value, column.ty().clone()))
            }));
        }
        let sql = self.list.page(seek.direction(), &parts, seek.rows());
        Statement { sql, parameters }
    }

    /// The statement that counts, when a [`total`](Self::total) is asked for.
    #[must_use]
    pub fn count_statement(&self) -> Option<Statement<'q>> {
        let Total::Capped(most) = self.total else {
            return None;
        };
        // One more tells whether that is all.
        let sql = self.list.count(u64::from(most) + 1);
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
        let seek = self.seek;
        seek.check(rows)?;
        let more = rows.len() > seek.size;
        let rows = rows.get(..seek.size).unwrap_or(rows);
        let key = |row: Option<&Row>| row.map(|row| seek.key(row)).transpose();
        let (first, last) = (key(rows.first())?, key(rows.last())?);
        let items: Result<_, _> = rows.iter().map(map).collect();
        let items = items.map_err(Kind::Row)?;
        let total = match (self.total, count) {
            (Total::Capped(most), Some(row)) => {
                let counted: i64 = row.try_get(0).map_err(Kind::Database)?;
                Some(Count::capped(counted.unsigned_abs(), most))
            }
            _ => None,
        };
        let found = Found {
            items,
            first,
            last,
            more,
        };
        seek.page(found, total)
    }
}
