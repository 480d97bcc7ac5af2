//! Latency and errors over time, with what was done to the servers.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use plotters::prelude::*;

use crate::recording::{Recording, SLOT, Tally};

const SIZE: (u32, u32) = (960, 480);
const P99: RGBColor = RGBColor(0x1f, 0x4e, 0x9c);
const MEDIAN: RGBColor = RGBColor(0x7f, 0xa8, 0xd8);
const BAD: RGBColor = RGBColor(0xc0, 0x39, 0x2b);
const REFUSED: RGBColor = RGBColor(0xe0, 0xa0, 0x30);
const MARK: RGBColor = RGBColor(0x60, 0x60, 0x60);

/// Something that was done, and when.
pub(crate) type Mark = (Duration, &'static str);

/// Draws `recording` into an SVG at `path`.
pub(crate) fn draw(
    path: &Path,
    title: &str,
    recording: &Recording,
    marks: &[Mark],
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let points = Points::of(recording);
    let area = SVGBackend::new(path, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let (upper, lower) = area.split_vertically(SIZE.1 * 2 / 3);

    let mut latency = ChartBuilder::on(&upper)
        .caption(title, ("sans-serif", 18))
        .margin(8)
        .x_label_area_size(4)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..points.end, (0.1..points.most_ms).log_scale())?;
    latency
        .configure_mesh()
        .y_desc("latency, ms")
        .disable_x_mesh()
        .draw()?;
    for (name, colour, line) in [("p50", MEDIAN, &points.p50), ("p99", P99, &points.p99)] {
        let line = LineSeries::new(line.iter().copied(), colour.stroke_width(2));
        latency
            .draw_series(line)?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2)));
    }
    for (at, what) in marks {
        let x = at.as_secs_f64();
        let ends = [(x, 0.1), (x, points.most_ms)];
        latency.draw_series([PathElement::new(ends, MARK)])?;
        let place = (x, points.most_ms * 0.8);
        latency.draw_series([Text::new(*what, place, ("sans-serif", 13).into_font())])?;
    }
    latency
        .configure_series_labels()
        .border_style(BLACK)
        .draw()?;

    let mut rates = ChartBuilder::on(&lower)
        .margin(8)
        .x_label_area_size(36)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..points.end, 0.0..points.most_per_second)?;
    let mesh = &mut rates.configure_mesh();
    mesh.x_desc("seconds")
        .y_desc("per second")
        .y_labels(4)
        .draw()?;
    for (name, colour, line) in [
        ("answered", P99, &points.answered),
        ("refused", REFUSED, &points.refused),
        ("failed", BAD, &points.failed),
    ] {
        let line = LineSeries::new(line.iter().copied(), colour.stroke_width(2));
        rates
            .draw_series(line)?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2)));
    }
    rates.configure_series_labels().border_style(BLACK).draw()?;
    area.present()?;
    Ok(())
}

#[derive(Default)]
struct Points {
    p50: Vec<(f64, f64)>,
    p99: Vec<(f64, f64)>,
    answered: Vec<(f64, f64)>,
    refused: Vec<(f64, f64)>,
    failed: Vec<(f64, f64)>,
    end: f64,
    most_ms: f64,
    most_per_second: f64,
}

impl Points {
    #[expect(
        clippy::cast_precision_loss,
        reason = "counts of a quarter of a second"
    )]
    fn of(recording: &Recording) -> Self {
        let mut points = Self {
            end: recording.time.as_secs_f64(),
            most_ms: 10.0,
            most_per_second: 1.0,
            ..Self::default()
        };
        for (n, slot) in (0_u32..).zip(&recording.slots) {
            let x = (SLOT * n).as_secs_f64();
            let per_second = |count: u64| (x, count as f64 / SLOT.as_secs_f64());
            if slot.answered() > 0 {
                points.p50.push((x, slot.percentile(50.0).max(0.1)));
                points.p99.push((x, slot.percentile(99.0).max(0.1)));
            }
            points.most_ms = points.most_ms.max(slot.percentile(99.0) * 1.5);
            points.answered.push(per_second(slot.answered()));
            points.refused.push(per_second(slot.refused));
            points.failed.push(per_second(slot.failed));
            let Tally {
                refused, failed, ..
            } = slot;
            let most = slot.answered().max(*refused).max(*failed);
            points.most_per_second = points.most_per_second.max(per_second(most).1 * 1.1);
        }
        points
    }
}
