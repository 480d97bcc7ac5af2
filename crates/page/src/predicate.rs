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
            let operand = first.column.operand();
            if first.parameter.is_some() {
                let beyond = self.beyond(run, is_last && self.position.inclusive);
                ranges.push(self.tied_before(run, beyond));
                if first.nulls == Some(Nulls::Last) {
                    ranges.push(self.tied_before(run, format!("{operand} IS NULL")));
                }
            } else if first.nulls == Some(Nulls::First) {
                ranges.push(self.tied_before(run, format!("{operand} IS NOT NULL")));
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
        let columns: Vec<_> = self.of(run).map(|key| key.column.operand()).collect();
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
        let operand = self.column.operand();
        match self.parameter {
            Some(number) => format!("{operand} = ${number}"),
            None => format!("{operand} IS NULL"),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tokio_postgres::types::Type;

    use super::branches;
    use crate::position::Position;
    use crate::value::Raw;
    use crate::{Column, Direction, Keyset, Unique};

    fn up(name: &'static str) -> Column {
        Column::asc(name, Type::INT4)
    }

    fn down(name: &'static str) -> Column {
        Column::desc(name, Type::INT4)
    }

    fn id() -> Unique {
        Unique::asc("id", Type::INT4)
    }

    /// The conditions after a row whose columns are NULL where `key` has an `n`.
    fn read<const N: usize>(
        columns: [Column; N],
        key: &str,
        direction: Direction,
        inclusive: bool,
    ) -> Vec<String> {
        let keyset = Keyset::new("test", columns, id());
        let value = |c| (c != 'n').then(|| Raw(Bytes::new()));
        let position = Position {
            direction,
            inclusive,
            key: key.chars().map(value).collect(),
        };
        branches(keyset.columns(), &position, 3)
    }

    fn forward<const N: usize>(columns: [Column; N], key: &str) -> Vec<String> {
        read(columns, key, Direction::Forward, false)
    }

    fn backward<const N: usize>(columns: [Column; N], key: &str) -> Vec<String> {
        read(columns, key, Direction::Backward, false)
    }

    #[test]
    fn one_direction_is_one_row_value() {
        assert_eq!(forward([], "v"), ["id > $3"]);
        assert_eq!(backward([], "v"), ["id < $3"]);
        assert_eq!(forward([up("a")], "vv"), ["(a, id) > ($3, $4)"]);
        assert_eq!(backward([up("a")], "vv"), ["(a, id) < ($3, $4)"]);
        let with = read([up("a")], "vv", Direction::Forward, true);
        assert_eq!(with, ["(a, id) >= ($3, $4)"]);
        // NULLs that lie behind are passed over.
        let first = [up("a").nulls_first(), up("b").nulls_first()];
        assert_eq!(forward(first, "vvv"), ["(a, b, id) > ($3, $4, $5)"]);
        let last = [up("a").nulls_last(), up("b").nulls_last()];
        assert_eq!(backward(last, "vvv"), ["(a, b, id) < ($3, $4, $5)"]);
    }

    #[test]
    fn where_the_direction_turns_the_ties_come_first() {
        let turned = ["a = $3 AND id > $4", "a < $3"];
        assert_eq!(forward([down("a")], "vv"), turned);
        let with = read([down("a")], "vv", Direction::Forward, true);
        assert_eq!(with, ["a = $3 AND id >= $4", "a < $3"]);
        let twice = [
            "a = $3 AND b = $4 AND id > $5",
            "a = $3 AND b < $4",
            "a > $3",
        ];
        assert_eq!(forward([up("a"), down("b")], "vvv"), twice);
    }

    #[test]
    fn few_ties_are_read_in_one_scan() {
        let one = "a <= $3 AND ((a < $3) OR (a = $3 AND id > $4))";
        assert_eq!(forward([down("a").few_ties()], "vv"), [one]);
        let back =
            "(a, b) >= ($3, $4) AND (((a, b) > ($3, $4)) OR (a = $3 AND b = $4 AND id <= $5))";
        let columns = [down("a"), down("b").few_ties()];
        assert_eq!(read(columns, "vvv", Direction::Backward, true), [back]);
        // It would have to read those that tie on the first.
        let later = [up("a"), down("b").few_ties()];
        assert_eq!(forward(later, "vvv").len(), 3);
        let nulls = [down("a").few_ties().nulls_last()];
        assert_eq!(forward(nulls, "vv").len(), 3);
    }

    #[test]
    fn nulls_that_lie_ahead_are_a_range_of_their_own() {
        let last = || [up("a").nulls_last()];
        assert_eq!(forward(last(), "vv"), ["(a, id) > ($3, $4)", "a IS NULL"]);
        assert_eq!(forward(last(), "nv"), ["a IS NULL AND id > $3"]);
        let back = ["a IS NULL AND id < $3", "a IS NOT NULL"];
        assert_eq!(backward(last(), "nv"), back);
        assert_eq!(backward(last(), "vv"), ["(a, id) < ($3, $4)"]);
        let within = [
            "a = $3 AND (b, id) > ($4, $5)",
            "a = $3 AND b IS NULL",
            "a > $3",
        ];
        assert_eq!(forward([up("a"), up("b").nulls_last()], "vvv"), within);
        let between = ["a = $3 AND b IS NULL AND id > $4", "a > $3"];
        assert_eq!(forward([up("a"), up("b").nulls_last()], "vnv"), between);
    }

    #[test]
    fn an_expression_is_compared_as_a_whole() {
        let either = [Column::asc("a OR b", Type::BOOL)];
        assert_eq!(forward(either, "vv"), ["((a OR b), id) > ($3, $4)"]);
        let either = [Column::desc("a OR b", Type::BOOL).nulls_last()];
        let ranges = [
            "(a OR b) = $3 AND id > $4",
            "(a OR b) < $3",
            "(a OR b) IS NULL",
        ];
        assert_eq!(forward(either, "vv"), ranges);
    }
}
