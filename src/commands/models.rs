//! `lmcodec models`: the models at hand, and the folders where they are looked for.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use lmcodec::models::{ModelKind, embedded_models, folders};
use serde_json::json;

use super::exit::{Exit, Failure};
use super::stdout_failure;

/// List the models at hand, add some to the model folder, print where it is.
///
/// Coded files name their model by its SHA-256; in a model folder files are called by it. Folders are those in the variable
/// LMCODEC_MODELS (separated as in PATH) and the user's own; models are added to the first.
#[derive(Debug, Args)]
pub(crate) struct ModelsCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print the embedded models and those in the model folders
    List {
        /// Print one JSON object a model, one a line
        #[arg(long)]
        json: bool,
    },
    /// Check model files and copy them into the first model folder, backbones first
    Add {
        /// Model files: frame Llamas, frame heads, backbones, head sets
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Print the model folders, one a line
    Path,
}

impl ModelsCommand {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let folders = folders::standard();
        match &self.action {
            Action::List { json } => print(&list(&folders, *json)?),
            Action::Path => print(&folders.iter().map(|folder| format!("{}\n", folder.display())).collect::<String>()),
            Action::Add { files } => {
                let Some(first) = folders.first() else {
                    return Err(Failure::new(Exit::Usage, "no model folder: set LMCODEC_MODELS"));
                };
                for file in files {
                    let target = folders::add(file, first, &folders)
                        .map_err(|error| Failure::new(Exit::from(&error), format!("{}: {error}", file.display())))?;
                    print(&format!("{} -> {}\n", file.display(), target.display()))?;
                }
                Ok(Exit::Success)
            }
        }
    }
}

fn list(folders: &[PathBuf], json: bool) -> Result<String, Failure> {
    let mut text = String::new();
    for (name, sha256) in embedded_models() {
        text += &if json {
            format!("{}\n", json!({ "name": name, "sha256": sha256, "kind": "frame Llama", "embedded": true }))
        } else {
            format!("{sha256}  frame Llama (embedded)  {name}\n")
        };
    }
    for file in folders::list(folders)? {
        let kind = file.kind.as_ref().map_or("unreadable", ModelKind::name);
        let sha256 = file.path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let path = file.path.display().to_string();
        text += &if json {
            let backbone = file.kind.as_ref().and_then(ModelKind::backbone_sha256);
            let line = json!({
                "path": path, "sha256": sha256, "kind": kind, "bytes": file.bytes, "backbone_sha256": backbone,
            });
            format!("{line}\n")
        } else {
            format!("{sha256}  {kind}, {} bytes  {path}\n", file.bytes)
        };
    }
    Ok(text)
}

fn print(text: &str) -> Result<Exit, Failure> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(|error| stdout_failure(&error))?;
    Ok(Exit::Success)
}
