use std::num::NonZeroU32;

/// What is thought of a dependency: one answer does not change it, a row of them does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Verdict {
    fall: NonZeroU32,
    rise: NonZeroU32,
    passes: Option<bool>,
    /// Answers in a row that say otherwise.
    against: u32,
}

impl Verdict {
    pub(crate) const fn new(fall: NonZeroU32, rise: NonZeroU32) -> Self {
        Self {
            fall,
            rise,
            passes: None,
            against: 0,
        }
    }

    /// Nothing before the first answer.
    pub(crate) const fn passes(&self) -> Option<bool> {
        self.passes
    }

    /// Takes an answer in; whether that changed the verdict.
    pub(crate) const fn hear(&mut self, passed: bool) -> bool {
        let needed = match self.passes {
            None => 1,
            Some(true) => self.fall.get(),
            Some(false) => self.rise.get(),
        };
        if matches!(self.passes, Some(now) if now == passed) {
            self.against = 0;
            return false;
        }
        self.against = self.against.saturating_add(1);
        if self.against < needed {
            return false;
        }
        self.against = 0;
        self.passes = Some(passed);
        true
    }
}
