//! `pgsluice decode`, the program: what it prints for every capture, and what it does with what it cannot read.

#![cfg(feature = "kafka")]
#![cfg(test)]

mod support {
    pub(crate) mod corpus;
}

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::thread;

use serde_json::Value;
use support::corpus::{Case, cases, hex};

/// What a run leaves.
struct Ended {
    code: Option<i32>,
    output: String,
    errors: Vec<String>,
}

impl Ended {
    /// Each line as JSON.
    fn values(&self) -> Vec<Value> {
        let read = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        self.output.lines().map(read).collect()
    }
}

fn decode(framing: &str, output: &str, input: &[u8]) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pgsluice"));
    command.args(["decode", "--framing", framing, "--output", output]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().expect("the program starts");
    let mut pipe = process.stdin.take().expect("a pipe");
    let output = thread::scope(|scope| {
        scope.spawn(move || pipe.write_all(input).expect("it reads all of it"));
        process.wait_with_output().expect("it ends")
    });
    Ended {
        code: output.status.code(),
        output: String::from_utf8(output.stdout).expect("it prints UTF-8"),
        errors: String::from_utf8(output.stderr)
            .expect("it complains in UTF-8")
            .lines()
            .map(str::to_owned)
            .collect(),
    }
}

fn in_hex(payloads: &[&[u8]]) -> Vec<u8> {
    payloads.iter().flat_map(|payload| (hex(payload) + "\n").into_bytes()).collect()
}

/// As the server frames them.
fn copy_data(payloads: &[&[u8]]) -> Vec<u8> {
    let mut framed = Vec::new();
    for payload in payloads {
        framed.push(b'd');
        framed.extend_from_slice(
            &u32::try_from(4 + 25 + payload.len()).expect("a short payload").to_be_bytes(),
        );
        framed.push(b'w');
        framed.extend_from_slice(&[0; 24]);
        framed.extend_from_slice(payload);
        // A keepalive in between is no payload.
        framed.extend_from_slice(b"d\0\0\0\x16k");
        framed.extend_from_slice(&[0; 17]);
    }
    framed
}

fn payloads(case: &Case) -> Vec<&[u8]> {
    case.frames.iter().map(|frame| frame.payload.as_slice()).collect()
}

#[test]
fn prints_the_reading_of_every_capture() {
    let cases = cases();
    let mut read = 0;
    for case in &cases {
        let expected: Vec<&Value> = case.frames.iter().map(|frame| &frame.ast).collect();
        let framings = [("hex", in_hex(&payloads(case))), ("copydata", copy_data(&payloads(case)))];
        for (framing, input) in framings {
            let ended = decode(framing, "ast", &input);
            assert_eq!((ended.code, &ended.errors), (Some(0), &Vec::new()), "{} in {framing}", case.name);
            let found = ended.values();
            assert_eq!(found.len(), expected.len(), "{} in {framing}", case.name);
            for (n, (found, expected)) in found.iter().zip(&expected).enumerate() {
                assert_eq!(found, *expected, "{} in {framing}, message {n}", case.name);
            }
            read += found.len();
        }
    }
    println!("{read} messages of {} captures", cases.len());
    assert_eq!(read, 2 * cases.iter().map(|case| case.frames.len()).sum::<usize>());
}

#[test]
fn prints_the_reading_of_every_captured_line() {
    let cases = cases();
    let frames = cases.iter().flat_map(|case| &case.frames).filter(|frame| !frame.payload.contains(&b'\n'));
    let (payloads, expected): (Vec<_>, Vec<_>) =
        frames.map(|frame| (frame.payload.as_slice(), &frame.ast)).unzip();
    let ended = decode("lines", "ast", &payloads.join(&b'\n'));
    assert_eq!((ended.code, &ended.errors), (Some(0), &Vec::new()));
    assert!(ended.values().iter().eq(expected.iter().copied()) && expected.len() > 9_000);
}

/// Captured under settings of their own: binary strings are escaped in one, in the other floats are shortened until the
/// greatest is out of range.
const OTHER_SETTINGS: [&str; 2] = ["settings-odd", "types-scalar.pg11"];

/// Of every message whose text is UTF-8 and which a stream without two-phase decoding and stream-changes can have,
/// under the settings that the program pins.
#[test]
fn makes_an_event_of_every_capture() {
    let mut events = 0;
    for case in cases().iter().filter(|case| !OTHER_SETTINGS.contains(&case.name.as_str())) {
        let has_event = |frame: &&support::corpus::Frame| {
            let kind = frame.ast["k"].as_str().unwrap_or_default();
            !kind.starts_with("stream_")
                && !kind.contains("prepare")
                && std::str::from_utf8(&frame.payload).is_ok()
        };
        let frames: Vec<_> = case.frames.iter().filter(has_event).collect();
        let payloads: Vec<&[u8]> = frames.iter().map(|frame| frame.payload.as_slice()).collect();
        let ended = decode("hex", "events", &in_hex(&payloads));
        assert_eq!((ended.code, &ended.errors), (Some(0), &Vec::new()), "{}", case.name);
        assert_eq!(ended.values().len(), frames.len(), "{}", case.name);
        events += frames.len();
    }
    assert!(events > 5_000, "{events}");
}

