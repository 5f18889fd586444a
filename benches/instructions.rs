//! How many instructions a row takes, counted by Callgrind: `make callgrind`. Unlike a time, a count is the same on a busy
//! machine, and small changes show.
//!
//! The program runs itself under valgrind, once with few passes over the payloads of a shape and once with more, and divides
//! what the further passes took by their rows, so that starting up counts for nothing. The profiles of the longer runs are
//! kept for `callgrind_annotate`. Without `--bench` each pass is made once, to see that it works.

#[path = "data/passes.rs"]
mod passes;
#[path = "data/payloads.rs"]
mod payloads;

use std::error::Error;
use std::io::{Write as _, stdout};
use std::path::Path;
use std::process::Command;

use pgsluice::decode::test_decoding::TestDecoding;

use crate::passes::Encoding;
use crate::payloads::{Shape, shapes};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Passes of the shorter run, after which all buffers have grown, and of the longer one.
const FEW: u64 = 2;
const MORE: u64 = 6;

/// What is counted.
const PASSES: [&str; 3] = ["frame", "decode", "decode_and_encode"];

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["run", pass, shape, rounds] => {
            let shape = shapes().into_iter().find(|known| known.name == *shape).ok_or("no such shape")?;
            run(pass, &shape, rounds.parse()?)
        }
        arguments if arguments.contains(&"--bench") => table(),
        _ => shapes().iter().try_for_each(|shape| PASSES.iter().try_for_each(|pass| run(pass, shape, 1))),
    }
}

/// What is counted: so many passes.
fn run(pass: &str, shape: &Shape, rounds: u64) -> Result<()> {
    let (mut plugin, stream) = (TestDecoding::new(), passes::framed(shape));
    let mut encoding = Encoding::new().ok_or("the options are refused")?;
    for _ in 0..rounds {
        let (done, all) = match pass {
            "frame" => (passes::walk(&stream), shape.payloads.len() as u64),
            "decode" => (passes::decode(&mut plugin, shape), shape.rows()),
            "decode_and_encode" => (encoding.pass(shape), shape.rows()),
            other => return Err(format!("no pass is called {other}").into()),
        };
        if done != all {
            return Err(format!("{pass} of {}: {done}, not {all}", shape.name).into());
        }
    }
    Ok(())
}

fn table() -> Result<()> {
    let mut out = stdout();
    writeln!(out, "instructions a row")?;
    write!(out, "{:<20}{:>9}", "", "bytes")?;
    for pass in PASSES {
        write!(out, "{pass:>20}")?;
    }
    writeln!(out)?;
    for shape in shapes() {
        write!(out, "{:<20}{:>9}", shape.name, shape.bytes() / shape.rows())?;
        for pass in PASSES {
            let further = count(pass, &shape, MORE)?.saturating_sub(count(pass, &shape, FEW)?);
            write!(out, "{:>20}", further / (MORE - FEW) / shape.rows())?;
            out.flush()?;
        }
        writeln!(out)?;
    }
    writeln!(out, "profiles: callgrind_annotate {}/callgrind.SHAPE.PASS", env!("CARGO_TARGET_TMPDIR"))?;
    Ok(())
}

/// The instructions of a whole run.
fn count(pass: &str, shape: &Shape, rounds: u64) -> Result<u64> {
    let profile = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("callgrind.{}.{pass}", shape.name));
    let mut command = Command::new("valgrind");
    command.arg("--tool=callgrind").arg(format!("--callgrind-out-file={}", profile.display()));
    command.arg(std::env::current_exe()?).args(["run", pass, shape.name, &rounds.to_string()]);
    let output = command.output().map_err(|error| format!("cannot run valgrind: {error}"))?;
    let told = String::from_utf8(output.stderr)?;
    let collected = told.lines().find_map(|line| line.split_once("Collected :"));
    match collected {
        Some((_, count)) if output.status.success() => Ok(count.trim().parse()?),
        _ => Err(format!("valgrind ends with {}: {told}", output.status).into()),
    }
}
