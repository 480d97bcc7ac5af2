use crate::tagged::{Tagged, WIDTH};
use crate::window::Tally;

/// The outcomes of the last so many calls: a bit for each.
#[derive(Debug)]
pub(crate) struct Ring {
    size: u32,
    /// How many there were, up to twice the size and then from the size on again.
    cursor: Tagged,
    failed: Box<[Tagged]>,
    slow: Box<[Tagged]>,
}

impl Ring {
    pub(crate) fn new(size: u16, slow: bool) -> Self {
        let words = usize::from(size).div_ceil(WIDTH as usize);
        Self {
            size: size.into(),
            cursor: Tagged::new(),
            failed: Tagged::many(words),
            slow: Tagged::many(if slow { words } else { 0 }),
        }
    }

    #[inline]
    pub(crate) fn record(&self, tag: u64, failed: bool, slow: bool) {
        let again = |count| {
            if count + 1 == 2 * self.size {
                self.size
            } else {
                count + 1
            }
        };
        let Some(count) = self.cursor.update(tag, again) else {
            return;
        };
        // At most twice the size: cheaper than a division.
        let place = count.checked_sub(self.size).unwrap_or(count);
        note(&self.failed, tag, place, failed);
        note(&self.slow, tag, place, slow);
    }

    pub(crate) fn tally(&self, tag: u64) -> Tally {
        let ones = |bits: &[Tagged]| bits.iter().map(|it| it.get(tag).count_ones()).sum();
        // The bits first: every call that they tell of is then in the count.
        let (failed, slow) = (ones(&self.failed), ones(&self.slow));
        Tally {
            calls: self.cursor.get(tag).min(self.size),
            failed,
            slow,
        }
    }
}

#[inline]
fn note(bits: &[Tagged], tag: u64, place: u32, set: bool) {
    if let Some(word) = bits.get((place / WIDTH) as usize) {
        let bit = 1 << (place % WIDTH);
        // While nothing fails, no word is written.
        if !set && !word.has(bit) {
            return;
        }
        word.update(tag, |bits| if set { bits | bit } else { bits & !bit });
    }
}
