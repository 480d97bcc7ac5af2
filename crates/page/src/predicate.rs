//! Which rows lie beyond a cursor, as SQL that an index answers without reading others.
//!
//! Columns of one direction are compared as a row: `(a, b) > ($1, $2)` is one range of an
//! index. Where the direction turns, or NULLs lie beyond the cursor's value, no single range
//! holds the rest of the list, and it is read as several, one after another.

use std::ops::Range;

use crate::keyset::{Column, Nulls};
use crate::position::Position;

/// The rest of the list as conditions: all rows of one come before all rows of the next, and
/// no row is in two.
pub(crate) fn branches(
    columns: &[Column],
    position: &Position,
    first_parameter: usize,
) -> Vec<String> {
    let keys = Keys::new(columns, position, first_parameter);
    let runs = keys.runs();
    match &*runs {
        [first, _, ..] if keys.may_scan_ties_of(first) => vec![keys.bounded(first, &runs)],
        _ => keys.ranges(&runs),
    }
}

/// The columns, and what the cursor says of them.
struct Keys<'k> {
    position: &'k Position,
    keys: Vec<Key<'k>>,
}

struct Key<'k> {
    column: &'k Column,
    descends: bool,
    nulls: Option<Nulls>,
    /// The number of the parameter that carries the cursor's value, unless it is NULL.
    parameter: Option<usize>,
}

impl<'k> Keys<'k> {
    fn new(columns: &'k [Column], position: &'k Position, first_parameter: usize) -> Self {
        let mut parameters = first_parameter..;
        let key = |(column, value): (&'k Column, &Option<_>)| Key {
            column,
            descends: column.descends(position.direction),
            nulls: column.nulls_in(position.direction),
            parameter: value.as_ref().and_then(|_| parameters.next()),
        };
        let keys = columns.iter().zip(&position.key).map(key).collect();
        Self { position, keys }
    }

    /// Neighbours that can be compared as one row. One whose NULLs come later can only
    /// begin a run: a row comparison passes over NULLs.
    fn runs(&self) -> Vec<Range<usize>> {
        let mut runs: Vec<Range<usize>> = Vec::new();
        let mut before: Option<&Key<'_>> = None;
        for (index, key) in self.keys.iter().enumerate() {
            let joins = before.is_some_and(|before| {
                before.descends == key.descends
                    && before.parameter.is_some()
                    && key.parameter.is_some()
                    && key.nulls != Some(Nulls::Last)
            });
            match runs.last_mut().filter(|_| joins) {
                Some(run) => run.end = index + 1,
                None => runs.push(index..index + 1),
            }
            before = Some(key);
        }
        runs
    }

    /// One scan that also reads the rows that tie with the cursor on its first columns.
    fn may_scan_ties_of(&self, first: &Range<usize>) -> bool {
        let no_nulls = self.keys.iter().all(|key| key.nulls.is_none());
        no_nulls && self.of(first).any(|key| key.column.has_few_ties())
    }

    /// `a >= $1 AND (a > $1 OR (a = $1 AND b < $2))`: without its first part, PostgreSQL
    /// reads the list from the start.
    fn bounded(&self, first: &Range<usize>, runs: &[Range<usize>]) -> String {
        let ranges = self.ranges(runs).into_iter().rev();
        let ranges: Vec<_> = ranges.map(|range| format!("({range})")).collect();
        format!("{} AND ({})", self.beyond(first, true), ranges.join(" OR "))
    }

    /// The ties of the longest prefix come first.
    fn ranges(&self, runs: &[Range<usize>]) -> Vec<String> {
        let mut ranges = Vec::new();
        for run in runs.iter().rev() {
            let Some(first) = self.keys.get(run.start) else {
                continue;
            };
            let is_last = run.end == self.keys.len();
            let expression = first.column.expression();
            if first.parameter.is_some() {
                let beyond = self.beyond(run, is_last && self.position.inclusive);
                ranges.push(self.tied_before(run, beyond));
                if first.nulls == Some(Nulls::Last) {
                    ranges.push(self.tied_before(run, format!("{expression} IS NULL")));
                }
            } else if first.nulls == Some(Nulls::First) {
                ranges.push(self.tied_before(run, format!("{expression} IS NOT NULL")));
            }
        }
        ranges
    }

    /// The rows that equal the cursor in all columns before `run`, and then this.
    fn tied_before(&self, run: &Range<usize>, then: String) -> String {
        let mut conditions: Vec<String> = self.of(&(0..run.start)).map(Key::ties).collect();
        conditions.push(then);
        conditions.join(" AND ")
    }

    /// `(a, b) > ($1, $2)`.
    fn beyond(&self, run: &Range<usize>, inclusive: bool) -> String {
        let descends = self.of(run).all(|key| key.descends);
        let compare = match (descends, inclusive) {
            (false, false) => ">",
            (false, true) => ">=",
            (true, false) => "<",
            (true, true) => "<=",
        };
        let columns: Vec<_> = self.of(run).map(|key| key.column.expression()).collect();
        let parameters = self.of(run).filter_map(|key| key.parameter);
        let parameters: Vec<_> = parameters.map(|number| format!("${number}")).collect();
        let (columns, parameters) = (columns.join(", "), parameters.join(", "));
        if run.len() == 1 {
            return format!("{columns} {compare} {parameters}");
        }
        format!("({columns}) {compare} ({parameters})")
    }

    fn of(&self, run: &Range<usize>) -> impl Iterator<Item = &Key<'k>> {
        self.keys.iter().take(run.end).skip(run.start)
    }
}

impl Key<'_> {
    fn ties(&self) -> String {
        let expression = self.column.expression();
        match self.parameter {
            Some(number) => format!("{expression} = ${number}"),
            None => format!("{expression} IS NULL"),
        }
    }
}
