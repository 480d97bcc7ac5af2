use http::Uri;

use crate::error::Kind;
use crate::keyset::Column;
use crate::link::link;
use crate::position::Position;
use crate::value::Raw;
use crate::{Count, Direction, KeyRing, Keyset, Page, PageError, Query, cursor};

/// Where a page begins, which way it is read, and how its own cursors are made.
///
/// Made by [`PageRequest::seek`](crate::PageRequest::seek). It borrows nothing, so it can be
/// handed to whatever holds the data: [`query`](Self::query) asks PostgreSQL,
/// [`page_of_map`](Self::page_of_map) reads a map, and [`start`](Self::start) with
/// [`page_of`](Self::page_of) serves any other list in memory.
#[derive(Clone, Debug)]
pub struct Seek {
    pub(crate) keyset: Keyset,
    pub(crate) size: usize,
    /// `None` at the start of the list.
    pub(crate) position: Option<Position>,
    pub(crate) keys: KeyRing,
    pub(crate) issued: u64,
    /// What cursors are bound to.
    pub(crate) scope: Vec<u8>,
    pub(crate) uri: Uri,
}

/// What was read of a list for one page, in the direction it was read in.
pub(crate) struct Found<T> {
    pub(crate) items: Vec<T>,
    /// The keys of the first item and the last.
    pub(crate) ends: Option<[Vec<Option<Raw>>; 2]>,
    /// Whether one more was there.
    pub(crate) more: bool,
}

impl Seek {
    /// Asks PostgreSQL: `SELECT columns FROM tables`. Both are SQL of yours and never made
    /// of what a client sends.
    pub fn query<'q>(&'q self, columns: &'q str, tables: &'q str) -> Query<'q> {
        Query::new(self, columns, tables)
    }

    /// How many rows to read: one more than the page has, which tells whether there is
    /// another page.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.size + 1
    }

    pub(crate) fn direction(&self) -> Direction {
        let position = self.position.as_ref();
        position.map_or(Direction::Forward, |position| position.direction)
    }

    pub(crate) fn page<T>(
        &self,
        found: Found<T>,
        total: Option<Count>,
    ) -> Result<Page<T>, PageError> {
        let Found {
            mut items,
            ends,
            more,
        } = found;
        let is_forward = self.direction() == Direction::Forward;
        if !is_forward {
            items.reverse();
        }
        let seal = |direction, inclusive, key| {
            let position = Position {
                direction,
                inclusive,
                key,
            };
            let text = cursor::seal(&self.keys, &self.scope, &position, self.issued);
            text.ok_or_else(|| self.fault(|keyset| Kind::Long { keyset }))
        };
        let (has_next, has_prev) = match is_forward {
            true => (more, self.position.is_some()),
            false => (true, more),
        };
        let (next, prev) = match (ends, &self.position) {
            (Some([first, last]), _) => {
                let [top, bottom] = if is_forward {
                    [first, last]
                } else {
                    [last, first]
                };
                let next = has_next.then(|| seal(Direction::Forward, false, bottom));
                let prev = has_prev.then(|| seal(Direction::Backward, false, top));
                (next, prev)
            }
            // Nothing was left there: the way back begins at the row where we stand.
            (None, Some(position)) => {
                let back = |direction| Some(seal(direction, true, position.key.clone()));
                match is_forward {
                    true => (None, back(Direction::Backward)),
                    false => (back(Direction::Forward), None),
                }
            }
            (None, None) => (None, None),
        };
        let (next, prev) = (next.transpose()?, prev.transpose()?);
        let link = link(&self.uri, next.as_deref(), prev.as_deref());
        Ok(Page {
            items,
            next,
            prev,
            total,
            link,
        })
    }

    /// A NULL where none was declared would be passed over when the list is read on.
    pub(crate) fn check_null(&self, column: &Column, is_null: bool) -> Result<(), PageError> {
        if is_null && column.nulls().is_none() {
            let column = column.expression().to_owned();
            return Err(self.fault(|keyset| Kind::Null { keyset, column }));
        }
        Ok(())
    }

    pub(crate) fn fault(&self, kind: impl FnOnce(String) -> Kind) -> PageError {
        kind(self.keyset.name().to_owned()).into()
    }
}
