//! JPEG coefficients under a sequence Llama.

use lmcodec_codecs::jpeg::JpegImage;
use lmcodec_entropy::arrangement::flat::{Components, FlatArrangement, Medium, Streams};

use super::groups::{Groups, default_group};
use crate::container::{Content, SequenceJpegContent};
use crate::error::Error;
use crate::models::{Model, SequenceModel};
use crate::options::{DecodeOptions, EncodeOptions};
use crate::segments::{Bands, Meter, SegmentFault};

/// The whole image as one band.
fn whole(image: &JpegImage) -> Bands {
    Bands::new(image, usize::MAX)
}

/// What an arrangement cannot code of an image.
fn misfit(arrangement: &FlatArrangement, components: usize) -> Option<String> {
    match arrangement.medium {
        Medium::Jpeg { components: Components::Luma, .. } if components != 1 => {
            Some(format!("it codes luma alone, the image has {components} components"))
        }
        Medium::Jpeg { .. } => None,
        other => Some(format!("it is for {}", other.name())),
    }
}

/// Codes an image: what goes into the header, the payloads, and the number of symbols.
pub(crate) fn encode(
    image: &JpegImage,
    model: &Model,
    sequence: &SequenceModel,
    options: &EncodeOptions,
    share: std::ops::Range<f64>,
) -> Result<(Content, Vec<Vec<u8>>, u64), Error> {
    let arrangement = &sequence.arrangement;
    if let Some(why) = misfit(arrangement, image.components.len()) {
        return Err(Error::Option(format!("model {} does not fit: {why}", model.name())));
    }
    let fault = |source: lmcodec_entropy::arrangement::flat::ArrangementError| Error::Arrangement {
        name: model.name().into(),
        source: source.into(),
    };
    let mut streams = Streams::new(arrangement.clone()).map_err(fault)?;
    streams.push_planes(&whole(image).planes(0, image)).map_err(fault)?;
    let per_group = options.segment_chunks.unwrap_or_else(|| default_group(arrangement.chunk as usize));
    let groups = Groups::new(sequence, &[streams.streams()[0].symbols.len()], per_group.get());
    let meter = Meter::of_symbols(&options.execution, groups.symbols(), share);
    let payloads = groups.encode(&streams.chunks(), &options.execution, &options.limits, &meter)?;
    let content = Content::SequenceJpeg(SequenceJpegContent {
        model: model.reference(),
        side: image.side.to_bytes(),
        chunks_per_segment: per_group.get() as u64,
    });
    Ok((content, payloads, groups.symbols()))
}

/// Decodes the payloads into an image whose coefficients are zero; those of faulty groups stay so.
pub(crate) fn decode(
    image: &mut JpegImage,
    content: &SequenceJpegContent,
    payloads: &[Result<&[u8], Error>],
    options: &DecodeOptions,
    base: usize,
    share: std::ops::Range<f64>,
) -> Result<Vec<SegmentFault>, Error> {
    let model = content.model.find(&options.models)?;
    let sequence = model.need_sequence()?;
    if let Some(why) = misfit(&sequence.arrangement, image.components.len()) {
        return Err(Error::malformed(base, format!("model {} cannot have coded this: {why}", model.name())));
    }
    let bands = whole(image);
    let mut planes = bands.zeroed(0, image);
    let length = 64 * planes.iter().map(|plane| plane.blocks.len()).sum::<usize>();
    let per_group = usize::try_from(content.chunks_per_segment).unwrap_or(usize::MAX);
    let groups = Groups::new(sequence, &[length], per_group);
    if groups.count() != payloads.len() {
        let what = format!("{} segments where the image needs {}", payloads.len(), groups.count());
        return Err(Error::malformed(base, what));
    }
    let meter = Meter::of_symbols(&options.execution, groups.symbols(), share);
    let (chunks, faults) = groups.decode(payloads, &options.execution, &options.limits, &meter)?;
    Streams::from_chunks(sequence.arrangement.clone(), &[length], &chunks)
        .and_then(|streams| streams.fill_planes(&mut planes))
        .map_err(|error| Error::malformed(base, error.to_string()))?;
    bands.fill(0, &planes, image);
    Ok(faults)
}
