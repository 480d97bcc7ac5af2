use std::task::Waker;

/// Whom to wake, once the lock is released: mostly nobody, or one.
#[derive(Debug, Default)]
#[must_use = "whoever is not woken waits for ever"]
pub(crate) struct Wakes {
    one: Option<Waker>,
    more: Vec<Waker>,
}

impl Wakes {
    pub(crate) fn push(&mut self, waker: Waker) {
        match self.one {
            None => self.one = Some(waker),
            Some(_) => self.more.push(waker),
        }
    }

    pub(crate) fn wake(self) {
        self.one.into_iter().for_each(Waker::wake);
        self.more.into_iter().for_each(Waker::wake);
    }
}
