use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// The day from which the months of a tenant are counted, each from midnight UTC.
///
/// A month that lacks the day begins with its last: 31 January, 28 February, 31 March.
///
/// ```
/// use towerblock_quota::Anchor;
///
/// let anchor = Anchor::new(2024, 1, 31).unwrap();
/// // 1 March 2025 is in the month that began on 28 February.
/// let period = anchor.period_at(1_740_800_000);
/// assert_eq!((period.start(), period.end()), (1_740_700_800, 1_743_379_200));
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Anchor(Date);

impl Anchor {
    /// Of the years 1900 to 2200; `None` if there is no such day.
    #[must_use]
    pub fn new(year: i16, month: i8, day: i8) -> Option<Self> {
        let date = Date::new(year, month, day).ok()?;
        (1900..=2200).contains(&year).then_some(Self(date))
    }

    /// The month in which this is, in seconds since 1970.
    #[must_use]
    pub fn period_at(&self, seconds: i64) -> Period {
        self.months_around(seconds).unwrap_or(Period::ALWAYS)
    }

    /// The month in which we are, by the clock of this machine.
    #[must_use]
    pub fn now(&self) -> Period {
        self.period_at(Timestamp::now().as_second())
    }

    /// None beyond the calendar's ends.
    fn months_around(&self, seconds: i64) -> Option<Period> {
        let then = Timestamp::from_second(seconds).ok()?;
        let today = then.to_zoned(TimeZone::UTC).date();
        let years = i32::from(today.year()) - i32::from(self.0.year());
        let months = years * 12 + i32::from(today.month()) - i32::from(self.0.month());
        // Always from the anchor itself: a chain would lose the 31st in its first February.
        let begin = |months: i32| self.0.checked_add(months.months()).ok();
        let months = if begin(months)? > today {
            months - 1
        } else {
            months
        };
        let midnight = |date: Date| {
            let zoned = date.to_zoned(TimeZone::UTC).ok()?;
            Some(zoned.timestamp().as_second())
        };
        Some(Period {
            start: midnight(begin(months)?)?,
            end: midnight(begin(months + 1)?)?,
        })
    }
}

impl Default for Anchor {
    /// The months of the calendar.
    fn default() -> Self {
        Self(Date::constant(1970, 1, 1))
    }
}

/// A month of a tenant's. What is counted in one is not counted in the next.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Period {
    start: i64,
    end: i64,
}

impl Period {
    /// Of what is not counted by months.
    pub(crate) const ALWAYS: Self = Self {
        start: 0,
        end: i64::MAX,
    };

    /// Its first second, since 1970.
    #[must_use]
    pub const fn start(&self) -> i64 {
        self.start
    }

    /// The first second after it, since 1970.
    #[must_use]
    pub const fn end(&self) -> i64 {
        self.end
    }
}
