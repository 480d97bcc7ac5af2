//! What is read of the rows besides what the caller reads: their keys.

use tokio_postgres::Row;

use crate::error::Kind;
use crate::statement::{BRANCH, names};
use crate::value::{IsNotNull, Raw};
use crate::{PageError, Seek};

impl Seek {
    /// That these are rows of our statement, with keys as they are declared, whose branches
    /// come one after another.
    pub(crate) fn check(&self, rows: &[Row]) -> Result<(), PageError> {
        if let Some(row) = rows.first() {
            self.check_columns(row)?;
        }
        let keys = self.keyset.columns();
        let mut reached = 0;
        for row in rows {
            let offset = self.offset(row);
            for (n, column) in keys.iter().enumerate() {
                let value: Option<IsNotNull> = row.try_get(offset + n).map_err(Kind::Database)?;
                self.check_null(column, value.is_none())?;
            }
            let branch: i32 = row.try_get(offset + keys.len()).map_err(Kind::Database)?;
            if branch < reached {
                return Err(Kind::Disorder.into());
            }
            reached = branch;
        }
        Ok(())
    }

    pub(crate) fn key(&self, row: &Row) -> Result<Vec<Option<Raw>>, PageError> {
        let offset = self.offset(row);
        let keys = (0..self.keyset.columns().len()).map(|n| row.try_get(offset + n));
        let key: Result<_, _> = keys.collect();
        Ok(key.map_err(Kind::Database)?)
    }

    fn check_columns(&self, row: &Row) -> Result<(), PageError> {
        let keys = self.keyset.columns();
        let names = names().take(keys.len()).chain([BRANCH.to_owned()]);
        let actual = || row.columns().iter().skip(self.offset(row));
        if !names.eq(actual().map(|column| column.name().to_owned())) {
            return Err(self.fault(|keyset| Kind::Foreign { keyset }));
        }
        for (column, actual) in keys.iter().zip(actual()) {
            if column.ty().oid() != actual.type_().oid() {
                return Err(self.fault(|keyset| Kind::Type {
                    keyset,
                    column: column.expression().to_owned(),
                    declared: column.ty().to_string(),
                    actual: actual.type_().to_string(),
                }));
            }
        }
        Ok(())
    }

    /// Where our columns begin.
    fn offset(&self, row: &Row) -> usize {
        row.len().saturating_sub(self.keyset.columns().len() + 1)
    }
}