/// Payloads with a fault, and the byte at which it is.
const FAULTY: &[(&[u8], usize)] = &[
    (b"", 0),
    (b"BEGIN x", 6),
    (b"COMMIT 5 (at yesterday)", 13),
    (b"table public.t: INSERT: id[integer]", 34),
    (b"table public.t: INSERT: id[integer]:1 secret[text]:'Secret", 58),
    (b"table public.t: INSERT: secret[text]:'Sec\nret'x", 46),
    (b"table public.\"a\nb\": UPDATE: id[integer]:1 Secret", 42),
    (b"table public.t: TRUNCATE: everything", 25),
    (b"message: transactional: 1 prefix: Secret, sz: 7 content:Secret", 34),
    (b"PREPARE TRANSACTION 'Secret", 27),
    (b"\xff\0", 0),
];

#[test]
fn a_payload_it_cannot_read_is_one_line_of_errors_and_the_next_goes_on() {
    let good: &[u8] = b"BEGIN 7";
    let mut input = vec![good];
    for (payload, _) in FAULTY {
        input.extend([payload, good]);
    }
    for (framing, framed) in [("hex", in_hex(&input)), ("copydata", copy_data(&input))] {
        for output in ["ast", "events"] {
            let ended = decode(framing, output, &framed);
            assert_eq!(ended.code, Some(1), "{:?}", ended.errors);
            assert_eq!(ended.values().len(), FAULTY.len() + 1, "{framing}");
            assert_eq!(ended.errors.len(), FAULTY.len() + 1, "{:?}", ended.errors);
            for (number, (line, (payload, at))) in ended.errors.iter().zip(FAULTY).enumerate() {
                let shown = payload.escape_ascii();
                assert!(line.starts_with(&format!("payload {}: ", 2 * number + 2)), "{line}, for {shown}");
                let place = line.split_once(" at byte ").expect("a place").1;
                let place: String = place.chars().take_while(char::is_ascii_digit).collect();
                assert_eq!(place, at.to_string(), "{line}, for {shown}");
                assert!(line.contains("expected ") && !line.contains("Secret"), "{line}, for {shown}");
            }
            let last = ended.errors.last().expect("a last line");
            assert_eq!(
                last,
                &format!("pgsluice: {} of {} payloads could not be decoded", FAULTY.len(), input.len())
            );
        }
    }
}

#[test]
fn input_that_is_no_payload_is_told_too() {
    let ended = decode("hex", "ast", b"424547494e\n0\n42x5\n434f4d4d4954\n");
    assert_eq!((ended.code, ended.values().len()), (Some(1), 2));
    assert_eq!(ended.errors.len(), 3, "{:?}", ended.errors);
    assert!(ended.errors[0].starts_with("payload 2: ") && ended.errors[1].starts_with("payload 3: "));

    let mut cut = copy_data(&[b"BEGIN 1", b"COMMIT 1"]);
    cut.truncate(cut.len() - 30);
    let ended = decode("copydata", "ast", &cut);
    assert_eq!((ended.code, ended.values().len()), (Some(1), 1));
    assert!(ended.errors[0].starts_with("payload 2: "), "{:?}", ended.errors);

    // What has no event has a reading.
    let two_phase: &[&[u8]] =
        &[b"PREPARE TRANSACTION 'a', txid 5", b"streaming change for TXN 5", b"BEGIN 6"];
    let ended = decode("hex", "events", &in_hex(two_phase));
    assert_eq!((ended.code, ended.values().len(), ended.errors.len()), (Some(1), 1, 3), "{:?}", ended.errors);
    assert!(ended.errors[1].starts_with("payload 2: ") && ended.errors[1].contains("--output ast"));
    assert_eq!(decode("hex", "ast", &in_hex(two_phase)).code, Some(0));
    // Nor has text that is not UTF-8.
    let latin1: &[&[u8]] = &[b"table public.\"a\nb\": INSERT: v[text]:'K\xe4se'", b"BEGIN 6"];
    let ended = decode("hex", "events", &in_hex(latin1));
    assert_eq!((ended.code, ended.values().len(), ended.errors.len()), (Some(1), 1, 2), "{:?}", ended.errors);
    assert!(ended.errors[0].starts_with("payload 1: "), "{:?}", ended.errors);
}

#[test]
fn nothing_is_nothing() {
    for framing in ["hex", "copydata", "lines"] {
        let ended = decode(framing, "ast", b"");
        assert_eq!((ended.code, ended.output.as_str(), ended.errors.len()), (Some(0), "", 0), "{framing}");
    }
}
