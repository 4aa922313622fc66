//! PEM in one form: what comes in with odd line ends or text around it goes out clean.

use base64::{Engine, engine::general_purpose::STANDARD};
use x509_parser::pem::Pem;
use zeroize::Zeroizing;

/// Returns `der` as PEM with lines of 64 characters and a newline at the end.
pub(super) fn encode(label: &str, der: &[u8]) -> Zeroizing<String> {
    let body = Zeroizing::new(STANDARD.encode(der));
    // With its full size from the start the text is never moved, so that no copy of a key stays behind.
    let mut text = Zeroizing::new(String::with_capacity(body.len() + body.len() / 64 + 2 * label.len() + 64));
    text.push_str(&format!("-----BEGIN {label}-----\n"));
    for start in (0..body.len()).step_by(64) {
        text.push_str(&body[start..body.len().min(start + 64)]);
        text.push('\n');
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

/// Returns certificates as PEM, one after the other.
pub(super) fn certificates<'a>(ders: impl IntoIterator<Item = &'a [u8]>) -> String {
    ders.into_iter().map(|der| encode("CERTIFICATE", der).to_string()).collect()
}

/// Returns what is in the first block of `text`.
pub(super) fn decode(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (_, block) = x509_parser::pem::parse_x509_pem(text).ok()?;
    Some(Zeroizing::new(block.contents))
}

/// Returns every certificate in `text` as DER; `None` when something in it is damaged.
pub(super) fn decode_certificates(text: &str) -> Option<Vec<Vec<u8>>> {
    let blocks: Result<Vec<Pem>, _> = Pem::iter_from_buffer(text.as_bytes()).collect();
    let certificates = blocks.ok()?.into_iter().filter(|block| block.label == "CERTIFICATE");
    Some(certificates.map(|block| block.contents).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_line_ends_and_text_around_are_cleaned() {
        let der = vec![7_u8; 100];
        let clean = encode("CERTIFICATE", &der);
        let odd = format!("subject=x\r\n{}junk", clean.replace('\n', "\r\n"));
        assert_eq!(decode_certificates(&odd), Some(vec![der.clone()]));
        assert_eq!(certificates([der.as_slice()]), *clean);
    }

    #[test]
    fn lines_are_64_characters_at_most() {
        assert!(encode("CERTIFICATE", &[1; 300]).lines().all(|line| line.len() <= 64));
    }
}
