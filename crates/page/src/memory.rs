//! Lists in memory, paged by the same cursors.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::error::Kind;
use crate::key::Key;
use crate::keyset::Nulls;
use crate::seek::Found;
use crate::value::Raw;
use crate::{Direction, Page, PageError, Seek};

impl Seek {
    /// Which way to read a list, and from which key on, in that direction: `Unbounded` is
    /// the top of the list.
    ///
    /// # Errors
    ///
    /// When `K` does not fit the keyset's types.
    pub fn start<K: Key>(&self) -> Result<(Direction, Bound<K>), PageError> {
        let Some(position) = &self.position else {
            return Ok((Direction::Forward, Bound::Unbounded));
        };
        let raw = position.key.iter().map(|raw| Some(raw.as_ref()?.0.clone()));
        let key = K::decode(&raw.collect::<Vec<_>>(), self.keyset.columns());
        let key = key.map_err(|why| self.fault(|keyset| Kind::Key { keyset, why }))?;
        let bound = match position.inclusive {
            true => Bound::Included(key),
            false => Bound::Excluded(key),
        };
        Ok((position.direction, bound))
    }

    /// Makes the page of `rows`, read as [`start`](Self::start) says. At most
    /// [`rows`](Self::rows) of them are taken.
    ///
    /// # Errors
    ///
    /// When a key does not fit the keyset's types, or loses something in them, such as the
    /// nanoseconds of a time.
    pub fn page_of<K, T>(
        &self,
        rows: impl IntoIterator<Item = T>,
        key: impl Fn(&T) -> K,
    ) -> Result<Page<T>, PageError>
    where
        K: Key + PartialEq,
    {
        let mut rows = rows.into_iter();
        let items: Vec<T> = rows.by_ref().take(self.size).collect();
        let more = rows.next().is_some();
        let key = |item: Option<&T>| item.map(|item| self.encode(&key(item))).transpose();
        let found = Found {
            first: key(items.first())?,
            last: key(items.last())?,
            items,
            more,
        };
        self.page(found, None)
    }

    /// Makes a page of `map`, of those entries that `pick` makes something of.
    ///
    /// The keyset sorts as the map does or the other way round: all columns in one
    /// direction, and NULLs where `None` stands, first when ascending and last when
    /// descending.
    ///
    /// # Errors
    ///
    /// When the keyset sorts in another way, or a key does not fit its types or loses
    /// something in them.
    pub fn page_of_map<'m, K, V, T>(
        &self,
        map: &'m BTreeMap<K, V>,
        mut pick: impl FnMut(&'m K, &'m V) -> Option<T>,
    ) -> Result<Page<T>, PageError>
    where
        K: Key + Ord + Clone,
    {
        let (direction, start) = self.start::<K>()?;
        let rows = if self.descends(direction)? {
            // `range` panics where the two bounds exclude each other; one is open here.
            let rows = map.range((Bound::Unbounded, start)).rev();
            Either::Descending(rows)
        } else {
            Either::Ascending(map.range((start, Bound::Unbounded)))
        };
        let picked = rows.filter_map(|(key, value)| Some((key, pick(key, value)?)));
        let page = self.page_of(picked, |(key, _)| K::clone(key))?;
        Ok(page.map(|(_, item)| item))
    }

    /// Whether a map is to be read from its end.
    fn descends(&self, direction: Direction) -> Result<bool, PageError> {
        let mut columns = self.keyset.columns().iter();
        let descends = columns
            .clone()
            .any(|column| column.descends(Direction::Forward));
        let nulls = if descends { Nulls::Last } else { Nulls::First };
        let is_alike = columns.all(|column| {
            column.descends(Direction::Forward) == descends
                && column.nulls().is_none_or(|declared| declared == nulls)
        });
        if !is_alike {
            return Err(self.fault(|keyset| Kind::Unlike { keyset }));
        }
        Ok(descends == (direction == Direction::Forward))
    }

    fn encode<K: Key + PartialEq>(&self, key: &K) -> Result<Vec<Option<Raw>>, PageError> {
        let columns = self.keyset.columns();
        let encoded = || {
            let encoded = key.encode(columns)?;
            if K::decode(&encoded, columns)? != *key {
                return Err("it loses something in the keyset's types".into());
            }
            Ok(encoded)
        };
        let encoded = encoded().map_err(|why| self.fault(|keyset| Kind::Key { keyset, why }))?;
        for (value, column) in encoded.iter().zip(columns) {
            self.check_null(column, value.is_none())?;
        }
        Ok(encoded.into_iter().map(|raw| raw.map(Raw)).collect())
    }
}

/// The two ways through a map.
enum Either<A, D> {
    Ascending(A),
    Descending(D),
}

impl<A, D> Iterator for Either<A, D>
where
    A: Iterator,
    D: Iterator<Item = A::Item>,
{
    type Item = A::Item;

    fn next(&mut self) -> Option<A::Item> {
        match self {
            Self::Ascending(rows) => rows.next(),
            Self::Descending(rows) => rows.next(),
        }
    }
}
