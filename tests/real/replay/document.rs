//! The table of differences in the documentation.

use std::fs;
use std::path::Path;

use super::differences::{ALL, Difference};
use crate::support::Result;

/// Where it is.
const PAGE: &str = "docs/test_decoding.md";
/// What its rows stand between.
const START: &str = "<!-- differences -->\n";
const END: &str = "<!-- /differences -->";

/// The page has a row for each difference and none besides.
pub(crate) fn is_up_to_date() -> Result<()> {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE))?;
    let table = page.split_once(START).and_then(|(_, rest)| rest.split_once(END));
    let (found, _) = table.ok_or_else(|| format!("{PAGE} has no table of differences"))?;
    let rows: String = ALL.iter().map(row).collect();
    let expected = format!("| majors | cases | what is printed |\n| --- | --- | --- |\n{rows}");
    if found == expected {
        Ok(())
    } else {
        Err(format!("the table of differences in {PAGE} is to be\n{expected}").into())
    }
}

fn row(Difference { cases, majors, what, .. }: &Difference) -> String {
    let (first, last) = (majors.start(), majors.end());
    let majors = if first == last { first.to_string() } else { format!("{first}–{last}") };
    let cases: Vec<String> = cases.iter().map(|case| format!("`{case}`")).collect();
    format!("| {majors} | {} | {what} |\n", cases.join(", "))
}
