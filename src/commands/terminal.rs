//! What people read: messages that never fail, names that cannot move the cursor, the width of a line.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;

use serde_json::{Value, json};

/// A line on standard error. If nobody can read it, work goes on: the exit code still tells.
pub(crate) fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// A path for people: control characters are escaped, bytes that are no UTF-8 become U+FFFD.
pub(crate) fn shown(path: &Path) -> String {
    escaped(&path.to_string_lossy())
}

/// Text from a file for people: control characters are escaped.
pub(crate) fn escaped(given: &str) -> String {
    let mut text = String::new();
    for character in given.chars() {
        // Also what turns the direction of writing round.
        if character.is_control() || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') {
            let _ = write!(text, "{}", character.escape_default());
        } else {
            text.push(character);
        }
    }
    text
}

/// Adds a path to a JSON object: `key`, and where its bytes are no UTF-8, all of them in hexadecimal as `key_hex`.
pub(crate) fn put_path(object: &mut Value, key: &str, path: &Path) {
    object[key] = json!(path.to_string_lossy());
    if path.to_str().is_none() {
        let bytes = path.as_os_str().as_encoded_bytes();
        object[format!("{key}_hex")] = json!(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    }
}

/// Columns of the terminal behind standard error.
pub(crate) fn width() -> usize {
    #[cfg(unix)]
    if let Ok(size) = rustix::termios::tcgetwinsize(io::stderr())
        && size.ws_col > 0
    {
        return usize::from(size.ws_col);
    }
    80
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_do_not_reach_the_terminal_as_commands() {
        assert_eq!(shown(Path::new("a\u{1b}[31m\n\u{202e}gpj.exe é")), "a\\u{1b}[31m\\n\\u{202e}gpj.exe é");
    }

    #[cfg(unix)]
    #[test]
    fn names_that_are_no_text_are_given_whole() {
        use std::os::unix::ffi::OsStrExt;
        let mut object = json!({});
        put_path(&mut object, "input", Path::new(std::ffi::OsStr::from_bytes(b"bad\xff.jpg")));
        assert_eq!(object, json!({ "input": "bad\u{fffd}.jpg", "input_hex": "626164ff2e6a7067" }));
        put_path(&mut object, "output", Path::new("é.ljpg"));
        assert!(object["output"] == "é.ljpg" && object.get("output_hex").is_none());
    }
}
