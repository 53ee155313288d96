//! Rows of text as CSV (RFC 4180), with line feeds.

use super::document::{Block, Document};

/// Renders rows; fields are quoted where they need it.
pub fn render(rows: &[Vec<String>]) -> String {
    let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
    for row in rows {
        // Writing to memory does not fail.
        let _ = writer.write_record(row);
    }
    writer.into_inner().map_or_else(|_| String::new(), |bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// All tables of a document, one after the other, with their captions in the first column.
pub fn tables(document: &Document) -> String {
    let mut rows = Vec::new();
    for block in document.sections.iter().flat_map(|s| &s.blocks) {
        let Block::Table(table) = block else { continue };
        let line = |cells: Vec<String>| std::iter::once(table.caption.clone()).chain(cells).collect::<Vec<_>>();
        rows.push(line(table.columns.iter().map(|c| c.heading.clone()).collect()));
        rows.extend(table.rows.iter().map(|row| line(row.iter().map(|c| c.text.clone()).collect())));
    }
    render(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_what_needs_it() {
        let rows = [vec!["a".to_string(), "b,\"c\"".into()], vec!["d\ne".into()]];
        assert_eq!(render(&rows), "a,\"b,\"\"c\"\"\"\n\"d\ne\"\n");
    }
}
