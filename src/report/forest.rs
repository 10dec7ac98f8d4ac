//! The blocks of one metric as a table, each with its place on an axis beside it: a forest plot.
//!
//! Must not judge, and draws nothing but the numbers of the account.

use super::format;
use crate::model::account::{Block, ByBlocks, Series};
use crate::model::{Contention, Estimate, Metric, Tolerance};

/// The width of a terminal that everybody has.
pub(super) const WIDTH: usize = 80;
/// The narrowest plot worth drawing.
const LEAST_PLOT: usize = 20;
/// Wider changes are drawn at the edge.
const FARTHEST: f64 = 1e9;

/// A line of the table: what stands left of the plot, and what is drawn in it.
struct Line {
    text: Text,
    drawn: Drawn,
}

enum Text {
    /// A block: its number with a mark, base, head, change.
    Block([String; 4]),
    /// Several blocks: a label and their change.
    Series(String, String),
    /// Words over the whole width.
    Words(String),
}

enum Drawn {
    Nothing,
    Dot(char, f64),
    Span(char, Estimate),
}

/// The table with the plot and its legend.
pub(super) fn forest(
    blocks: &ByBlocks,
    metric: Metric,
    tolerance: Option<Tolerance>,
) -> Vec<String> {
    let lines = lines(blocks, metric);
    let heading = ["block", "base", "head", "change"].map(str::to_owned);
    let columns = columns(&heading, &lines);
    let left: usize = columns.iter().sum::<usize>() + 2 * columns.len();
    let width = WIDTH.saturating_sub(left).max(LEAST_PLOT);
    let axis = Axis::of(&lines, tolerance, width);
    let mut all = vec![format!(
        "{}{}",
        cells(&heading, columns),
        axis.labels(metric)
    )];
    all.extend(lines.iter().map(|line| {
        let text = match &line.text {
            Text::Block(block) => cells(block, columns),
            Text::Series(label, change) => {
                let room = columns[..3].iter().sum::<usize>() + 4;
                format!("{label:<room$}  {change:>width$}  ", width = columns[3])
            }
            Text::Words(words) => return words.clone(),
        };
        format!("{text}{}", axis.draw(&line.drawn))
            .trim_end()
            .to_owned()
    }));
    all.extend(axis.legend(blocks.second.is_some_and(|second| second.test.is_some())));
    all.extend(footnotes(blocks));
    all
}

fn lines(blocks: &ByBlocks, metric: Metric) -> Vec<Line> {
    let mut lines = Vec::new();
    let stage = |is_fresh: bool| blocks.blocks.iter().filter(move |b| b.is_fresh == is_fresh);
    lines.extend(stage(false).map(|block| row(block, metric)));
    if let Some(first) = &blocks.first {
        let label = format!("first {} blocks", first.series.blocks);
        lines.push(summary(label, '◇', &first.series, metric));
    }
    lines.extend(stage(true).map(|block| row(block, metric)));
    if let Some(test) = blocks.second.and_then(|second| second.test) {
        let fresh = format!("{} fresh blocks", test.fresh.blocks);
        lines.push(summary(fresh, '◆', &test.fresh, metric));
        let all = format!("all {} blocks", test.all.blocks);
        lines.push(summary(all, '◆', &test.all, metric));
    }
    if let Some(control) = &blocks.control {
        let label = "base against itself".to_owned();
        lines.push(summary(label, '◇', &control.series, metric));
    }
    lines
}

fn row(block: &Block, metric: Metric) -> Line {
    let contention = block.contention;
    let mark = match contention {
        Some(busy) if busy.disturbed => '!',
        Some(busy) if busy.repeated => '*',
        Some(_) | None => ' ',
    };
    let dot = if block.is_fresh { '●' } else { '○' };
    let (Some(base), Some(head)) = (block.base, block.head) else {
        let stage = if block.is_fresh { "fresh " } else { "" };
        return Line {
            text: Text::Words(format!(
                "{:>5}{mark} {stage}does not count: {}",
                block.number,
                contention.map(|busy| busyness(&busy)).unwrap_or_default()
            )),
            drawn: Drawn::Nothing,
        };
    };
    Line {
        text: Text::Block([
            format!("{}{mark}", block.number),
            format::finely(metric, base),
            format::finely(metric, head),
            (block.worse_by).map_or_else(|| "—".to_owned(), |by| format::moved(metric, by)),
        ]),
        drawn: block
            .worse_by
            .map_or(Drawn::Nothing, |by| Drawn::Dot(dot, by)),
    }
}

