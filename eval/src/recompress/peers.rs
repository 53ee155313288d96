//! Other recompressors, run as processes.
//!
//! Each peer is two command lines with fixed file names in a fresh temporary folder, so that neither arguments nor messages
//! hold a path of the machine. Costs are those of the process (start included, temporary files' own traffic in memory or on
//! the disk of the temporary folder).

use super::codec::{CodecError, Commands, Measured, Recompressor};
use super::process::run_measured;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// One direction: a program and its arguments; `IN` and `OUT` stand for the files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLine {
    /// The program: a name on the PATH, or a path.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
}

impl CommandLine {
    /// A command line from its words.
    pub fn new(program: impl Into<PathBuf>, arguments: &[&str]) -> Self {
        Self { program: program.into(), arguments: arguments.iter().map(|a| a.to_string()).collect() }
    }
}

impl std::fmt::Display for CommandLine {
    /// The program by its name alone, and its arguments.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.program.file_name().unwrap_or_default().to_string_lossy())?;
        self.arguments.iter().try_for_each(|argument| write!(f, " {argument}"))
    }
}

/// A codec that runs as two programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalCodec {
    facts: BTreeMap<String, String>,
    name: String,
    version: String,
    encode: CommandLine,
    decode: CommandLine,
    coded_extension: String,
}

/// Which way a codec runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// JPEG to coded file.
    Encode,
    /// Coded file to JPEG.
    Decode,
}

impl ExternalCodec {
    /// A codec made of two command lines; `coded_extension` (without dot) names its files, as some programs go by it.
    pub fn new(name: &str, version: &str, encode: CommandLine, decode: CommandLine, coded_extension: &str) -> Self {
        let facts = BTreeMap::new();
        Self {
            facts,
            name: name.into(),
            version: version.into(),
            encode,
            decode,
            coded_extension: coded_extension.into(),
        }
    }

    /// States facts about the codec.
    pub fn with_facts(self, facts: BTreeMap<String, String>) -> Self {
        Self { facts, ..self }
    }

    /// Runs one direction on `input`.
    pub fn run(&self, direction: Direction, input: &[u8]) -> Result<Measured, CodecError> {
        let coded = format!("coded.{}", self.coded_extension);
        let (line, from, to) = match direction {
            Direction::Encode => (&self.encode, "source.jpg", coded.as_str()),
            Direction::Decode => (&self.decode, coded.as_str(), "restored.jpg"),
        };
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join(from), input)?;
        let arguments = line.arguments.iter().map(|a| match a.as_str() {
            "IN" => from,
            "OUT" => to,
            other => other,
        });
        let mut command = Command::new(&line.program);
        command.args(arguments).current_dir(folder.path());
        let usage = run_measured(&mut command, &folder.path().join("messages"))?;
        let bytes = std::fs::read(folder.path().join(to))?;
        Ok(Measured { bytes, cpu_s: usage.cpu_s, wall_s: usage.wall_s, peak_bytes: usage.peak_bytes })
    }
}

impl Recompressor for ExternalCodec {
    fn name(&self) -> &str {
        &self.name
    }
    fn version(&self) -> &str {
        &self.version
    }
    fn facts(&self) -> BTreeMap<String, String> {
        self.facts.clone()
    }
    fn commands(&self) -> Option<Commands> {
        Some(Commands { encode: self.encode.to_string(), decode: self.decode.to_string() })
    }
    fn in_process(&self) -> bool {
        false
    }
    fn encode(&self, jpeg: &[u8]) -> Result<Vec<u8>, CodecError> {
        self.run(Direction::Encode, jpeg).map(|m| m.bytes)
    }
    fn decode(&self, coded: &[u8]) -> Result<Vec<u8>, CodecError> {
        self.run(Direction::Decode, coded).map(|m| m.bytes)
    }
    fn encode_measured(&self, jpeg: &[u8]) -> Result<Measured, CodecError> {
        self.run(Direction::Encode, jpeg)
    }
    fn decode_measured(&self, coded: &[u8]) -> Result<Measured, CodecError> {
        self.run(Direction::Decode, coded)
    }
}

/// The way back for the jpegtran peers: a sequential Huffman JPEG with the standard tables, which is the source file only
/// if that was one (as `cjpeg -baseline` writes).
const JPEGTRAN_BACK: &[&str] = &["-copy", "all", "-outfile", "OUT", "IN"];

