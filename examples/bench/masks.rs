//! Masking of secrets in output, as fast as the pump can have it.

use std::{hint::black_box, time::Instant};

use aho_corasick::AhoCorasick;
use strongbox::{
    container::{NamedSecret, masked},
    domain::SecretBytes,
};

use super::{
    figures::{Figure, Samples},
    load::ROUNDS,
    number,
};

/// How much text is masked in a sample unless it is said otherwise, and in what batches it comes.
const MEBIBYTES: usize = 256;
const BATCH: usize = 64 << 10;

/// Megabytes a second with no, ten and a hundred secrets. The peer looks for the values as they are, by an automaton that
/// keeps copies of them; ours looks for their escaped forms too. With no secrets both only copy.
pub fn figures() -> Vec<Figure> {
    let (text, mebibytes) = (text(), number("BENCH_MASK_MIB", MEBIBYTES));
    let counts = [0, 10, 100];
    let mut samples: Vec<(Samples, Samples)> = counts.iter().map(|_| Default::default()).collect();
    for _ in 0..ROUNDS {
        for (count, (ours, theirs)) in counts.iter().zip(&mut samples) {
            let secrets = secrets(*count);
            ours.add(rate(mebibytes, || masked(&secrets, std::iter::repeat_n(text.as_slice(), batches(mebibytes)))));
            theirs.add(rate(mebibytes, || replaced(&secrets, &text, batches(mebibytes))));
        }
    }
    let figure = |(count, (ours, theirs)): (&usize, &(Samples, Samples))| {
        Figure::of(&format!("masking of {count} secrets in output"), "MB/s", ours, theirs, "aho-corasick, as they are")
    };
    counts.iter().zip(&samples).map(figure).collect()
}

fn rate(mebibytes: usize, work: impl Fn() -> usize) -> f64 {
    let begin = Instant::now();
    let shown = work();
    assert!(shown >= mebibytes * (1 << 20));
    shown as f64 / 1e6 / begin.elapsed().as_secs_f64()
}

fn batches(mebibytes: usize) -> usize {
    mebibytes * (1 << 20) / BATCH
}

/// The peer. It is not told of values that are cut by the end of a batch.
fn replaced(secrets: &[NamedSecret], text: &[u8], batches: usize) -> usize {
    let find = AhoCorasick::new(secrets.iter().map(|secret| secret.value.expose())).expect("an automaton");
    let masks: Vec<String> = secrets.iter().map(|secret| format!("[redacted:{}]", secret.name)).collect();
    (0..batches).map(|_| black_box(find.replace_all_bytes(black_box(text), &masks)).len()).sum()
}

/// Passwords as servers make them.
fn secrets(count: usize) -> Vec<NamedSecret> {
    let secret = |n: usize| NamedSecret {
        name: format!("secret-{n}/password"),
        value: SecretBytes::new(format!("{}-{n}", hex::encode(rand::random::<[u8; 15]>()))),
    };
    (0..count).map(secret).collect()
}

/// Lines of a log, as programs write them.
fn text() -> Vec<u8> {
    let mut text = Vec::with_capacity(BATCH);
    for n in 0_u32.. {
        let line = format!(
            "2026-11-24T08:{:02}:{:02}.{n:06}Z INFO web{{request={:08x}}} GET /api/v1/items/{n} 200 {}us user=u{}\n",
            n / 60 % 60,
            n % 60,
            n.wrapping_mul(2_654_435_761),
            n * 37 % 9999,
            n % 50
        );
        if text.len() + line.len() > BATCH {
            break;
        }
        text.extend_from_slice(line.as_bytes());
    }
    text.resize(BATCH, b'\n');
    text
}