fn summary(label: String, sign: char, series: &Series, metric: Metric) -> Line {
    Line {
        text: Text::Series(label, format::moved(metric, series.worse_by.point)),
        drawn: Drawn::Span(sign, series.worse_by),
    }
}

/// How wide the columns of blocks are.
fn columns(heading: &[String; 4], lines: &[Line]) -> [usize; 4] {
    let blocks = lines.iter().filter_map(|line| match &line.text {
        Text::Block(cells) => Some(cells),
        Text::Series(..) | Text::Words(_) => None,
    });
    let rows: Vec<&[String; 4]> = std::iter::once(heading).chain(blocks).collect();
    let mut widths: [usize; 4] = std::array::from_fn(|column| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or(0)
    });
    for line in lines {
        if let Text::Series(label, change) = &line.text {
            widths[3] = widths[3].max(change.chars().count());
            let room: usize = widths[..3].iter().sum::<usize>() + 4;
            widths[1] += label.chars().count().saturating_sub(room);
        }
    }
    widths
}

fn cells(cells: &[String; 4], widths: [usize; 4]) -> String {
    cells
        .iter()
        .zip(widths)
        .map(|(cell, width)| format!("{cell:>width$}  "))
        .collect()
}

/// The axis: changes from `low` to `high` over `width` columns.
struct Axis {
    low: f64,
    high: f64,
    width: usize,
    tolerance: Option<f64>,
}

impl Axis {
    /// Shows every interval and the tolerance, and of the blocks what is not much farther away:
    /// one wild block must not press all others into one column.
    fn of(lines: &[Line], tolerance: Option<Tolerance>, width: usize) -> Self {
        let tolerance = tolerance.map(|tolerance| tolerance.relative);
        let beside = tolerance.unwrap_or(0.01) * 1.5;
        let (mut low, mut high) = (-beside, beside);
        let within = |value: f64| value.clamp(-FARTHEST, FARTHEST);
        for line in lines {
            if let Drawn::Span(_, span) = &line.drawn {
                low = low.min(within(span.low));
                high = high.max(within(span.high));
            }
        }
        let (least, most) = (low - (high - low), high + (high - low));
        for line in lines {
            if let Drawn::Dot(_, value) = line.drawn {
                low = low.min(value.max(least));
                high = high.max(value.min(most));
            }
        }
        Self {
            low,
            high,
            width,
            tolerance,
        }
    }