/// A known peer: name, program and arguments of encoding, of decoding, arguments that print the version, extension.
type Known = (
    &'static str,
    (&'static str, &'static [&'static str]),
    (&'static str, &'static [&'static str]),
    &'static str,
    &'static str,
);

const KNOWN: &[Known] = &[
    (
        "jpegtran-optimize",
        ("jpegtran", &["-copy", "all", "-optimize", "-outfile", "OUT", "IN"]),
        ("jpegtran", JPEGTRAN_BACK),
        "-version",
        "jpg",
    ),
    (
        "jpegtran-progressive",
        ("jpegtran", &["-copy", "all", "-progressive", "-optimize", "-outfile", "OUT", "IN"]),
        ("jpegtran", JPEGTRAN_BACK),
        "-version",
        "jpg",
    ),
    (
        "jpegtran-arithmetic",
        ("jpegtran", &["-copy", "all", "-arithmetic", "-outfile", "OUT", "IN"]),
        ("jpegtran", JPEGTRAN_BACK),
        "-version",
        "jpg",
    ),
    (
        "jpegtran-progressive-arithmetic",
        ("jpegtran", &["-copy", "all", "-progressive", "-arithmetic", "-outfile", "OUT", "IN"]),
        ("jpegtran", JPEGTRAN_BACK),
        "-version",
        "jpg",
    ),
    (
        "cjxl-e9",
        ("cjxl", &["IN", "OUT", "--lossless_jpeg=1", "-e", "9", "--num_threads=0", "--quiet"]),
        ("djxl", &["IN", "OUT", "--num_threads=0", "--quiet"]),
        "--version",
        "jxl",
    ),
    (
        "lepton-t1",
        ("lepton_jpeg_util", &["--threads", "1", "--noverify", "--overwrite", "IN", "OUT"]),
        ("lepton_jpeg_util", &["--threads", "1", "--overwrite", "IN", "OUT"]),
        "--version",
        "lep",
    ),
];

/// The peers whose programs are on the PATH.
pub fn installed_peers() -> Vec<ExternalCodec> {
    KNOWN
        .iter()
        .filter(|(_, encode, decode, ..)| on_path(encode.0) && on_path(decode.0))
        .map(|(name, encode, decode, version, extension)| {
            ExternalCodec::new(
                name,
                &version_of(encode.0, version),
                CommandLine::new(encode.0, encode.1),
                CommandLine::new(decode.0, decode.1),
                extension,
            )
        })
        .collect()
}

/// The peers whose programs are on the PATH, and those that were compiled in (feature `lepton`).
pub fn installed_recompressors() -> Vec<Box<dyn Recompressor>> {
    #[allow(unused_mut)]
    let mut peers: Vec<Box<dyn Recompressor>> =
        installed_peers().into_iter().map(|peer| Box::new(peer) as Box<dyn Recompressor>).collect();
    #[cfg(feature = "lepton")]
    peers.push(Box::new(super::lepton::Lepton));
    peers
}

/// Names of the peers whose programs are missing.
pub fn missing_peers() -> Vec<&'static str> {
    KNOWN.iter().filter(|(_, encode, decode, ..)| !(on_path(encode.0) && on_path(decode.0))).map(|k| k.0).collect()
}

pub(crate) fn on_path(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|d: PathBuf| is_program(&d.join(program))))
}

#[cfg(unix)]
fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(path: &Path) -> bool {
    path.with_extension("exe").is_file()
}

/// The line in which the program states its version when it is asked (some then fail for want of a file).
pub(crate) fn version_of(program: &str, argument: &str) -> String {
    let Ok(output) = Command::new(program).arg(argument).stdin(Stdio::null()).output() else {
        return String::new();
    };
    version_line(&String::from_utf8_lossy(&[output.stdout, output.stderr].concat()))
}

/// The first line with a number such as 1.2, or else the first line.
fn version_line(text: &str) -> String {
    let numbered = |line: &&str| {
        line.as_bytes().windows(3).any(|w| w[0].is_ascii_digit() && w[1] == b'.' && w[2].is_ascii_digit())
    };
    let mut lines = text.lines().map(str::trim).filter(|l| !l.is_empty());
    lines.clone().find(numbered).or_else(|| lines.next()).unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What opj_compress 2.5.0, cwebp 1.2.4 and cjpeg 2.1.5 print.
    #[test]
    fn finds_the_version_in_what_programs_print() {
        let opj = "\nThis is the opj_compress utility from the OpenJPEG project.\nIt compresses various image formats with \
                   the JPEG 2000 algorithm.\nIt has been compiled against openjp2 library v2.5.0.\n";
        assert_eq!(version_line(opj), "It has been compiled against openjp2 library v2.5.0.");
        assert_eq!(version_line("1.2.4\n"), "1.2.4");
        let cjpeg = "libjpeg-turbo version 2.1.5 (build 20230203)\nEmpty input file\n";
        assert_eq!(version_line(cjpeg), "libjpeg-turbo version 2.1.5 (build 20230203)");
        assert_eq!((version_line("a\nb").as_str(), version_line("").as_str()), ("a", ""));
    }

    #[test]
    fn commands_name_programs_without_their_folder() {
        assert_eq!(CommandLine::new("/a/b/tool", &["-q", "IN"]).to_string(), "tool -q IN");
    }
}
