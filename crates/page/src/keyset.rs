use std::borrow::Cow;
use std::sync::Arc;

use tokio_postgres::types::Type;

use crate::Direction;

/// The order of a list: some columns, and at last one that is unique.
///
/// ```
/// use std::sync::LazyLock;
///
/// use towerblock_page::{Column, Keyset, Type, Unique};
///
/// static NEWEST: LazyLock<Keyset> = LazyLock::new(|| {
///     let created_at = Column::desc("created_at", Type::TIMESTAMPTZ);
///     Keyset::new("plugins/1", [created_at], Unique::desc("id", Type::INT8))
/// });
/// # let _ = &*NEWEST;
/// ```
///
/// Clones share their columns.
#[derive(Clone, Debug)]
pub struct Keyset {
    name: Cow<'static, str>,
    columns: Arc<[Column]>,
}

impl Keyset {
    /// Sorts by `columns`, in this order, and rows that tie on all of them by `last`.
    ///
    /// Cursors are bound to the `name`, the columns, their directions and types. The name
    /// tells apart two lists of one address, or two versions of one.
    #[must_use]
    pub fn new<I>(name: impl Into<Cow<'static, str>>, columns: I, last: Unique) -> Self
    where
        I: IntoIterator<Item = Column>,
    {
        let name = name.into();
        let columns = columns.into_iter().chain([last.0]).collect();
        Self { name, columns }
    }

    /// The name it was given.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn columns(&self) -> &[Column] {
        &self.columns
    }
}

/// A column to sort by: an SQL expression over the tables of the query, and its type.
///
/// The expression is part of the statement, so it is written by you and never made of what
/// a client sends. The column is taken to be NOT NULL unless
/// [`nulls_first`](Self::nulls_first) or [`nulls_last`](Self::nulls_last) says otherwise.
#[derive(Clone, Debug)]
pub struct Column {
    expression: Cow<'static, str>,
    ty: Type,
    descending: bool,
    nulls: Option<Nulls>,
    few_ties: bool,
}

/// Where the NULLs of a column stand in the list.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Nulls {
    First,
    Last,
}

impl Column {
    /// Smallest first.
    #[must_use]
    pub fn asc(expression: impl Into<Cow<'static, str>>, ty: Type) -> Self {
        Self::new(expression.into(), ty, false)
    }

    /// Largest first.
    #[must_use]
    pub fn desc(expression: impl Into<Cow<'static, str>>, ty: Type) -> Self {
        Self::new(expression.into(), ty, true)
    }

    /// The column may be NULL, and such rows come before all others. Default: never NULL.
    #[must_use]
    pub fn nulls_first(mut self) -> Self {
        self.nulls = Some(Nulls::First);
        self
    }

    /// The column may be NULL, and such rows come after all others. Default: never NULL.
    #[must_use]
    pub fn nulls_last(mut self) -> Self {
        self.nulls = Some(Nulls::Last);
        self
    }

    /// Few rows share a value, as with times: where directions are mixed, all of these rows
    /// may be read to find the place of a page, which saves one scan of the index.
    /// Default: any number may.
    #[must_use]
    pub fn few_ties(mut self) -> Self {
        self.few_ties = true;
        self
    }

    const fn new(expression: Cow<'static, str>, ty: Type, descending: bool) -> Self {
        Self {
            expression,
            ty,
            descending,
            nulls: None,
            few_ties: false,
        }
    }

    pub(crate) fn expression(&self) -> &str {
        &self.expression
    }

    /// The expression as one side of a comparison.
    pub(crate) fn operand(&self) -> Cow<'_, str> {
        let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
        if self.expression.chars().all(is_name) {
            return Cow::Borrowed(&self.expression);
        }
        Cow::Owned(format!("({})", self.expression))
    }

    pub(crate) const fn ty(&self) -> &Type {
        &self.ty
    }

    pub(crate) const fn nulls(&self) -> Option<Nulls> {
        self.nulls
    }

    pub(crate) const fn has_few_ties(&self) -> bool {
        self.few_ties
    }

    /// Whether large values come first when the list is read in this direction.
    pub(crate) fn descends(&self, direction: Direction) -> bool {
        self.descending == (direction == Direction::Forward)
    }

    /// Where NULLs stand when the list is read in this direction.
    pub(crate) fn nulls_in(&self, direction: Direction) -> Option<Nulls> {
        match (self.nulls?, direction) {
            (nulls, Direction::Forward) => Some(nulls),
            (Nulls::First, Direction::Backward) => Some(Nulls::Last),
            (Nulls::Last, Direction::Backward) => Some(Nulls::First),
        }
    }
}

/// The last column of a keyset: unique among the rows of the list, and NOT NULL.
///
/// A primary key, as a rule. Without it, rows that tie at the end of a page would be lost or
/// shown twice, so no keyset is made without it.
#[derive(Clone, Debug)]
pub struct Unique(Column);

impl Unique {
    /// Smallest first.
    #[must_use]
    pub fn asc(expression: impl Into<Cow<'static, str>>, ty: Type) -> Self {
        Self(Column::asc(expression, ty))
    }

    /// Largest first.
    #[must_use]
    pub fn desc(expression: impl Into<Cow<'static, str>>, ty: Type) -> Self {
        Self(Column::desc(expression, ty))
    }
}
