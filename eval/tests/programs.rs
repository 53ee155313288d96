//! Peers and anchors that are programs, each where it is installed.

use lmcodec_eval::image::anchors::{AnchorOptions, anchors};
use lmcodec_eval::image::measure::{RunOptions, run};
use lmcodec_eval::image::source::ImageSet;
use lmcodec_eval::recompress::codec::Recompressor;
use lmcodec_eval::recompress::measure::{SourceSet, measure};
use lmcodec_eval::recompress::peers::{ExternalCodec, installed_peers};
use lmcodec_needs::{Need, test};

const JPEGTRAN: &[Need] = &[Need::Program("jpegtran")];
const JXL: &[Need] = &[Need::Program("cjxl"), Need::Program("djxl")];

fn main() -> std::process::ExitCode {
    let libjpeg = &[Need::Program("cjpeg"), Need::Program("djpeg")];
    let avif = &[Need::Program("avifenc"), Need::Program("avifdec")];
    let jpeg2000 = &[Need::Program("opj_compress"), Need::Program("opj_decompress")];
    let webp = &[Need::Program("cwebp"), Need::Program("dwebp")];
    lmcodec_needs::run([
        test("jpegtran_recompresses", JPEGTRAN, || recompresses("jpegtran-")),
        test("a_peer_that_fails_says_why_without_a_path", JPEGTRAN, a_peer_that_fails_says_why_without_a_path),
        test("jpeg_xl_recompresses", JXL, || recompresses("cjxl-")),
        test("lepton_recompresses", &[Need::Program("lepton_jpeg_util")], || recompresses("lepton-")),
        test("libjpeg_codes", libjpeg, libjpeg_codes),
        test("jpeg_2000_codes", jpeg2000, || assert!(codes("jpeg2000").len() == 1)),
        test("webp_codes", webp, || assert!(codes("webp").len() == 1)),
        test("avif_codes", avif, || assert!(codes("avif").len() == 1)),
        test("jpeg_xl_codes", JXL, || assert!(codes("jxl").len() == 1)),
    ])
}

/// Some pattern with texture.
fn picture(width: u32, height: u32) -> image::RgbImage {
    image::RgbImage::from_fn(width, height, |x, y| {
        let v = ((x * 7 + y * 3) % 200) as u8;
        image::Rgb([v, v / 2 + (x * y % 17) as u8, 255 - v])
    })
}

/// The peers whose names begin so.
fn peers(prefix: &str) -> Vec<ExternalCodec> {
    let peers: Vec<_> = installed_peers().into_iter().filter(|peer| peer.name().starts_with(prefix)).collect();
    assert!(!peers.is_empty(), "no peer is called {prefix}");
    peers
}

/// Peers give fewer bytes, the source, and their costs.
fn recompresses(prefix: &str) {
    let dir = tempfile::tempdir().unwrap();
    let mut jpeg = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, 80).encode_image(&picture(320, 240)).unwrap();
    std::fs::write(dir.path().join("x.jpg"), jpeg).unwrap();
    let peers = peers(prefix);
    let codecs: Vec<&dyn Recompressor> = peers.iter().map(|p| p as _).collect();
    let table = measure(&[SourceSet::from_folder("s", dir.path()).unwrap()], &codecs, 2, &|| ()).unwrap();
    for codec in &table.sets[0].codecs {
        let file = &codec.files[0];
        assert_eq!(file.error, None, "{}", codec.codec);
        assert!(!codec.version.is_empty(), "{}", codec.codec);
        assert!(codec.saving_percent.unwrap() > 0.0, "{}", codec.codec);
        // The jpegtran peers go back to the source's pixels, not always to its bytes.
        if !codec.codec.starts_with("jpegtran") {
            assert_eq!(file.byte_exact, Some(true), "{}", codec.codec);
        }
        assert!(file.encode_cpu_s.unwrap() > 0.0, "{}", codec.codec);
    }
}

fn a_peer_that_fails_says_why_without_a_path() {
    let error = peers("jpegtran-optimize")[0].encode(b"not a JPEG").unwrap_err().to_string();
    assert!(error.starts_with("jpegtran: exit code 1: ") && !error.contains('/'), "{error}");
}

/// PSNR of the anchors whose names begin so, at all their settings: with better settings it grows.
fn codes(prefix: &str) -> Vec<(String, Vec<f64>)> {
    let mut anchors = anchors(&AnchorOptions { qualities: vec![30, 80], programs: true, only_420: true });
    anchors.codecs.retain(|codec| codec.name().starts_with(prefix));
    let dir = tempfile::tempdir().unwrap();
    picture(64, 48).save(dir.path().join("a.png")).unwrap();
    let set = ImageSet::from_folder("s", dir.path(), Some(1)).unwrap();
    let options = RunOptions { title: "T".into(), threads: 1, thumbnails: None };
    let report = run(&[set], &anchors, &[], None, &options, &|| ()).unwrap();
    assert_eq!(report.sets[0].failures, Vec::<String>::new());
    let curve = |curve: &lmcodec_eval::image::report::Curve| {
        assert!(!curve.version.is_empty(), "{}", curve.name);
        let psnr = curve.results["psnr-rgb"].clone();
        assert!(psnr.is_sorted() && psnr[0] > 12.0, "{} {psnr:?}", curve.name);
        assert!(curve.results["bpp"].iter().all(|b| *b > 0.0));
        (curve.name.clone(), psnr)
    };
    report.sets[0].curves.iter().map(curve).collect()
}

fn libjpeg_codes() {
    let curves = codes("jpeg-");
    assert_eq!(curves.len(), 3);
    assert!(curves.iter().all(|(_, psnr)| *psnr == curves[0].1), "the same coefficients: {curves:?}");
}