    /// The column of a change; none where it is off the axis.
    fn column(&self, change: f64) -> Option<usize> {
        if change < self.low || change > self.high {
            return None;
        }
        #[expect(clippy::cast_precision_loss, reason = "a column of a terminal")]
        let columns = (self.width - 1) as f64;
        let column = ((change - self.low) / (self.high - self.low) * columns).round();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and the width"
        )]
        let column = column as usize;
        Some(column.min(self.width - 1))
    }

    /// The ends of the axis, and zero where there is room for it.
    fn labels(&self, metric: Metric) -> String {
        let low = format::moved(metric, self.low);
        let high = format::moved(metric, self.high);
        let mut line = vec![' '; self.width];
        let mut put = |text: &str, at: usize| {
            let length = text.chars().count();
            let free = |column: usize| line.get(column).is_none_or(|sign| *sign == ' ');
            let (before, end) = (at.saturating_sub(1), at + length);
            if end <= self.width && (before..=end).all(free) {
                for (place, sign) in line[at..end].iter_mut().zip(text.chars()) {
                    *place = sign;
                }
            }
        };
        put(&low, 0);
        put(&high, self.width.saturating_sub(high.chars().count()));
        if let Some(zero) = self.column(0.0) {
            put("0", zero);
        }
        line.into_iter().collect::<String>().trim_end().to_owned()
    }

    fn draw(&self, drawn: &Drawn) -> String {
        let mut line = vec![' '; self.width];
        for (column, sign) in self.marks() {
            line[column] = sign;
        }
        match drawn {
            Drawn::Nothing => {}
            Drawn::Dot(sign, change) => match self.column(*change) {
                Some(column) => line[column] = *sign,
                None if *change < self.low => line[0] = '◂',
                None => line[self.width - 1] = '▸',
            },
            Drawn::Span(sign, span) => {
                let last = self.width - 1;
                let (low, high) = (self.column(span.low), self.column(span.high));
                let (from, to) = (low.unwrap_or(0), high.unwrap_or(last));
                line[from..=to].fill('─');
                line[from] = if low.is_some() { '├' } else { '◂' };
                line[to] = if high.is_some() { '┤' } else { '▸' };
                if let Some(column) = self.column(span.point) {
                    line[column] = *sign;
                }
            }
        }
        line.into_iter().collect()
    }

    /// What stands in every line: zero, and the tolerance on both sides of it.
    fn marks(&self) -> Vec<(usize, char)> {
        let tolerance = self.tolerance.into_iter().flat_map(|by| [-by, by]);
        let mut marks: Vec<(usize, char)> = tolerance
            .filter_map(|change| Some((self.column(change)?, '┊')))
            .collect();
        marks.extend(self.column(0.0).map(|zero| (zero, '│')));
        marks
    }

    fn legend(&self, has_fresh: bool) -> Vec<String> {
        let tolerance = self
            .tolerance
            .map_or_else(String::new, |by| format!("┊ ±{}  ", format::percent(by)));
        let (fresh, mean) = if has_fresh {
            ("● fresh block  ", "├─◆─┤")
        } else {
            ("", "├─◇─┤")
        };
        vec![
            String::new(),
            format!("│ no change  {tolerance}○ block  {fresh}{mean} mean, 95 % interval"),
            "Means and bounds are of the logarithms of head over base, shown as per cent."
                .to_owned(),
        ]
    }
}

/// What the marks beside the numbers of the blocks mean.
fn footnotes(blocks: &ByBlocks) -> Vec<String> {
    let has = |wanted: fn(&Contention) -> bool| {
        let known = blocks.blocks.iter().filter_map(|block| block.contention);
        known.filter(wanted).count() > 0
    };
    let mut notes = Vec::new();
    if has(|busy| busy.repeated && !busy.disturbed) {
        notes.push("* measured again: the machine was busy with other work".to_owned());
    }
    if has(|busy| busy.disturbed) {
        notes.push("! the machine was busy with other work, also the second time".to_owned());
    }
    notes.extend(blocks.unplaced.iter().map(|busy| {
        let stage = if busy.fresh { "fresh block" } else { "block" };
        let what = if busy.disturbed {
            "did not count"
        } else {
            "was measured again"
        };
        format!(
            "{stage} {} of this endpoint {what}: {}",
            busy.block,
            busyness(busy)
        )
    }));
    notes
}

/// `the service waited 41.0 % of its time for a core, other work took 30.0 %`.
fn busyness(busy: &Contention) -> String {
    let shares = [
        ("the service waited", busy.service_wait),
        ("the generator waited", busy.generator_wait),
        ("other work took", busy.foreign),
        ("the host took", busy.steal),
        ("requests left late by", busy.late),
    ];
    let said: Vec<String> = shares
        .into_iter()
        .filter(|(_, share)| *share >= 0.01)
        .map(|(words, share)| format!("{words} {}", format::percent(share)))
        .collect();
    if said.is_empty() {
        "the machine was busy".to_owned()
    } else {
        said.join(", ")
    }
}
