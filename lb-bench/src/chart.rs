//! Bars in groups, as an SVG picture.
//!
//! No counterpart in the patent. Small and without a library: text and rectangles, readable on a light and on a
//! dark page.
//! Easy to get wrong: a scale that does not begin at 0 lies.

use std::fmt::Write as _;

/// One bar: a figure with its spread.
#[derive(Clone, Copy, Debug)]
pub struct Bar {
    /// Height.
    pub value: f64,
    /// Lower end of the spread.
    pub low: f64,
    /// Upper end of the spread.
    pub high: f64,
}

/// A picture.
#[derive(Clone, Debug)]
pub struct Chart {
    /// Says what the bars are, with their unit.
    pub title: String,
    /// Names of the bars in each group.
    pub series: Vec<String>,
    /// Name of each group, and its bars in the order of `series`; `None` leaves a gap.
    pub groups: Vec<(String, Vec<Option<Bar>>)>,
}

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 340.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 64.0;
const BOTTOM: f64 = 40.0;
/// Told apart also by people who see few colours.
const COLOURS: [&str; 4] = ["#8a8a8a", "#0072b2", "#e69f00", "#009e73"];
const INK: &str = "#777";

impl Chart {
    /// The picture as a document.
    #[must_use]
    pub fn svg(&self) -> String {
        let top = self.top();
        let mut svg = format!(
            r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12" fill="{INK}">
<title>{title}</title>
<text x="{LEFT}" y="18" font-size="14">{title}</text>
"##,
            title = escaped(&self.title),
        );
        self.legend(&mut svg);
        Self::scale(&mut svg, top);
        self.bars(&mut svg, top);
        svg.push_str("</svg>\n");
        svg
    }

    /// The scale's end: the first round number that no spread reaches beyond.
    fn top(&self) -> f64 {
        let bars = self.groups.iter().flat_map(|(_, bars)| bars).flatten();
        let highest = bars.map(|bar| bar.high.max(bar.value)).fold(0.0, f64::max);
        if highest <= 0.0 {
            return 1.0;
        }
        let power = 10f64.powf(highest.log10().floor());
        let steps = [1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0];
        let step = steps.into_iter().find(|step| step * power >= highest);
        step.unwrap_or(10.0) * power
    }

    fn legend(&self, svg: &mut String) {
        let mut x = LEFT;
        for (name, colour) in self.series.iter().zip(COLOURS.iter().cycle()) {
            put(
                svg,
                format_args!(
                    r#"<rect x="{x}" y="30" width="12" height="12" fill="{colour}"/><text x="{}" y="40">{}</text>"#,
                    x + 18.0,
                    escaped(name)
                ),
            );
            x += 40.0 + width_of(name);
        }
    }

    fn scale(svg: &mut String, top: f64) {
        for fifth in 0..=5 {
            let value = top * f64::from(fifth) / 5.0;
            let y = height_of(value, top);
            put(
                svg,
                format_args!(
                    r#"<path d="M{LEFT} {y:.1}H{}" stroke="{INK}" stroke-opacity=".3"/><text x="{}" y="{:.1}" text-anchor="end">{}</text>"#,
                    WIDTH - RIGHT,
                    LEFT - 6.0,
                    y + 4.0,
                    rounded(value)
                ),
            );
        }
    }

    fn bars(&self, svg: &mut String, top: f64) {
        let group_width = (WIDTH - LEFT - RIGHT) / count(self.groups.len());
        let bar_width = (group_width * 0.8 / count(self.series.len())).min(56.0);
        let mut centre = LEFT + group_width / 2.0;
        for (name, bars) in &self.groups {
            put(
                svg,
                format_args!(
                    r#"<text x="{centre:.1}" y="{}" text-anchor="middle">{}</text>"#,
                    HEIGHT - BOTTOM + 20.0,
                    escaped(name)
                ),
            );
            let mut x = centre - bar_width * count(self.series.len()) / 2.0;
            for (bar, colour) in bars.iter().zip(COLOURS.iter().cycle()) {
                if let Some(bar) = bar {
                    draw(svg, *bar, top, x, bar_width, colour);
                }
                x += bar_width;
            }
            centre += group_width;
        }
    }
}

fn draw(svg: &mut String, bar: Bar, top: f64, x: f64, width: f64, colour: &str) {
    let y = height_of(bar.value, top);
    let middle = x + width / 2.0;
    let (low, high) = (height_of(bar.low, top), height_of(bar.high, top));
    put(
        svg,
        format_args!(
            r#"<rect x="{:.1}" y="{y:.1}" width="{:.1}" height="{:.1}" fill="{colour}"/><path d="M{middle:.1} {low:.1}V{high:.1}" stroke="{INK}"/><text x="{middle:.1}" y="{:.1}" text-anchor="middle" font-size="10">{}</text>"#,
            x + 1.0,
            width - 2.0,
            HEIGHT - BOTTOM - y,
            high - 3.0,
            rounded(bar.value)
        ),
    );
}

fn put(svg: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = svg.write_fmt(line);
    svg.push('\n');
}

fn height_of(value: f64, top: f64) -> f64 {
    HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / top
}

#[expect(clippy::cast_precision_loss, reason = "a handful")]
fn count(number: usize) -> f64 {
    number.max(1) as f64
}

/// About what a text takes in this size.
fn width_of(text: &str) -> f64 {
    count(text.chars().count()) * 7.0
}

fn rounded(value: f64) -> String {
    let text = if value >= 20.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.1}")
    };
    text.trim_end_matches(".0").to_owned()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(values: &[f64]) -> Chart {
        let bar = |&value: &f64| {
            Some(Bar {
                value,
                low: value,
                high: value,
            })
        };
        Chart {
            title: "A < B".to_owned(),
            series: vec!["one".to_owned()],
            groups: vec![("g".to_owned(), values.iter().map(bar).collect())],
        }
    }

    #[test]
    fn the_scale_ends_at_a_round_number_above_every_bar() {
        assert_eq!(chart(&[47.0, 12.0]).top(), 50.0);
        assert_eq!(chart(&[50.0]).top(), 50.0);
        assert_eq!(chart(&[51.0]).top(), 60.0);
        assert_eq!(chart(&[0.21]).top(), 0.25);
        assert_eq!(chart(&[]).top(), 1.0);
    }

    #[test]
    fn a_bar_is_as_high_as_its_value_on_the_scale() {
        assert_eq!(height_of(0.0, 50.0), HEIGHT - BOTTOM);
        assert_eq!(height_of(50.0, 50.0), TOP);
    }

    #[test]
    fn text_cannot_break_the_document() {
        assert!(chart(&[1.0]).svg().contains("A &lt; B"));
    }
}
