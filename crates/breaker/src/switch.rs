use crate::mark::{Admitted, Change, Finished, Mark};
use crate::policy::Policy;
use crate::sync::{AtomicU64, Ordering};
use crate::tagged::Tagged;
use crate::window::Samples;
use crate::word::{State, Word};

/// The circuit itself: told the time, in milliseconds, and the outcomes, it says who may pass.
///
/// What decides is one word, and each decision about it one compare-and-swap. The rest is
/// written before the word that it belongs to.
#[derive(Debug)]
pub(crate) struct Switch {
    word: AtomicU64,
    /// These four only grow, but where somebody forces a state: a late write undoes none that
    /// came after it.
    open_until: AtomicU64,
    lease_until: AtomicU64,
    closed_since: AtomicU64,
    asked_until: AtomicU64,
    streak: Tagged,
    samples: Option<Samples>,
    seed: u64,
}

impl Switch {
    pub(crate) fn new(policy: &Policy, seed: u64) -> Self {
        Self::since(policy, seed, 0)
    }

    /// One that has changed so often.
    pub(crate) fn since(policy: &Policy, seed: u64, generation: u32) -> Self {
        let nought = || AtomicU64::new(0);
        Self {
            word: AtomicU64::new(Word::new(State::Closed, generation, 0).0),
            open_until: nought(),
            lease_until: nought(),
            closed_since: nought(),
            asked_until: nought(),
            streak: Tagged::new(),
            samples: policy
                .window()
                .map(|window| window.samples(policy.times_all())),
            seed,
        }
    }

    #[inline]
    pub(crate) fn word(&self) -> Word {
        Word(self.word.load(Ordering::Acquire))
    }

    /// The generation, where all may pass whatever the time is.
    #[inline]
    pub(crate) fn passes_all(&self) -> Option<u32> {
        let word = self.word();
        let all = matches!(word.state(), State::Closed | State::ForcedClosed);
        all.then(|| word.generation())
    }

    /// Whether somebody who comes now is turned away, and for how long.
    pub(crate) fn refuses(&self, policy: &Policy, now: u64) -> Option<Option<u64>> {
        self.refuses_at(self.word(), policy, now)
    }

    fn refuses_at(&self, word: Word, policy: &Policy, now: u64) -> Option<Option<u64>> {
        let until = match word.state() {
            State::Closed | State::ForcedClosed => return None,
            State::ForcedOpen => return Some(None),
            State::Open => self.open_until.load(Ordering::Acquire),
            State::HalfOpen if word.probes() < policy.for_probes().count() => return None,
            State::HalfOpen => self.lease_until.load(Ordering::Acquire),
        };
        let left = until.checked_sub(now).filter(|left| *left > 0)?;
        let soon = policy.for_waits().first();
        Some(Some(match word.state() {
            // The probes may decide at any time.
            State::HalfOpen => left.min(soon),
            _ => left,
        }))
    }

    pub(crate) fn admit(&self, policy: &Policy, now: u64) -> Admitted {
        loop {
            let word = self.word();
            if let Some(left) = self.refuses_at(word, policy, now) {
                return Admitted::Not(left);
            }
            let next = match word.state() {
                State::Closed | State::ForcedClosed => {
                    return Admitted::Passes(word.generation());
                }
                State::HalfOpen if word.probes() < policy.for_probes().count() => word.one_out(),
                // Whoever gets this through is the first probe of the new generation.
                State::Open | State::HalfOpen | State::ForcedOpen => {
                    let lease = now + policy.for_probes().lease_millis();
                    self.lease_until.fetch_max(lease, Ordering::AcqRel);
                    word.enter(State::HalfOpen, word.level()).one_out()
                }
            };
            if self.swap(word, next) {
                return match change(word, next) {
                    Some(change) => Admitted::Begins(change),
                    None => Admitted::Passes(next.generation()),
                };
            }
        }
    }

    /// The dependency asked to be left alone until then.
    pub(crate) fn ask(&self, until: u64) {
        self.asked_until.fetch_max(until, Ordering::AcqRel);
    }

    pub(crate) fn finish(
        &self,
        policy: &Policy,
        generation: u32,
        now: u64,
        mark: Mark,
    ) -> Finished {
        let word = self.word();
        if word.generation() != generation {
            return Finished::Stale;
        }
        match word.state() {
            State::Closed => self.sample(policy, word, now, mark),
            State::HalfOpen => self.judge(policy, generation, now, mark),
            State::Open | State::ForcedOpen | State::ForcedClosed => Finished::Noted,
        }
    }

