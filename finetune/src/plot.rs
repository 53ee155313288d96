//! The curve of a training run as SVG.

use plotters::prelude::*;

/// Draws a loss over steps: a thin line of the training batches, a thick one of the validations; `None` if there is nothing to draw.
///
/// # Errors
/// What plotters says.
pub fn loss_curve(
    unit: &str,
    training: &[(usize, f64)],
    validation: &[(usize, f64)],
) -> Result<Option<String>, Box<dyn std::error::Error>> {
    let Some(&(last, _)) = training.iter().chain(validation).max_by_key(|(step, _)| *step) else {
        return Ok(None);
    };
    let values = || training.iter().chain(validation).map(|(_, bits)| *bits).filter(|b| b.is_finite());
    let (low, high) = (values().fold(f64::MAX, f64::min), values().fold(f64::MIN, f64::max));
    let margin = (0.05 * (high - low)).max(1e-3);
    let mut svg = String::new();
    draw(&mut svg, unit, last.max(1), (low - margin, high + margin), training, validation)?;
    Ok(Some(svg))
}

fn draw(
    svg: &mut String,
    unit: &str,
    last: usize,
    (low, high): (f64, f64),
    training: &[(usize, f64)],
    validation: &[(usize, f64)],
) -> Result<(), Box<dyn std::error::Error>> {
    let area = SVGBackend::with_string(svg, (800, 500)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .margin(16)
        .x_label_area_size(40)
        .y_label_area_size(60)
        .build_cartesian_2d(0..last, low..high)?;
    chart.configure_mesh().x_desc("step").y_desc(unit).draw()?;
    chart.draw_series(LineSeries::new(training.iter().copied(), RGBColor(150, 180, 220)))?;
    chart.draw_series(LineSeries::new(validation.iter().copied(), RGBColor(200, 60, 40).stroke_width(3)))?;
    area.present()?;
    Ok(())
}
