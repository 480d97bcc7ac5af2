//! A number of each, side by side.

use std::error::Error;
use std::path::Path;

use plotters::prelude::*;

const WIDTH: i32 = 960;
const HIGH: i32 = 26;
const TOP: i32 = 40;
/// Where the bars begin, and what the longest leaves of the width.
const LEFT: i32 = 300;
const RIGHT: i32 = 90;
const COLOUR: RGBColor = RGBColor(0x7f, 0xa8, 0xd8);

/// One bar: what it is, how long, and what is written at its end.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Bar {
    pub(crate) name: String,
    pub(crate) value: f64,
    pub(crate) label: String,
}

/// Draws `bars` into an SVG at `path`, from the top down.
pub(crate) fn draw(
    path: &Path,
    title: &str,
    bars: &[Bar],
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let rows = i32::try_from(bars.len())?;
    let size = (
        WIDTH.try_into()?,
        (TOP + HIGH * rows + HIGH / 2).try_into()?,
    );
    let area = SVGBackend::new(path, size).into_drawing_area();
    area.fill(&WHITE)?;
    area.draw(&Text::new(title, (16, 12), ("sans-serif", 18)))?;
    let most = bars.iter().map(|bar| bar.value).fold(0.0, f64::max);
    for (row, bar) in (0..).zip(bars) {
        let top = TOP + HIGH * row;
        let end = LEFT + length(bar.value, most);
        let text = |text: &str, x| Text::new(text.to_owned(), (x, top + 5), ("sans-serif", 14));
        area.draw(&text(&bar.name, 16))?;
        let corners = [(LEFT, top + 2), (end, top + HIGH - 4)];
        area.draw(&Rectangle::new(corners, COLOUR.filled()))?;
        area.draw(&text(&bar.label, end + 6))?;
    }
    area.present()?;
    Ok(())
}

/// In points, of a bar beside the longest.
#[expect(clippy::cast_possible_truncation, reason = "less than the width")]
fn length(value: f64, most: f64) -> i32 {
    let room = f64::from(WIDTH - LEFT - RIGHT);
    (value / most.max(f64::MIN_POSITIVE) * room) as i32
}

#[cfg(test)]
mod tests {
    use super::{LEFT, RIGHT, WIDTH, length};

    #[test]
    fn the_longest_bar_takes_the_room_and_nothing_none() {
        assert_eq!(length(8.0, 8.0), WIDTH - LEFT - RIGHT);
        assert_eq!(length(0.0, 8.0), 0);
        assert_eq!(length(0.0, 0.0), 0);
    }
}
