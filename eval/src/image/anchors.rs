//! The anchors: JPEG in its variants, and the codecs whose programs are on the PATH.

use super::pixel_codec::{BuiltInJpeg, Carrier, ExternalPixelCodec, PixelCodec, jpeg_words};
use crate::recompress::peers::{CommandLine, on_path, version_of};
use lmcodec_codecs::jpeg::{EncodeOptions, Subsampling};

/// What is measured.
#[derive(Debug, Clone, PartialEq)]
pub struct AnchorOptions {
    /// Qualities of JPEG from the lowest to the highest, 1..=100.
    pub qualities: Vec<u8>,
    /// Take other codecs from the PATH, and JPEG from libjpeg's programs if they are there.
    pub programs: bool,
    /// Leave the JPEG files at 4:4:4 out.
    pub only_420: bool,
}

/// The codecs of a run.
pub struct Anchors {
    /// All of them; those whose names are in `bases` come first.
    pub codecs: Vec<Box<dyn PixelCodec>>,
    /// Names of the JPEG codecs whose files are recompressed, with the suffix of what is made of them.
    pub bases: Vec<(String, String)>,
    /// Programs that were looked for and are missing.
    pub missing: Vec<String>,
}

/// Name, encoder with arguments, decoder with arguments, argument that prints the version, carriers, extension, settings,
/// description.
struct Known {
    name: &'static str,
    encode: (&'static str, &'static str),
    decode: (&'static str, &'static str),
    version: &'static str,
    carriers: (Carrier, Carrier),
    extension: &'static str,
    settings: &'static [&'static str],
    description: &'static str,
}

const KNOWN: &[Known] = &[
    Known {
        name: "jpeg2000",
        encode: ("opj_compress", "-i IN -o OUT -r SETTING -I"),
        decode: ("opj_decompress", "-i IN -o OUT"),
        version: "-h",
        carriers: (Carrier::Ppm, Carrier::Ppm),
        extension: "jp2",
        settings: &["96", "56", "36", "24", "16", "10"],
        description: "JPEG 2000 (OpenJPEG), 9-7 wavelet, rate by compression ratio",
    },
    Known {
        name: "webp",
        encode: ("cwebp", "-quiet -m 6 -q SETTING IN -o OUT"),
        decode: ("dwebp", "-quiet -ppm IN -o OUT"),
        version: "-version",
        carriers: (Carrier::Ppm, Carrier::Ppm),
        extension: "webp",
        settings: &["5", "25", "50", "70", "84", "94"],
        description: "WebP lossy (VP8, 4:2:0), method 6",
    },
    Known {
        name: "avif",
        encode: ("avifenc", "-j 1 -s 6 --min 0 --max 63 -a end-usage=q -a cq-level=SETTING IN OUT"),
        decode: ("avifdec", "-j 1 IN OUT"),
        version: "--version",
        carriers: (Carrier::Png, Carrier::Png),
        extension: "avif",
        settings: &["54", "44", "35", "27", "20", "13"],
        description: "AVIF (AV1 intra, 4:4:4), speed 6, constant quality",
    },
    Known {
        name: "jxl",
        encode: ("cjxl", "IN OUT -d SETTING -e 7 --num_threads=0 --quiet"),
        decode: ("djxl", "IN OUT --num_threads=0 --quiet"),
        version: "--version",
        carriers: (Carrier::Ppm, Carrier::Ppm),
        extension: "jxl",
        settings: &["7", "4.5", "3", "2", "1.2", "0.6"],
        description: "JPEG XL lossy (VarDCT), effort 7, rate by Butteraugli distance",
    },
];

