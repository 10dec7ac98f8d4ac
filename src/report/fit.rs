//! Fits a page into GitHub's size limits: whole rows go, the least important first.
//!
//! Must not cut inside a row: what is left is well-formed Markdown, and a line says what is not.

use super::rows::Row;
use super::templates::Templates;
use super::view::{self, Room};
use super::{Report, ReportError};

/// The most bytes, and the most UTF-16 units, of a comment. GitHub refuses above 65,536; the
/// rest is for the hidden marker and for what a proxy may add.
pub(super) const COMMENT: usize = 60_000;
/// The same of a job summary: GitHub shows none of more than 1 MiB a step.
pub(super) const SUMMARY: usize = 900_000;

/// One list of the comment whose length may be cut.
type List = fn(&mut Room) -> &mut usize;

/// What is cut, the least important first.
const LISTS: [List; 4] = [
    |room| &mut room.unchanged,
    |room| &mut room.evidence,
    |room| &mut room.findings,
    |room| &mut room.changed,
];

/// The page with as much of every list as there is room for.
pub(super) fn page(
    report: &Report,
    rows: &[Row<'_>],
    templates: &Templates,
    limit: usize,
) -> Result<String, ReportError> {
    let fits = |page: &str| page.len() <= limit && page.encode_utf16().count() <= limit;
    let render = |room: Room| templates.comment(&view::view(report, rows, room));
    let (changed, unchanged) = view::split(rows);
    let mut room = Room {
        changed: changed.len(),
        unchanged: unchanged.len(),
        findings: report.findings.len(),
        evidence: view::with_evidence(&report.findings),
    };
    let whole = render(room)?;
    if fits(&whole) {
        return Ok(whole);
    }
    for list in LISTS {
        let all = std::mem::take(list(&mut room));
        if fits(&render(room)?) {
            *list(&mut room) = longest(all, |length| {
                let mut longer = room;
                *list(&mut longer) = length;
                Ok(fits(&render(longer)?))
            })?;
            break;
        }
    }
    render(room)
}

/// The longest length below `all` that fits, given that 0 fits and `all` does not.
fn longest(
    all: usize,
    fits: impl Fn(usize) -> Result<bool, ReportError>,
) -> Result<usize, ReportError> {
    let (mut least, mut most) = (0, all);
    while most - least > 1 {
        let middle = usize::midpoint(least, most);
        if fits(middle)? {
            least = middle;
        } else {
            most = middle;
        }
    }
    Ok(least)
}
