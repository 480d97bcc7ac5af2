use crate::error::Kind;
use crate::keyset::Column;
use crate::link::link;
use crate::position::Position;
use crate::scope::Scope;
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
    pub(crate) scope: Scope,
}

/// What was read of a list for one page, in the direction it was read in.
pub(crate) struct Found<T> {
    pub(crate) items: Vec<T>,
    /// The key of the first item.
    pub(crate) first: Option<Vec<Option<Raw>>>,
    /// The key of the last item.
    pub(crate) last: Option<Vec<Option<Raw>>>,
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
            first,
            last,
            more,
        } = found;
        let direction = self.direction();
        let scope = self.scope.bytes(&self.keyset);
        let ahead = last.filter(|_| more);
        let ahead = ahead.map(|key| self.seal(&scope, direction, false, key));
        let behind = self.position.as_ref().map(|here| match first {
            Some(key) => self.seal(&scope, direction.turned(), false, key),
            // Nothing was left there: the way back begins with the row where we stand.
            None => self.seal(&scope, direction.turned(), true, here.key.clone()),
        });
        let (ahead, behind) = (ahead.transpose()?, behind.transpose()?);
        let (next, prev) = match direction {
            Direction::Forward => (ahead, behind),
            Direction::Backward => {
                items.reverse();
                (behind, ahead)
            }
        };
        let link = link(&self.scope.uri, next.as_deref(), prev.as_deref());
        Ok(Page {
            items,
            next,
            prev,
            total,
            link,
        })
    }

    fn seal(
        &self,
        scope: &[u8],
        direction: Direction,
        inclusive: bool,
        key: Vec<Option<Raw>>,
    ) -> Result<String, PageError> {
        let position = Position {
            direction,
            inclusive,
            key,
        };
        let text = cursor::seal(&self.keys, scope, &position, self.issued);
        text.ok_or_else(|| self.fault(|keyset| Kind::Long { keyset }))
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
