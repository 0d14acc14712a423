//! Aligned columns, as `kubectl get` prints them: easy to read, and to split in a script.

use std::fmt::Display;

/// Space between two columns.
const GAP: &str = "   ";

/// Rows below a header, each column as wide as its widest cell.
#[must_use]
pub fn aligned(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let header = header.iter().map(|&cell| cell.to_owned()).collect();
    let rows: Vec<Vec<String>> = std::iter::once(header).chain(rows).collect();
    let mut widths = Vec::new();
    for row in &rows {
        widths.resize(widths.len().max(row.len()), 0);
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join(GAP).trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

/// The value, or a dash for none.
#[must_use]
pub fn dash(value: Option<impl Display>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let cells = |row: [&str; 2]| row.map(str::to_owned).to_vec();
        let table = aligned(&["A", "LONG"], [cells(["é", "1"]), cells(["123", ""])]);
        assert_eq!(table, "A     LONG\né     1\n123\n");
    }
}
