//! JSON for committed records: pretty-printed, but an object or list that holds no other is one line, so that a table has a
//! line a file and a change of one number is a change of one line.

/// Puts the innermost objects and lists of pretty-printed JSON on one line each.
pub fn leaf_lines(pretty: &str) -> String {
    let mut out = String::with_capacity(pretty.len());
    let mut lines = pretty.lines().peekable();
    while let Some(line) = lines.next() {
        out.push_str(line);
        if opens(line) {
            let leaf: Vec<&str> = lines.clone().take_while(|l| !opens(l) && !closes(l)).collect();
            if let Some(end) = lines.clone().nth(leaf.len()).filter(|l| closes(l)) {
                let parts: Vec<&str> = leaf.iter().map(|l| l.trim()).collect();
                out.push_str(&parts.join(" "));
                out.push_str(end.trim());
                lines.nth(leaf.len());
            }
        }
        out.push('\n');
    }
    out
}

/// Whether a line opens an object or a list. Strings have no line ends, so one that ends in a bracket has its quote after it.
fn opens(line: &str) -> bool {
    line.ends_with(['{', '['])
}

fn closes(line: &str) -> bool {
    line.trim_start().starts_with(['}', ']'])
}

#[cfg(test)]
mod tests {
    use super::leaf_lines;

    #[test]
    fn only_the_innermost_are_lines_and_nothing_is_lost() {
        let value = serde_json::json!({
            "a": [{"image": "x {", "bytes": 1}, {"image": "y [", "bytes": 2}],
            "b": {"c": [1, 2.5, null], "d": {}, "e": []},
            "f": "}"
        });
        let text = leaf_lines(&serde_json::to_string_pretty(&value).unwrap());
        let expected = "{\n  \"a\": [\n    {\"bytes\": 1, \"image\": \"x {\"},\n    {\"bytes\": 2, \"image\": \"y [\"}\n  ],\n  \
                        \"b\": {\n    \"c\": [1, 2.5, null],\n    \"d\": {},\n    \"e\": []\n  },\n  \"f\": \"}\"\n}\n";
        assert_eq!(text, expected);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }
}
