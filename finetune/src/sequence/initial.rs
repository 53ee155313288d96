//! The tables before training, from the checkpoint's own.

use burn::tensor::Device;
use lmcodec_entropy::arrangement::flat::FlatArrangement;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::config::{FinetuneConfig, InitialEmbedding, InitialHead};
use super::heads::{Heads, Rows};
use super::lora::Lora;
use crate::checkpoint::{Checkpoint, HostTensor, Tokenizer};
use crate::run::RunError;

/// Standard deviation of the values of a table.
fn deviation(table: &HostTensor) -> f64 {
    let square: f64 = table.values.iter().map(|v| f64::from(*v) * f64::from(*v)).sum();
    (square / table.values.len().max(1) as f64).sqrt()
}

/// Normal values by Box and Muller's method.
fn normal(n: usize, deviation: f64, rng: &mut ChaCha8Rng) -> Vec<f32> {
    use rand::Rng;
    (0..n)
        .map(|_| {
            let (u, v): (f64, f64) = (rng.random(), rng.random());
            (deviation * (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()) as f32
        })
        .collect()
}

/// For every symbol of every layer the mean of the pretrained rows of the tokens of its value.
fn numerals(table: &HostTensor, tokenizer: &Tokenizer, arrangement: &FlatArrangement) -> Result<Vec<f32>, String> {
    let (rows, d) = (table.shape[0], table.shape[1]);
    let mut out = Vec::new();
    for &vocabulary in &arrangement.vocabularies {
        for symbol in 0..vocabulary {
            let tokens = tokenizer.tokens(&(i64::from(symbol) - i64::from(arrangement.offset)).to_string())?;
            if tokens.is_empty() || tokens.iter().any(|&t| t as usize >= rows) {
                return Err(format!("the tokenizer gives {tokens:?} for a number, the table has {rows} rows"));
            }
            let from = out.len();
            out.resize(from + d, 0.0f32);
            for &t in &tokens {
                let row = &table.values[t as usize * d..][..d];
                out[from..].iter_mut().zip(row).for_each(|(o, v)| *o += v / tokens.len() as f32);
            }
        }
    }
    Ok(out)
}

/// The trained parameters before the first step, on a device with autodiff.
///
/// # Errors
/// [`RunError`] if the checkpoint's tables cannot be read, or numerals are wanted and it has no usable tokenizer.
pub fn initial_heads(config: &FinetuneConfig, checkpoint: &Checkpoint, device: &Device) -> Result<Heads, RunError> {
    let llama = checkpoint.config();
    let d = llama.d_model;
    let rows = Rows::new(&config.arrangement.vocabularies);
    let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
    rng.set_stream(u64::MAX);
    let invalid = |message: String| RunError::Invalid { path: checkpoint.name().into(), message };
    let tokenizer =
        || checkpoint.tokenizer()?.ok_or_else(|| invalid("no tokenizer, which initial tables of numerals need".into()));
    let pretrained = checkpoint.tensor("model.embed_tokens.weight")?;
    let std = deviation(&pretrained);
    let mut embed = match config.initial.embedding {
        InitialEmbedding::Normal => normal(rows.symbols() * d, std, &mut rng),
        InitialEmbedding::Numerals => numerals(&pretrained, &tokenizer()?, &config.arrangement).map_err(invalid)?,
    };
    embed.extend(normal(rows.vocabularies().len() * d, std, &mut rng));
    let head = match config.initial.head {
        InitialHead::Zeros => vec![0.0; rows.symbols() * d],
        InitialHead::Normal => {
            let pretrained = checkpoint.tensor("lm_head.weight")?;
            normal(rows.symbols() * d, 0.1 * deviation(&pretrained), &mut rng)
        }
        InitialHead::Numerals => {
            let pretrained = checkpoint.tensor("lm_head.weight")?;
            numerals(&pretrained, &tokenizer()?, &config.arrangement).map_err(invalid)?
        }
    };
    device.seed(config.seed);
    let lora = config.lora.as_ref().map(|lora| Lora::new(lora, llama, device));
    Ok(Heads::from_tables(embed, head, d, lora, device))
}
