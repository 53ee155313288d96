//! The numbers that the paper prints.

/// A row of Table 2: medium, setting, dataset, CR in percent.
pub struct CrRow {
    /// `jpeg`, `vq` or `rvq`.
    pub medium: &'static str,
    /// Codec as the paper names it.
    pub codec: &'static str,
    /// `QF-20`, `CB-1024`, `RVQ-1:2`, …
    pub setting: &'static str,
    /// Dataset as the paper names it.
    pub dataset: &'static str,
    /// CR in percent.
    pub cr: f64,
}

const fn row(
    medium: &'static str,
    codec: &'static str,
    setting: &'static str,
    dataset: &'static str,
    cr: f64,
) -> CrRow {
    CrRow { medium, codec, setting, dataset, cr }
}

/// Table 2, the column CR.
pub const TABLE_2: &[CrRow] = &[
    row("jpeg", "JPEG", "QF-20", "Imagenet-val", 4.43),
    row("jpeg", "JPEG", "QF-50", "Imagenet-val", 6.98),
    row("jpeg", "JPEG", "QF-80", "Imagenet-val", 8.79),
    row("jpeg", "JPEG", "QF-20", "Kodak", 4.62),
    row("jpeg", "JPEG", "QF-50", "Kodak", 7.58),
    row("jpeg", "JPEG", "QF-80", "Kodak", 9.36),
    row("jpeg", "JPEG", "QF-20", "CLIC", 4.96),
    row("jpeg", "JPEG", "QF-50", "CLIC", 7.45),
    row("jpeg", "JPEG", "QF-80", "CLIC", 9.19),
    row("vq", "VQGAN", "CB-1024", "Imagenet-val", 90.56),
    row("vq", "VQGAN", "CB-16384", "Imagenet-val", 75.31),
    row("vq", "VQGAN", "CB-1024", "Kodak", 90.70),
    row("vq", "VQGAN", "CB-16384", "Kodak", 75.41),
    row("vq", "VQGAN", "CB-1024", "CLIC", 89.78),
    row("vq", "VQGAN", "CB-16384", "CLIC", 74.70),
    row("rvq", "SpeechTokenizer", "RVQ-1", "LibriTTS-clean", 42.53),
    row("rvq", "SpeechTokenizer", "RVQ-1:2", "LibriTTS-clean", 67.36),
    row("rvq", "SpeechTokenizer", "RVQ-1:8", "LibriTTS-clean", 89.59),
    row("rvq", "SpeechTokenizer", "RVQ-1", "LibriTTS-other", 49.57),
    row("rvq", "SpeechTokenizer", "RVQ-1:2", "LibriTTS-other", 70.80),
    row("rvq", "SpeechTokenizer", "RVQ-1:8", "LibriTTS-other", 91.20),
    row("rvq", "SpeechTokenizer", "RVQ-1", "LJSpeech", 42.17),
    row("rvq", "SpeechTokenizer", "RVQ-1:2", "LJSpeech", 66.59),
    row("rvq", "SpeechTokenizer", "RVQ-1:8", "LJSpeech", 89.39),
];

/// Table 2, the column BD-rate, in percent: codec, dataset, value.
pub const TABLE_2_BD: &[(&str, &str, f64)] = &[
    ("JPEG", "Imagenet-val", -53.05),
    ("JPEG", "Kodak", -53.49),
    ("JPEG", "CLIC", -55.66),
    ("VQGAN", "Imagenet-val", -17.42),
    ("VQGAN", "Kodak", -17.30),
    ("VQGAN", "CLIC", -18.11),
    ("SpeechTokenizer", "LibriTTS-clean", -35.35),
    ("SpeechTokenizer", "LibriTTS-other", -31.99),
    ("SpeechTokenizer", "LJSpeech", -36.49),
];

/// Table 3: vocabulary, millions of fine-tuned parameters, percent.
pub const TABLE_3: &[(u32, f64, f64)] = &[
    (256, 2.1, 0.026),
    (1024, 8.4, 0.105),
    (2048, 16.8, 0.210),
    (4096, 33.6, 0.419),
    (8192, 67.1, 0.839),
    (16384, 134.2, 1.678),
];

/// Table 4: chunk, seconds for JPEG 64×64 (vocabulary 256), VQGAN 256×256 (1024), VQGAN (16384).
pub const TABLE_4: &[(u32, f64, f64, f64)] = &[
    (256, 2.33, 0.171, 0.99),
    (512, 2.34, 0.174, 1.05),
    (1024, 2.37, 0.180, 1.25),
    (2048, 3.43, 0.267, 1.60),
    (4096, 4.92, 0.354, 2.10),
    (8192, 11.69, 0.759, 2.26),
];

/// Codes of an image in Table 4: JPEG 64×64, VQGAN 16×16.
pub const TABLE_4_CODES: [u64; 3] = [4096, 256, 256];

/// Table 5: dataset, quality, CR with zigzag and with raster order, in percent.
pub const TABLE_5: &[(&str, u32, f64, f64)] = &[
    ("Kodak", 20, 5.11, 4.62),
    ("Kodak", 50, 7.79, 7.58),
    ("Kodak", 80, 9.44, 9.36),
    ("CLIC", 20, 5.34, 4.96),
    ("CLIC", 50, 7.68, 7.45),
    ("CLIC", 80, 9.33, 9.19),
];

/// Table 6 (Kodak): quality, bpp of JPEG with Huffman coding, bpp with the LLM.
pub const TABLE_6: &[(u32, f64, f64)] = &[(20, 0.72, 0.370), (50, 1.27, 0.606), (80, 1.52, 0.749)];

/// Table 7 (Imagenet-val): codebook, bpp of the indices, bpp with the LLM, CR in percent.
pub const TABLE_7: &[(u32, f64, f64, f64)] = &[(1024, 0.0391, 0.0355, 90.56), (16384, 0.0546, 0.0412, 75.31)];

/// Table 8 (LJSpeech): layers, bps of the codes, bps with the LLM, CR in percent.
pub const TABLE_8: &[(&str, f64, f64, f64)] =
    &[("RVQ-1", 600.0, 253.02, 42.17), ("RVQ-1:2", 1200.0, 799.08, 66.59), ("RVQ-1:8", 4800.0, 4290.72, 89.39)];

/// Table 9 (FreqCodec): layers, CR in percent on LibriTTS-clean, LibriTTS-other, LJSpeech.
pub const TABLE_9: &[(&str, f64, f64, f64)] = &[
    ("RVQ-1", 92.19, 97.45, 91.44),
    ("RVQ-1:2", 95.60, 98.73, 95.22),
    ("RVQ-1:8", 98.90, 99.68, 98.81),
    ("RVQ-1:32", 99.73, 99.92, 99.70),
];

/// Section 5.3 on Figure 7: dataset, CR of JPEG in percent at chunk 256 and at chunk 8192.
pub const FIGURE_7: &[(&str, f64, f64)] = &[("Kodak", 10.78, 5.3), ("CLIC", 9.56, 5.02)];
