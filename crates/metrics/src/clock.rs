//! The clock is dearer than all that is counted: two layers that stand within each other read it
//! once where they run in the same breath.

use std::cell::Cell;

use tokio::time::Instant;

thread_local! {
    static LENT: Cell<Lent> = const { Cell::new(Lent::Closed) };
}

#[derive(Clone, Copy, Default)]
enum Lent {
    /// No layer further out runs on this thread.
    #[default]
    Closed,
    Open,
    Time(Instant),
}

/// As long as it lives, a layer further in that runs on this thread may take the time, or leave
/// it. A panic closes it, too: no time is ever taken that another request has left.
#[derive(Debug)]
pub(crate) struct Lending(());

impl Lending {
    /// Lends the time to whoever begins further in.
    #[inline]
    pub(crate) fn of(now: Instant) -> Self {
        LENT.set(Lent::Time(now));
        Self(())
    }

    /// Takes the time from whoever ends further in.
    #[inline]
    pub(crate) fn open() -> Self {
        LENT.set(Lent::Open);
        Self(())
    }

    /// The time that was left.
    #[inline]
    pub(crate) fn close(lending: Self) -> Option<Instant> {
        let lent = LENT.get();
        drop(lending);
        match lent {
            Lent::Time(now) => Some(now),
            Lent::Open | Lent::Closed => None,
        }
    }
}

impl Drop for Lending {
    #[inline]
    fn drop(&mut self) {
        LENT.set(Lent::Closed);
    }
}

/// The time that was lent, once, or the time as it is.
#[inline]
pub(crate) fn begin() -> Instant {
    match LENT.take() {
        Lent::Time(now) => now,
        Lent::Open | Lent::Closed => Instant::now(),
    }
}

/// The time as it is, left to whoever asked for it.
#[inline]
pub(crate) fn end() -> Instant {
    let now = Instant::now();
    if let Lent::Open = LENT.get() {
        LENT.set(Lent::Time(now));
    }
    now
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;
    use std::time::Duration;

    use tokio::time::{Instant, advance};

    use super::{Lending, begin, end};

    #[tokio::test(start_paused = true)]
    async fn a_time_is_taken_once_and_only_while_it_is_lent() {
        let first = Instant::now();
        let lending = Lending::of(first);
        advance(Duration::from_secs(1)).await;
        let now = Instant::now();
        assert_eq!([begin(), begin()], [first, now]);
        drop(lending);

        // Nobody asks for it: whoever begins later reads the clock.
        assert_eq!(end(), now);
        advance(Duration::from_secs(1)).await;
        let now = Instant::now();
        assert_eq!(begin(), now);
        assert_eq!(
            Lending::close(Lending::open()),
            None,
            "nobody had asked for it"
        );
        let asked = Lending::open();
        end();
        assert_eq!(Lending::close(asked), Some(now));

        let _panic = catch_unwind(|| {
            let _lending = Lending::of(first);
            panic!("as it was told");
        });
        assert_eq!(begin(), now);
    }
}
