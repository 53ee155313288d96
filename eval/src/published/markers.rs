//! Marked parts of Markdown documents: `<!-- table: NAME -->` … `<!-- end -->` around lines, `<!-- value: NAME -->` …
//! `<!-- end -->` inside one.

use super::PublishedError;

const END: &str = "<!-- end -->";
const KINDS: [(&str, Kind); 2] = [("<!-- table: ", Kind::Table), ("<!-- value: ", Kind::Value)];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Whole lines, empty ones around them.
    Table,
    /// A part of a line.
    Value,
}

/// `text` with every marked part replaced by what `make` gives for its name. `document` names it in errors.
///
/// # Errors
/// [`PublishedError::Mark`] for a mark without an end or a name, an end without a mark, marks inside marked parts; the errors of
/// `make`.
pub fn rewrite(
    document: &str,
    text: &str,
    mut make: impl FnMut(&str) -> Result<String, PublishedError>,
) -> Result<String, PublishedError> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((start, opening, kind)) = next_mark(rest) {
        let fault = |at: usize, what: &str| {
            let before = text.len() - rest.len() + at;
            PublishedError::Mark {
                document: document.into(),
                line: 1 + text[..before].matches('\n').count(),
                what: what.into(),
            }
        };
        if let Some(stray) = rest[..start].find(END) {
            return Err(fault(stray, "an end without a mark"));
        }
        let after = &rest[start + opening.len()..];
        let (name, body) = after.split_once(" -->").ok_or_else(|| fault(start, "a mark without its end sign"))?;
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
            return Err(fault(start, &format!("{name:?} is no name of a part")));
        }
        let (old, following) = body.split_once(END).ok_or_else(|| fault(start, &format!("{name}: no end")))?;
        if next_mark(old).is_some() {
            return Err(fault(start, &format!("{name}: another mark before its end")));
        }
        if kind == Kind::Value && old.contains('\n') {
            return Err(fault(start, &format!("{name}: a value of several lines")));
        }
        let made = make(name)?;
        out.push_str(&rest[..start]);
        out.push_str(opening);
        out.push_str(name);
        out.push_str(" -->");
        match kind {
            Kind::Table => {
                out.push_str("\n\n");
                out.push_str(made.trim_end());
                out.push_str("\n\n");
            }
            Kind::Value => out.push_str(&made),
        }
        out.push_str(END);
        rest = following;
    }
    if let Some(stray) = rest.find(END) {
        let line = 1 + text[..text.len() - rest.len() + stray].matches('\n').count();
        return Err(PublishedError::Mark { document: document.into(), line, what: "an end without a mark".into() });
    }
    out.push_str(rest);
    Ok(out)
}

fn next_mark(text: &str) -> Option<(usize, &'static str, Kind)> {
    KINDS.iter().filter_map(|&(opening, kind)| Some((text.find(opening)?, opening, kind))).min_by_key(|mark| mark.0)
}

/// Lines of `text` that are a table's row with a number in it, outside of marked parts, and not below a line
/// `<!-- by hand: WHY -->` of the same table: numbers from line 1.
pub fn unmarked_numbers(text: &str) -> Vec<usize> {
    let (mut inside, mut excused) = (false, false);
    let mut found = Vec::new();
    for (i, line) in text.lines().enumerate() {
        let row = line.starts_with('|');
        if line.starts_with(KINDS[0].0) {
            inside = true;
        }
        if line.contains(END) {
            inside = false;
        }
        if line.starts_with("<!-- by hand: ") {
            excused = true;
        } else if !row && !line.trim().is_empty() {
            excused = false;
        }
        if row && !inside && !excused && line.split('|').any(is_number) {
            found.push(i + 1);
        }
    }
    found
}

/// Whether a cell is a measured number: digits with a decimal point, a percent sign or a comma of thousands.
fn is_number(cell: &str) -> bool {
    let text: String = cell.chars().filter(|c| !"*±+−-~<>≤≥ ".contains(*c)).collect();
    let first = text.chars().next().is_some_and(|c| c.is_ascii_digit() || c == '.');
    first && text.chars().all(|c| c.is_ascii_digit() || ".,()%/×".contains(c)) && text.contains(['.', '%', ','])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shout(name: &str) -> Result<String, PublishedError> {
        Ok(name.to_uppercase())
    }

    #[test]
    fn parts_are_made_anew_and_the_rest_stays() {
        let text = "a <!-- value: x -->1<!-- end --> b\n<!-- table: y-z -->\nold\n<!-- end -->\nc\n";
        let made = rewrite("d", text, shout).unwrap();
        assert_eq!(made, "a <!-- value: x -->X<!-- end --> b\n<!-- table: y-z -->\n\nY-Z\n\n<!-- end -->\nc\n");
        assert_eq!(rewrite("d", &made, shout).unwrap(), made);
        assert_eq!(rewrite("d", "nothing\n", shout).unwrap(), "nothing\n");
    }

    #[test]
    fn broken_marks_are_named_with_their_line() {
        for (text, expected) in [
            ("\n<!-- table: x -->\nold\n", "d, line 2: x: no end"),
            ("\n\n<!-- end -->\n", "d, line 3: an end without a mark"),
            ("<!-- value: x -->1<!-- end --> <!-- end -->", "d, line 1: an end without a mark"),
            ("<!-- end --> <!-- value: x -->1<!-- end -->", "d, line 1: an end without a mark"),
            ("<!-- value: x -->1\n2<!-- end -->", "d, line 1: x: a value of several lines"),
            ("<!-- value: x y -->1<!-- end -->", "d, line 1: \"x y\" is no name of a part"),
            ("<!-- table: x --><!-- value: y --><!-- end -->", "d, line 1: x: another mark before its end"),
        ] {
            assert_eq!(rewrite("d", text, shout).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn numbers_outside_of_marks_are_found() {
        let text = "| a | b |\n|---|---|\n| x | 1.5 |\n| y | z |\n\n<!-- table: t -->\n\n| x | 1.5 |\n\n<!-- end -->\n\
                    <!-- by hand: why -->\n\n| x | **2,000** |\n\nprose\n\n| x | 30 % |\n| `--runs 2.5` | 12 |\n";
        assert_eq!(unmarked_numbers(text), [3, 17]);
    }
}
