//! Peak memory of programs: theirs, not that of the process that measures.
#![cfg(all(feature = "eval", target_os = "linux"))]

use std::process::Command;

use lmcodec_eval::recompress::process::{ProcessError, own_resident_bytes, run_measured, use_launcher};

const PROGRAM: &str = env!("CARGO_BIN_EXE_lmcodec");

#[test]
fn a_small_program_of_a_large_process_reads_small() {
    let held = std::hint::black_box(vec![1u8; 256 << 20]);
    use_launcher(PROGRAM.as_ref(), &["eval", "launch"]);
    let dir = tempfile::tempdir().expect("temporary folder");
    let shell = |script: &str| {
        run_measured(Command::new("sh").args(["-c", script]).current_dir(dir.path()), &dir.path().join("stderr"))
    };
    // Twenty million bytes in a variable of the shell, and none.
    let large = shell("x=$(head -c 20000000 /dev/zero | tr '\\0' a); [ ${#x} = 20000000 ]").expect("runs");
    let large = large.peak_bytes.expect("above the launcher's own");
    assert!((20_000_000..128_000_000).contains(&large), "{large}");
    let small = shell("true").expect("runs").peak_bytes;
    assert!(small.is_none_or(|peak| peak < 20_000_000), "{small:?}");
    assert!(own_resident_bytes().expect("Linux tells") > 256 << 20);
    drop(held);

    let usage = shell("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done").expect("runs");
    assert!(usage.cpu_s.expect("Linux tells") > 0.001, "{usage:?}");
    match shell("pwd > here; echo bad input >&2; kill -9 $$") {
        Err(ProcessError::Failed { program, status, message }) => {
            assert_eq!((&*program, &*message), ("sh", "bad input"));
            assert!(status.contains('9'), "{status}");
        }
        other => panic!("{other:?}"),
    }
    assert!(dir.path().join("here").is_file());
    let missing = run_measured(&mut Command::new("no-such-program-xyz"), &dir.path().join("stderr"));
    assert!(matches!(missing, Err(ProcessError::Io { .. })), "{missing:?}");
}
