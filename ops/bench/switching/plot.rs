//! The picture: answers per 10 ms around one switch of each mechanism, by the color that
//! gave them.

use std::fmt::Write;
use std::time::Duration;

use bluegreen::model::color::Color;

use crate::trial::Trial;

/// Of one column.
const STEP: Duration = Duration::from_millis(10);
/// Before the switch, and all of them.
const BEFORE: usize = 40;
const COLUMNS: usize = 400;

const PANEL_WIDTH: usize = 2 * COLUMNS + 40;
const PANEL_HEIGHT: usize = 92;
const BARS: usize = 50;

/// One mechanism.
pub struct Panel {
    name: &'static str,
    columns: Vec<Column>,
}

/// What ended within 10 ms.
#[derive(Clone, Copy, Default)]
struct Column {
    blue: usize,
    green: usize,
    failed: usize,
}

impl Column {
    fn all(&self) -> usize {
        self.blue + self.green + self.failed
    }
}

impl Panel {
    /// Of the last switch of a trial.
    pub fn of(name: &'static str, trial: &Trial) -> Panel {
        let mut columns = vec![Column::default(); COLUMNS];
        let at = trial.switches.last().map_or(Duration::ZERO, |switch| switch.at);
        let start = at.saturating_sub(STEP * u32::try_from(BEFORE).unwrap());
        // A websocket stays where it began, whatever is switched.
        let moving = trial
            .record
            .samples
            .iter()
            .filter(|sample| sample.kind != "websocket");
        for sample in moving {
            let Some(since) = (sample.sent + sample.took).checked_sub(start) else {
                continue;
            };
            let number = (since.as_micros() / STEP.as_micros()) as usize;
            let Some(column) = columns.get_mut(number) else {
                continue;
            };
            match sample.color {
                Some(Color::Blue) => column.blue += 1,
                Some(Color::Green) => column.green += 1,
                None => column.failed += 1,
            }
        }
        Panel { name, columns }
    }

    fn failed(&self) -> usize {
        self.columns.iter().map(|column| column.failed).sum()
    }
}

/// What lies below a color in a column, and how much there is of it.
type Layer = fn(&Column) -> (usize, usize);

/// All panels, one below the other.
pub fn svg(panels: &[Panel]) -> String {
    let (width, height) = (PANEL_WIDTH, panels.len() * PANEL_HEIGHT + 30);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"11\">\n\
         <title>Answers per 10 ms around one switch of each mechanism</title>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    for (number, panel) in panels.iter().enumerate() {
        let (x, y) = (20, number * PANEL_HEIGHT + 10);
        draw(&mut text, panel, x, y);
    }
    let legend = [("#2f6fbd", "blue"), ("#38984f", "green"), ("#d62728", "failed")];
    for (number, (color, word)) in legend.into_iter().enumerate() {
        let (x, y) = (20 + number * 70, height - 16);
        writeln!(
            text,
            "<rect x=\"{x}\" y=\"{}\" width=\"9\" height=\"9\" fill=\"{color}\"/><text x=\"{}\" y=\"{}\">{word}</text>",
            y - 9,
            x + 13,
            y
        )
        .unwrap();
    }
    writeln!(
        text,
        "<text x=\"{}\" y=\"{}\" fill=\"#555\">answers per 10 ms; the command starts at 0; without websockets, which stay where they began</text>\n</svg>",
        20 + legend.len() * 70,
        height - 16
    )
    .unwrap();
    text
}

fn draw(text: &mut String, panel: &Panel, x: usize, y: usize) {
    let most = panel.columns.iter().map(Column::all).max().unwrap_or(0).max(1);
    let failed = match panel.failed() {
        0 => String::new(),
        failed => format!(" <tspan fill=\"#d62728\">{failed} failed</tspan>"),
    };
    let bottom = 14 + BARS;
    writeln!(
        text,
        "<g transform=\"translate({x},{y})\"><text y=\"9\" font-weight=\"bold\">{}{failed}</text>\
         <text x=\"{}\" y=\"9\" text-anchor=\"end\" fill=\"#555\">up to {most}</text>",
        panel.name,
        2 * COLUMNS
    )
    .unwrap();
    let layers: [(&str, Layer); 3] = [
        ("#2f6fbd", |column| (0, column.blue)),
        ("#38984f", |column| (column.blue, column.green)),
        ("#d62728", |column| (column.blue + column.green, column.failed)),
    ];
    for (color, pick) in layers {
        let bars = panel.columns.iter().enumerate().filter_map(|(number, column)| {
            let (below, count) = pick(column);
            let height = |count: usize| (count * BARS) as f64 / most as f64;
            (count > 0).then(|| {
                let bottom = bottom as f64 - height(below);
                format!("M{} {bottom:.1}v-{:.1}", 2 * number + 1, height(count))
            })
        });
        let path: String = bars.collect();
        writeln!(text, "<path d=\"{path}\" stroke=\"{color}\" stroke-width=\"2\"/>").unwrap();
    }
    axis(text, bottom);
    text.push_str("</g>\n");
}

fn axis(text: &mut String, bottom: usize) {
    let zero = 2 * BEFORE;
    writeln!(
        text,
        "<path d=\"M0 {bottom}h{}M{zero} 14V{}\" stroke=\"#999\" fill=\"none\"/>",
        2 * COLUMNS,
        bottom + 4
    )
    .unwrap();
    for number in (0..=COLUMNS).step_by(BEFORE) {
        let label = match number.checked_sub(BEFORE) {
            Some(after) => format!("{} ms", after * 10),
            None => format!("-{} ms", BEFORE * 10),
        };
        let anchor = match number {
            0 => "start",
            COLUMNS => "end",
            _ => "middle",
        };
        writeln!(
            text,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"{anchor}\" fill=\"#555\" font-size=\"9\">{label}</text>",
            2 * number,
            bottom + 14
        )
        .unwrap();
    }
}
