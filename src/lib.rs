//! Recompresses JPEG files byte for byte, with an exact integer Llama as the entropy model.
//!
//! # A photo there and back
//!
//! [`encode()`] takes the bytes of a JPEG file and gives those of a smaller `.ljpg` file; [`decode()`] gives back the very bytes of
//! the JPEG file, metadata and all. The models are part of this crate: there is nothing to load.
//!
//! ```
//! use lmcodec::jpeg::{self, PixelFormat};
//! use lmcodec::{DecodeOptions, Effort, EncodeOptions, Mode};
//!
//! // A JPEG file. Yours comes from a disk.
//! let pixels: Vec<u8> = (0..128 * 128_u32).map(|i| (i % 128 + i / 128) as u8).collect();
//! let image = jpeg::encode_planes(&pixels, 128, 128, PixelFormat::Gray8, &jpeg::EncodeOptions::default())?;
//! let photo = jpeg::write(&image)?;
//!
//! let encoded = lmcodec::encode(&photo, &EncodeOptions::new().effort(Effort::Fast))?;
//! assert_eq!(encoded.summary.mode, Mode::Modelled);
//! assert!(encoded.bytes.len() < photo.len());
//!
//! let decoded = lmcodec::decode(&encoded.bytes, &DecodeOptions::new())?;
//! assert_eq!(decoded, photo);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What the model cannot code, or not make smaller, is *stored* through a general compressor, and [`Mode::Stored`] says why;
//! [`store()`] does that with any bytes. Every result is decoded and compared before `encode` returns. [`encode_from`] and
//! [`decode_from`] read and write streams, [`verify`] decodes and throws away, [`salvage`] gets what is whole out of a
//! damaged file.
//!
//! # Without decoding all of it
//!
//! [`inspect`] and [`metadata`] read the header alone: sizes, model, segments; EXIF, colour profile, comments, thumbnail.
//! [`decode_segment`] runs the model on one segment and gives its quantized coefficients.
//!
//! ```
//! use lmcodec::jpeg::{self, PixelFormat};
//! use lmcodec::{DecodeOptions, EncodeOptions, Limits, Segment};
//!
//! # let pixels: Vec<u8> = (0..64 * 192_u32).map(|i| (i % 64 + i / 64) as u8).collect();
//! # let image = jpeg::encode_planes(&pixels, 64, 192, PixelFormat::Gray8, &jpeg::EncodeOptions::default())?;
//! # let photo = jpeg::write(&image)?;
//! // Segments of 64 lines; unless told otherwise they have about 512.
//! let coded = lmcodec::encode(&photo, &EncodeOptions::new().segment_rows(8))?.bytes;
//! assert_eq!(lmcodec::metadata(&coded, &Limits::default())?.exif, None);
//!
//! let options = DecodeOptions::new();
//! assert_eq!(lmcodec::inspect(&coded, &options)?.segments.len(), 3);
//! let Segment::Rows(rows) = lmcodec::decode_segment(&coded, 1, &options)? else { panic!("codes") };
//! assert_eq!(rows.lines, 64..128);
//! assert_eq!(rows.components[0].coefficients.len(), 8 * 8);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Codebook indices
//!
//! [`encode_codes`] takes `.npy`, `.npz` and `.safetensors` files of VQ indices and RVQ codes: what image tokenizers and neural audio codecs give.
//! Without a model of their own they are coded with one that learns from the codes alone.
//!
//! ```
//! use lmcodec::codes::{self, ByteOrder, CodeArray, CodeSide, ElementType};
//! use lmcodec::{CodesMedium, CodesOptions, DecodeOptions, EncodeOptions};
//!
//! // The file that numpy writes for an array of 300 steps of 4 layers. Yours comes from a disk.
//! let side = CodeSide::numpy(ElementType::U16, ByteOrder::Little, false, &[300, 4]);
//! let npy = codes::write(&CodeArray { side, codes: (0..1200).map(|i| i % 4 * 100 + i / 64).collect() })?;
//!
//! let options = CodesOptions::new(CodesMedium::Rvq { layers_first: false }).codebooks([1024]);
//! let coded = lmcodec::encode_codes(&npy, &options, &EncodeOptions::new())?.bytes;
//! assert_eq!(lmcodec::decode(&coded, &DecodeOptions::new())?, npy);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What a caller decides
//!
//! * [`Effort`]: how much work a photo is worth. Decoding takes as long as encoding.
//! * [`Limits`]: bounds that are checked before memory is allocated. The defaults admit large photos; a server wants lower ones.
//! * [`Execution`]: how many threads, or an [`Executor`] with threads of one's own, and who hears of the progress.
//! * [`ModelRegistry`]: models beside the embedded ones. A file names its model by SHA-256.
//!
//! Results depend on input, model and options alone: never on the number of threads, the processor or its kernels.
//!
//! # Inside
//!
//! A JPEG file becomes quantized DCT coefficients and side information ([`jpeg`]), the coefficients are cut into segments and coded
//! with the model's probabilities (`lmcodec_entropy`), and a header goes in front. `docs/FORMAT.md` fixes every byte.
//!
//! # Features
//!
//! | feature | what it adds |
//! |---|---|
//! | `cli` (default) | the program; a library that is used as one is without: `default-features = false` |
//! | `images` | [`encode()`] for PNG, WebP, TIFF, BMP and PNM, lossily; pixels of a decoded file |
//! | `datasets`, `eval`, `finetune`, … | further commands of the program |
#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod bit_cost;
#[doc(hidden)]
pub mod container;
mod decode;
mod effort;
mod encode;
mod encoded;
mod error;
mod execution;
mod fault;
mod inspect;
mod limits;
mod media;
mod metadata;
mod model_id;
pub mod models;
mod options;
#[cfg(feature = "images")]
pub mod pixels;
mod segment;
pub mod sniff;
mod stream;

pub use bit_cost::{BitCost, ComponentCost, bit_cost};
pub use container::FileAttributes;
pub use decode::{Salvaged, Verified, decode, salvage, verify};
pub use effort::Effort;
pub use encode::{encode, encode_codes, store};
pub use encoded::{CodesSummary, Encoded, Mode, StoredReason, Summary};
pub use error::Error;
pub use execution::{Execution, Executor, Progress};
pub use fault::{SegmentFault, SegmentPlace};
pub use inspect::{
    ArrayInspection, CodesInspection, ComponentInspection, Inspection, JpegInspection, SegmentInspection, inspect,
    libjpeg_quality,
};
pub use limits::Limits;
pub use lmcodec_codecs::codes::{self, CodesError};
pub use lmcodec_codecs::jpeg::{self, Metadata, Subsampling};
pub use lmcodec_entropy::chunks::ChunkError;
pub use lmcodec_entropy::error::ModelError;
pub use lmcodec_entropy::isa::Kernel;
pub use lmcodec_entropy::segment::Estimation;
pub use metadata::{attributes, metadata};
pub use model_id::{ModelId, ModelReference};
pub use models::{Model, ModelRegistry, default_model};
pub use options::{
    CodesMedium, CodesOptions, DEFAULT_SEGMENT_CODES, DEFAULT_SEGMENT_ROWS, DecodeOptions, EncodeOptions,
};
pub use segment::{ComponentRows, Segment, SegmentCodes, SegmentRows, decode_segment};
pub use stream::{decode_from, encode_codes_from, encode_from};
