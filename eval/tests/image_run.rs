//! The image run with codecs whose behaviour is known, and with the built-in JPEG.

use lmcodec_eval::image::anchors::{AnchorOptions, Anchors, anchors};
use lmcodec_eval::image::document::document;
use lmcodec_eval::image::measure::{RunOptions, run};
use lmcodec_eval::image::pixel_codec::PixelCodec;
use lmcodec_eval::image::report::ImageReport;
use lmcodec_eval::image::source::{ImageSet, Pixels};
use lmcodec_eval::recompress::bit_cost::{BitCost, ComponentCost};
use lmcodec_eval::recompress::codec::Commands;
use lmcodec_eval::recompress::codec::{CodecError, Measured, Recompressor, Store};

fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, step) in [("a", 3), ("b", 7)] {
        let image = image::RgbImage::from_fn(64, 48, |x, y| {
            let v = ((x * step + y * 2) % 256) as u8;
            image::Rgb([v, (x * y % 97) as u8 + v / 4, 255 - v])
        });
        image.save(dir.path().join(format!("{name}.png"))).unwrap();
    }
    dir
}

fn measured(bytes: Vec<u8>) -> Measured {
    Measured { bytes, cpu_s: Some(0.5), wall_s: 1.0, peak_bytes: Some(7) }
}

/// Drops the low bits of every sample: the setting says how many bits are kept. Setting 3 fails on image b; `tall` decodes to
/// another size.
struct Bits {
    name: &'static str,
    settings: Vec<String>,
    tall: bool,
}

impl PixelCodec for Bits {
    fn name(&self) -> &str {
        self.name
    }
    fn version(&self) -> &str {
        "1"
    }
    fn settings(&self) -> &[String] {
        &self.settings
    }
    fn commands(&self) -> Option<Commands> {
        None
    }
    fn description(&self) -> String {
        "keeps high bits".into()
    }
    fn in_process(&self) -> bool {
        true
    }
    fn encode(&self, image: &Pixels, setting: &str) -> Result<Measured, CodecError> {
        // Image b holds 7 in its second pixel.
        if setting == "3" && image.rgb[3] == 7 {
            return Err(CodecError::Codec("too hard".into()));
        }
        let keep: u32 = setting.parse().unwrap();
        let mut bytes = vec![keep as u8, image.width as u8, image.height as u8];
        bytes.extend(image.rgb.iter().map(|v| v >> (8 - keep) << (8 - keep)));
        bytes.resize(bytes.len() + 100 * keep as usize, 0);
        Ok(measured(bytes))
    }
    fn decode(&self, coded: &[u8]) -> Result<(Pixels, Measured), CodecError> {
        let (width, height) = (u32::from(coded[1]), u32::from(coded[2]));
        let size = 3 * width as usize * height as usize;
        let (width, height) = if self.tall { (height, width) } else { (width, height) };
        Ok((Pixels { width, height, rgb: coded[3..3 + size].to_vec() }, measured(Vec::new())))
    }
}

/// Gives back what it got, but for its first byte.
struct Forgetful;
impl Recompressor for Forgetful {
    fn name(&self) -> &str {
        "forgetful"
    }
    fn encode(&self, jpeg: &[u8]) -> Result<Vec<u8>, CodecError> {
        Ok(jpeg[1..].to_vec())
    }
    fn decode(&self, coded: &[u8]) -> Result<Vec<u8>, CodecError> {
        Ok([&[9], coded].concat())
    }
}

/// Store, with a bit cost.
struct Counted;
impl Recompressor for Counted {
    fn name(&self) -> &str {
        "store"
    }
    fn encode(&self, _: &[u8]) -> Result<Vec<u8>, CodecError> {
        Err(CodecError::Codec("never asked".into()))
    }
    fn decode(&self, _: &[u8]) -> Result<Vec<u8>, CodecError> {
        Err(CodecError::Codec("never asked".into()))
    }
    fn bit_cost(&self, jpeg: &[u8]) -> Option<Result<BitCost, CodecError>> {
        let y = ComponentCost { name: "Y".into(), last: 1.0, positions: vec![f64::from(jpeg[0]); 64] };
        Some(Ok(BitCost { components: vec![y], side_information: 8.0 }))
    }
}

fn report(threads: usize) -> ImageReport {
    let dir = folder();
    let settings = ["1", "2", "3"].map(str::to_string).to_vec();
    let codecs: Vec<Box<dyn PixelCodec>> = vec![
        Box::new(Bits { name: "jpeg-420", settings: settings.clone(), tall: false }),
        Box::new(Bits { name: "tall", settings, tall: true }),
    ];
    let anchors = Anchors { codecs, bases: vec![("jpeg-420".into(), "420".into())], missing: Vec::new() };
    let recompressors: Vec<Box<dyn Recompressor>> = vec![Box::new(Store), Box::new(Forgetful)];
    let set = ImageSet::from_folder("s", dir.path(), None).unwrap();
    let options = RunOptions { title: "T".into(), threads, thumbnails: None };
    run(&[set], &anchors, &recompressors, Some(&Counted), &options, &|| ()).unwrap()
}