    /// A call of that generation went well, whenever that was; whether that was all there is
    /// to note.
    #[inline]
    pub(crate) fn pass(&self, policy: &Policy, generation: u32) -> bool {
        let word = self.word();
        let is_closed = word.is_closed_in(generation);
        if is_closed {
            let tag = tag(generation);
            if let Some(samples) = &self.samples {
                samples.record(tag, 0, false, false);
            }
            if policy.counts_streaks() {
                self.streak.update(tag, |_| 0);
            }
        }
        is_closed
    }

    fn sample(&self, policy: &Policy, word: Word, now: u64, mark: Mark) -> Finished {
        let Mark::Done { failed, slow } = mark else {
            return Finished::Noted;
        };
        let tag = tag(word.generation());
        if let Some(samples) = &self.samples {
            samples.record(tag, now, failed, slow);
        }
        let mut streak = 0;
        if failed && policy.counts_streaks() {
            streak = self.streak.add_one(tag).unwrap_or(0);
        } else if policy.counts_streaks() {
            self.streak.update(tag, |_| 0);
        }
        if !(failed || slow) {
            return Finished::Noted;
        }
        let rate = || {
            let (samples, window) = self.samples.as_ref().zip(policy.window())?;
            Some(window.is_passed_by(samples.tally(tag, now)))
        };
        if policy.is_streak(streak) || rate().unwrap_or(false) {
            let next = self.opened(policy, word, now);
            // Nothing else changes this word but somebody who ends its generation.
            if self.swap(word, next) {
                return change(word, next).map_or(Finished::Noted, Finished::Changed);
            }
        }
        Finished::Noted
    }

    fn judge(&self, policy: &Policy, generation: u32, now: u64, mark: Mark) -> Finished {
        loop {
            let word = self.word();
            if word.generation() != generation {
                return Finished::Stale;
            }
            let counted = match mark {
                Mark::Nothing => word.one_back(),
                Mark::Done {
                    failed: false,
                    slow: false,
                } => word.one_passed(),
                Mark::Done { .. } => word.one_failed(),
            };
            let probes = policy.for_probes();
            let next = if probes.have_failed(counted.failed()) {
                self.opened(policy, word, now)
            } else if probes.have_passed(counted.passed()) {
                self.closed_since.fetch_max(now, Ordering::AcqRel);
                word.enter(State::Closed, word.level())
            } else {
                counted
            };
            if self.swap(word, next) {
                return change(word, next).map_or(Finished::Noted, Finished::Changed);
            }
        }
    }

    /// The open word that follows, once it is written down until when.
    fn opened(&self, policy: &Policy, word: Word, now: u64) -> Word {
        let backoff = policy.for_waits();
        let level = match word.state() {
            State::Closed => {
                let since = self.closed_since.load(Ordering::Acquire);
                backoff.decayed(word.level(), now.saturating_sub(since))
            }
            _ => word.level(),
        };
        let next = word.enter(State::Open, level.saturating_add(1));
        let random = mix(self.seed ^ u64::from(next.generation()));
        let wait = backoff.wait(next.level(), random);
        let asked = self.asked_until.load(Ordering::Acquire);
        let until = (now + wait).max(asked.min(now + backoff.most()));
        self.open_until.fetch_max(until, Ordering::AcqRel);
        next
    }

    /// Enters a state that only somebody's word ends, or ends it.
    pub(crate) fn force(&self, state: State) -> Option<Change> {
        loop {
            let word = self.word();
            let releases = state == State::Closed && !word.state().is_forced();
            if word.state() == state || releases {
                return None;
            }
            let next = word.enter(state, 0);
            // What it was to wait for no longer counts.
            self.open_until.store(0, Ordering::Release);
            self.asked_until.store(0, Ordering::Release);
            if self.swap(word, next) {
                return change(word, next);
            }
        }
    }

    /// Whether a new one would do the same.
    pub(crate) fn is_as_new(&self, policy: &Policy, now: u64) -> bool {
        let word = self.word();
        let tag = tag(word.generation());
        let closed = now.saturating_sub(self.closed_since.load(Ordering::Acquire));
        let level = policy.for_waits().decayed(word.level(), closed);
        let bad = self.samples.as_ref().is_some_and(|samples| {
            let tally = samples.tally(tag, now);
            tally.failed > 0 || tally.slow > 0
        });
        word.state() == State::Closed && level == 0 && !bad && self.streak.get(tag) == 0
    }

    fn swap(&self, word: Word, next: Word) -> bool {
        self.word
            .compare_exchange(word.0, next.0, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }
}

fn change(word: Word, next: Word) -> Option<Change> {
    (word.generation() != next.generation()).then(|| Change {
        from: word.state(),
        to: next.state(),
        generation: next.generation(),
    })
}

/// Further from the next than a window has buckets, and going round with the generations.
fn tag(generation: u32) -> u64 {
    u64::from(generation) << 9
}

/// Spreads what differs in any bit (`SplitMix64`).
fn mix(seed: u64) -> u64 {
    let z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