/// Collects the codecs of a run.
pub fn anchors(options: &AnchorOptions) -> Anchors {
    let qualities: Vec<String> = options.qualities.iter().map(u8::to_string).collect();
    let libjpeg = options.programs && on_path("cjpeg") && on_path("djpeg");
    let mut codecs: Vec<Box<dyn PixelCodec>> = Vec::new();
    let (mut bases, mut missing) = (Vec::new(), Vec::new());
    let samplings = [("420", Subsampling::S420, "2x2"), ("444", Subsampling::S444, "1x1")];
    let samplings = &samplings[..if options.only_420 { 1 } else { 2 }];
    for &(suffix, ..) in samplings {
        bases.push((format!("jpeg-{suffix}"), suffix.to_string()));
    }
    let variants = [("", false, false), ("-optimised", true, false), ("-progressive", false, true)];
    for (variant, optimize, progressive) in variants {
        for &(suffix, subsampling, sample) in samplings {
            let name = format!("jpeg-{suffix}{variant}");
            if libjpeg {
                let extra = if progressive {
                    &["-progressive"][..]
                } else if optimize {
                    &["-optimize"][..]
                } else {
                    &[]
                };
                let mut arguments = vec!["-quality", "SETTING", "-sample", sample, "-baseline"];
                arguments.extend_from_slice(extra);
                arguments.extend(["-outfile", "OUT", "IN"]);
                codecs.push(Box::new(ExternalPixelCodec {
                    name,
                    version: version_of("cjpeg", "-version"),
                    description: format!("JPEG {}", jpeg_words(subsampling, optimize, progressive)),
                    encode: CommandLine::new("cjpeg", &arguments),
                    decode: CommandLine::new("djpeg", &["-ppm", "-outfile", "OUT", "IN"]),
                    carriers: (Carrier::Ppm, Carrier::Ppm),
                    extension: "jpg".into(),
                    settings: qualities.clone(),
                }));
            } else {
                let options = EncodeOptions { subsampling, optimize, progressive, ..EncodeOptions::default() };
                codecs.push(Box::new(BuiltInJpeg { name, options, settings: qualities.clone() }));
            }
        }
    }
    if options.programs {
        if !libjpeg {
            missing.push("cjpeg and djpeg (JPEG by the built-in encoder instead)".into());
        }
        for known in KNOWN {
            if on_path(known.encode.0) && on_path(known.decode.0) {
                codecs.push(Box::new(known.codec()));
            } else {
                missing.push(format!("{} and {} ({})", known.encode.0, known.decode.0, known.name));
            }
        }
    }
    Anchors { codecs, bases, missing }
}

impl Known {
    fn codec(&self) -> ExternalPixelCodec {
        let line =
            |(program, arguments): (&str, &str)| CommandLine::new(program, &arguments.split(' ').collect::<Vec<_>>());
        ExternalPixelCodec {
            name: self.name.into(),
            version: version_line(self.encode.0, self.version),
            description: self.description.into(),
            encode: line(self.encode),
            decode: line(self.decode),
            carriers: self.carriers,
            extension: self.extension.into(),
            settings: self.settings.iter().map(|s| s.to_string()).collect(),
        }
    }
}

/// What a program says about its version: its name in front where it prints a bare number.
fn version_line(program: &str, argument: &str) -> String {
    let line = version_of(program, argument);
    version_words(program, &line)
}

fn version_words(program: &str, line: &str) -> String {
    let bare = line.starts_with(|c: char| c.is_ascii_digit());
    if bare || line.starts_with("Version") { format!("{program} {line}") } else { line.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_programs_jpeg_is_built_in() {
        let options = AnchorOptions { qualities: vec![20, 90], programs: false, only_420: false };
        let anchors = anchors(&options);
        let names: Vec<&str> = anchors.codecs.iter().map(|c| c.name()).collect();
        assert_eq!(names[..3], ["jpeg-420", "jpeg-444", "jpeg-420-optimised"]);
        assert_eq!((names.len(), anchors.bases.len(), anchors.missing.len()), (6, 2, 0));
        assert!(anchors.codecs.iter().all(|c| c.settings() == ["20", "90"] && c.in_process()));
    }

    /// First lines of cwebp 1.2.4, avifenc 0.11.1 and cjxl 0.7.0.
    #[test]
    fn versions_name_their_program() {
        assert_eq!(version_words("cwebp", "1.2.4"), "cwebp 1.2.4");
        assert_eq!(version_words("avifenc", "Version: 0.11.1 (dav1d"), "avifenc Version: 0.11.1 (dav1d");
        assert_eq!(version_words("cjxl", "cjxl v0.7.0 [AVX2]"), "cjxl v0.7.0 [AVX2]");
    }
}