#[test]
fn failures_are_listed_and_never_become_points() {
    let report = report(1);
    let set = &report.sets[0];
    let curve = |name: &str| set.curves.iter().find(|c| c.name == name).unwrap();
    // Setting 3 fails on image b: no mean that could be compared, but image a keeps its point.
    assert_eq!(curve("jpeg-420").complete, ["1", "2"]);
    assert_eq!(curve("jpeg-420").images[0].points.len(), 3);
    assert_eq!(curve("store-420").results["psnr-rgb"], curve("jpeg-420").results["psnr-rgb"]);
    assert_eq!(curve("store-420").results["bpp"], curve("jpeg-420").results["bpp"]);
    let bpp = 8.0 * (3.0 + 64.0 * 48.0 * 3.0 + 100.0) / (64.0 * 48.0);
    assert!((curve("jpeg-420").results["bpp"][0] - bpp).abs() < 1e-12);
    // Pixels of another size and files that do not come back are failures.
    assert!(curve("tall").results.is_empty() && curve("forgetful-420").results.is_empty());
    let failures = set.failures.join("\n");
    for says in [
        "b, jpeg-420 3: encode: too hard",
        "a, tall 1: images differ",
        "forgetful-420 1: the JPEG file did not come back",
    ] {
        assert!(failures.contains(says), "{failures}");
    }
    assert_eq!(failures.lines().count(), 1 + 1 + 5 + 5);
    // Costs: setting 2 of both images, the first byte being the setting.
    let cost = set.bit_costs.iter().find(|c| c.setting == "2").unwrap();
    assert_eq!(
        (cost.images, cost.curve.as_str(), cost.cost.components[0].total()),
        (2, "store-420", 2.0 * (1.0 + 128.0))
    );
    assert_eq!(cost.file_bits, 2 * 8 * (3 + 64 * 48 * 3 + 200));
    // An optimised table saves nothing here: the recompressor's shift is zero.
    let bd = set.bd.iter().find(|e| e.test == "store-420" && e.metric == "psnr-rgb" && e.error.is_none()).unwrap();
    assert!(bd.bd_rate.unwrap().value.unwrap().abs() < 1e-9 && bd.images == 2);
    let few = set.bd.iter().find(|e| e.test == "store-420" && e.error.is_some()).unwrap();
    assert!(few.error.as_deref().unwrap().contains("rate points: 2; Cubic needs at least 4"), "{few:?}");
    assert!(document(&report).to_markdown().contains("* Failed: b, jpeg-420 3: encode: too hard"));
}

#[test]
fn threads_change_no_size_and_json_comes_back() {
    let (one, two) = (report(1), report(2));
    for (a, b) in one.sets[0].curves.iter().zip(&two.sets[0].curves) {
        assert_eq!((&a.name, &a.complete, a.results.get("bpp")), (&b.name, &b.complete, b.results.get("bpp")));
        assert!(!b.results.contains_key("encoding_cpu_s"), "clocks of one process mix");
    }
    let json = serde_json::to_string(&one).unwrap();
    assert_eq!(serde_json::from_str::<ImageReport>(&json).unwrap(), one);
}

#[test]
fn built_in_jpeg_codes_and_decodes() {
    let anchors = anchors(&AnchorOptions { qualities: vec![50], programs: false, only_420: false });
    let dir = folder();
    let set = ImageSet::from_folder("s", dir.path(), Some(1)).unwrap();
    let options = RunOptions { title: "T".into(), threads: 1, thumbnails: Some(16) };
    let report = run(&[set], &anchors, &[], None, &options, &|| ()).unwrap();
    let set = &report.sets[0];
    assert_eq!(set.failures, Vec::<String>::new());
    for curve in &set.curves {
        assert!(!curve.version.is_empty(), "{}", curve.name);
        let psnr = &curve.results["psnr-rgb"];
        assert!(psnr.is_sorted() && psnr[0] > 12.0, "{} {psnr:?}", curve.name);
        assert!(curve.results["bpp"].iter().all(|b| *b > 0.0));
    }
    let jpeg = |name: &str| set.curves.iter().find(|c| c.name == name).unwrap();
    for suffix in ["-optimised", "-progressive"] {
        let variant = jpeg(&format!("jpeg-420{suffix}"));
        assert_eq!(variant.results["psnr-rgb"], jpeg("jpeg-420").results["psnr-rgb"], "the same coefficients");
    }
}
