//! lmcodec itself as a codec under test: its library, one thread, without the encoder's own verification (a table decodes
//! and compares every file anyway, and decoding is measured on its own).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use lmcodec::{DecodeOptions, Effort, EncodeOptions, Kernel, Model};
use lmcodec_eval::recompress::bit_cost::{BitCost, ComponentCost};
use lmcodec_eval::recompress::codec::{CodecError, Recompressor, Store};
use lmcodec_eval::recompress::peers::{CommandLine, ExternalCodec};
use lmcodec_eval::recompress::speed::KERNEL;

use crate::commands::exit::{Exit, Failure};

/// Which forms of lmcodec are measured.
#[derive(Debug, Args)]
pub(super) struct Own {
    /// Effort levels of lmcodec.
    #[arg(long = "effort", value_name = "LEVEL,..", value_delimiter = ',', default_value = "default")]
    efforts: Vec<Effort>,
    /// Model file of lmcodec, instead of the embedded model.
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
}

impl Own {
    pub(super) fn codecs(&self) -> Result<Vec<LmcodecCodec>, lmcodec::Error> {
        self.efforts.iter().map(|&effort| LmcodecCodec::new(effort, self.model.as_deref())).collect()
    }

    /// Each as a process of its own, with each of `kernels`: `encode` and `decode` of `program`, or of this very program, on one
    /// thread and without the encoder's own check.
    pub(super) fn processes(&self, kernels: &[Kernel], program: Option<&Path>) -> Result<Vec<ExternalCodec>, Failure> {
        // The processes run in folders of their own.
        let whole = |path: &Path| {
            let found = std::fs::canonicalize(path);
            found.map_err(|error| Failure::new(Exit::Io, format!("{}: {error}", path.display())))
        };
        let program = program.map_or_else(this_program, whole)?;
        let model = self.model.as_deref().map(whole).transpose()?.map(|path| path.to_string_lossy().into_owned());
        let all = self.efforts.iter().flat_map(|&effort| kernels.iter().map(move |&kernel| (effort, kernel)));
        all.map(|(effort, kernel)| {
            let codec = LmcodecCodec::new(effort, self.model.as_deref())?;
            let mut common = vec!["IN", "-o", "OUT", "--threads", "1", "--kernel", kernel.name()];
            common.extend(model.iter().flat_map(|path| ["--model", path.as_str()]));
            let encode = [&["encode", "--effort", effort.name(), "--no-verify"][..], &common].concat();
            let decode = [&["decode"][..], &common].concat();
            let (encode, decode) = (CommandLine::new(&program, &encode), CommandLine::new(&program, &decode));
            let external = ExternalCodec::new(codec.name(), codec.version(), encode, decode, "ljpg");
            let mut facts = codec.facts();
            facts.insert(KERNEL.into(), kernel.name().into());
            Ok(external.with_facts(facts))
        })
        .collect()
    }
}

/// lmcodec with one model.
#[derive(Debug, Clone)]
pub(super) struct LmcodecCodec {
    name: String,
    version: String,
    facts: BTreeMap<String, String>,
    encode: EncodeOptions,
    decode: DecodeOptions,
}

impl LmcodecCodec {
    /// The embedded model of an effort, or the one in the file `model`.
    pub(super) fn new(effort: Effort, model: Option<&Path>) -> Result<Self, lmcodec::Error> {
        let model = match model {
            Some(path) => Arc::new(Model::from_file(path)?),
            None => effort.model()?,
        };
        let version = format!("{} with model {}", env!("CARGO_PKG_VERSION"), model.sha256());
        let facts = [("model", model.name().to_string()), ("model SHA-256", model.sha256())];
        let facts = facts.into_iter().map(|(key, value)| (key.to_string(), value)).collect();
        let encode = EncodeOptions::new().effort(effort).model(model).verify(false).threads(1);
        let decode = encode.decode_options();
        let name = match effort {
            Effort::Default => "lmcodec".to_string(),
            other => format!("lmcodec-{other}"),
        };
        Ok(Self { name, version, facts, encode, decode })
    }
}

impl Recompressor for LmcodecCodec {
    fn name(&self) -> &str {
        &self.name
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn facts(&self) -> BTreeMap<String, String> {
        self.facts.clone()
    }

    fn encode(&self, jpeg: &[u8]) -> Result<Vec<u8>, CodecError> {
        lmcodec::encode(jpeg, &self.encode).map(|e| e.bytes).map_err(|e| CodecError::Codec(e.into()))
    }

    fn decode(&self, coded: &[u8]) -> Result<Vec<u8>, CodecError> {
        lmcodec::decode(coded, &self.decode).map_err(|e| CodecError::Codec(e.into()))
    }

    fn bit_cost(&self, jpeg: &[u8]) -> Option<Result<BitCost, CodecError>> {
        let cost = lmcodec::bit_cost(jpeg, &self.encode).map_err(|e| CodecError::Codec(e.into()));
        Some(cost.map(|cost| {
            BitCost {
                components: cost
                    .components
                    .into_iter()
                    .map(|c| ComponentCost { name: c.name, last: c.last_bits, positions: c.position_bits.to_vec() })
                    .collect(),
                side_information: cost.side_information_bits,
            }
        }))
    }
}

/// A codec of this project by its name in tables: `lmcodec`, `lmcodec-fast`, `lmcodec-best`, or `store`, which shows what the measuring itself costs.
pub(super) fn codec_by_name(name: &str, model: Option<&Path>) -> Result<Box<dyn Recompressor>, Failure> {
    let effort = match name {
        "store" => return Ok(Box::new(Store)),
        #[cfg(feature = "lepton")]
        "lepton" => return Ok(Box::new(lmcodec_eval::recompress::lepton::Lepton)),
        "lmcodec" => Some(Effort::Default),
        _ => name.strip_prefix("lmcodec-").and_then(|level| level.parse().ok()),
    };
    let unknown = || {
        Failure::new(Exit::Usage, format!("no codec is called {name}: lmcodec, lmcodec-fast, lmcodec-best or store"))
    };
    Ok(Box::new(LmcodecCodec::new(effort.ok_or_else(unknown)?, model)?))
}

/// Lepton as a process: `lmcodec eval codec lepton encode|decode IN OUT`. Its seconds hold the start of this program.
#[cfg(feature = "lepton")]
pub(super) fn lepton_process() -> Result<ExternalCodec, Failure> {
    let (program, lepton) = (this_program()?, lmcodec_eval::recompress::lepton::Lepton);
    let line = |way| CommandLine::new(&program, &["eval", "codec", lepton.name(), way, "IN", "OUT"]);
    Ok(ExternalCodec::new(lepton.name(), lepton.version(), line("encode"), line("decode"), "lep"))
}

fn this_program() -> Result<PathBuf, Failure> {
    std::env::current_exe().map_err(|error| Failure::new(Exit::Io, error.to_string()))
}
