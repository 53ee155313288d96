//! Containers of other programs that hold codes in ways of their own: named, with the lines of Python that export them.

use super::{CodesError, zip};

/// First bytes of an EnCodec file (`encodec/binary.py`).
const ECDC: &[u8] = b"ECDC";
/// A pickle of protocol 2 to 5; `torch.save` wrote such before it wrote ZIP files.
const PICKLES: [&[u8]; 4] = [b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"];

const TORCH: CodesError = CodesError::Foreign {
    what: "a file of torch.save (.pt), which only Python reads",
    export: [
        "import numpy, torch; codes = torch.load(\"FILE.pt\", map_location=\"cpu\")",
        "numpy.save(\"codes.npy\", codes)  # of a dictionary: codes[\"codes\"]",
    ],
};

/// The error that names such a file, if it is one.
pub(super) fn named(bytes: &[u8]) -> Option<CodesError> {
    if bytes.starts_with(ECDC) {
        return Some(CodesError::Foreign {
            what: "an EnCodec file (.ecdc), whose codes are compressed already",
            export: [
                "import encodec.compress, numpy, torch; encodec.EncodecModel.decode = lambda model, frames: \
                 (numpy.save(\"codes.npy\", torch.cat([frame[0] for frame in frames], 2)), frames[0][0])[1]",
                "encodec.compress.decompress(open(\"FILE.ecdc\", \"rb\").read())  # then: --rvq --layers-first",
            ],
        });
    }
    let pickled = |member: &zip::Member| member.name.ends_with("/data.pkl") || member.name == "data.pkl";
    let archive = zip::looks_like(bytes) && zip::members(bytes).is_some_and(|members| members.iter().any(pickled));
    (archive || PICKLES.iter().any(|magic| bytes.starts_with(magic))).then_some(TORCH)
}

/// The error that names a `.npy` file of pickled objects; `pickle` begins after its header.
pub(super) fn pickled(pickle: &[u8]) -> CodesError {
    // What `DACFile.save` of descript-audio-codec writes is a dictionary with these keys.
    let has = |key: &[u8]| pickle.windows(key.len()).any(|window| window == key);
    if has(b"codes") && has(b"chunk_length") {
        return CodesError::Foreign {
            what: "a file of descript-audio-codec (.dac), a pickled dictionary",
            export: [
                "import numpy",
                "numpy.save(\"codes.npy\", numpy.load(\"FILE.dac\", allow_pickle=True).item()[\"codes\"])  \
                 # then: --rvq --layers-first",
            ],
        };
    }
    CodesError::Foreign {
        what: "a .npy file of pickled Python objects (`|O`), not of numbers",
        export: [
            "import numpy; codes = numpy.load(\"FILE.npy\", allow_pickle=True)",
            "numpy.save(\"codes.npy\", numpy.stack(codes))  # of a dictionary: codes.item()[\"codes\"]",
        ],
    }
}
