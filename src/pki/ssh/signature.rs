//! Whether a certificate's signature is that of the key it names as its CA's.
//!
//! It does not know which CA a server trusts; it knows what no server would take.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA512, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
};

use super::{SshError, wire::Reader};

/// What OpenSSH has refused since 8.2, because it hashes with SHA-1.
const SHA1: &str = "ssh-rsa";

/// Checks `signature` over `body` by the key in `ca`, both as a certificate has them.
pub(super) fn check(ca: &[u8], body: &[u8], signature: &[u8]) -> Result<(), SshError> {
    let signed = Signed { body, signature };
    signed.check(ca)?.then_some(()).ok_or(SshError::Signature)
}

struct Signed<'a> {
    body: &'a [u8],
    signature: &'a [u8],
}

impl Signed<'_> {
    fn check(&self, ca: &[u8]) -> Result<bool, SshError> {
        let (mut key, mut signature) = (Reader(ca), Reader(self.signature));
        let kind = key.text().ok_or(SshError::Malformed)?;
        let algorithm = signature.text().ok_or(SshError::Malformed)?;
        let value = signature.bytes().filter(|_| signature.0.is_empty()).ok_or(SshError::Malformed)?;
        let holds = match (kind, algorithm) {
            ("ssh-ed25519", "ssh-ed25519") => self.by_edwards(key, value),
            ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256") => self.by_curve(&ECDSA_P256_SHA256_FIXED, 32, key, value),
            ("ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384") => self.by_curve(&ECDSA_P384_SHA384_FIXED, 48, key, value),
            ("ecdsa-sha2-nistp521", "ecdsa-sha2-nistp521") => self.by_curve(&ECDSA_P521_SHA512_FIXED, 66, key, value),
            ("ssh-rsa", "rsa-sha2-256") => self.by_rsa(&RSA_PKCS1_2048_8192_SHA256, key, value),
            ("ssh-rsa", "rsa-sha2-512") => self.by_rsa(&RSA_PKCS1_2048_8192_SHA512, key, value),
            ("ssh-rsa", SHA1) => return Err(SshError::Sha1),
            _ => return Err(SshError::Algorithm(algorithm.chars().take(60).collect())),
        };
        Ok(holds.unwrap_or(false))
    }

    fn by_edwards(&self, mut key: Reader<'_>, value: &[u8]) -> Option<bool> {
        let point = only(key.bytes()?, key)?;
        Some(UnparsedPublicKey::new(&ED25519, point).verify(self.body, value).is_ok())
    }

    fn by_curve(
        &self,
        algorithm: &'static dyn VerificationAlgorithm,
        width: usize,
        mut key: Reader<'_>,
        value: &[u8],
    ) -> Option<bool> {
        // The curve's name, which the type's has as well.
        key.bytes()?;
        let point = only(key.bytes()?, key)?;
        let mut numbers = Reader(value);
        let mut both = fixed(numbers.bytes()?, width)?;
        both.extend(fixed(numbers.bytes()?, width)?);
        let both = only(both, numbers)?;
        Some(UnparsedPublicKey::new(algorithm, point).verify(self.body, &both).is_ok())
    }

    fn by_rsa(
        &self,
        algorithm: &'static aws_lc_rs::signature::RsaParameters,
        mut key: Reader<'_>,
        value: &[u8],
    ) -> Option<bool> {
        let e = unsigned(key.bytes()?);
        let n = only(unsigned(key.bytes()?), key)?;
        Some(RsaPublicKeyComponents { n, e }.verify(algorithm, self.body, value).is_ok())
    }
}

/// Returns `value` if nothing is left to read.
fn only<T>(value: T, rest: Reader<'_>) -> Option<T> {
    rest.0.is_empty().then_some(value)
}

/// Takes the zeros away that keep a number positive.
fn unsigned(number: &[u8]) -> &[u8] {
    let start = number.iter().position(|byte| *byte != 0).unwrap_or(number.len());
    &number[start..]
}

/// Writes a number in `width` bytes.
fn fixed(number: &[u8], width: usize) -> Option<Vec<u8>> {
    let number = unsigned(number);
    let mut bytes = vec![0; width.checked_sub(number.len())?];
    bytes.extend_from_slice(number);
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::{super::wire::put, *};

    fn signature(algorithm: &str) -> Vec<u8> {
        let mut blob = Vec::new();
        put(&mut blob, algorithm.as_bytes());
        put(&mut blob, &[1; 64]);
        blob
    }

    fn key(kind: &str) -> Vec<u8> {
        let mut blob = Vec::new();
        put(&mut blob, kind.as_bytes());
        put(&mut blob, &[2; 32]);
        blob
    }

    #[test]
    fn what_openssh_would_refuse_is_named() {
        assert_eq!(check(&key("ssh-rsa"), b"x", &signature("ssh-rsa")), Err(SshError::Sha1));
        for (kind, algorithm) in [("ssh-dss", "ssh-dss"), ("ssh-ed25519", "rsa-sha2-256"), ("ssh-rsa", "ssh-ed25519")] {
            let refused = check(&key(kind), b"x", &signature(algorithm));
            assert_eq!(refused, Err(SshError::Algorithm(algorithm.to_owned())), "{kind}");
        }
    }

    #[test]
    fn a_signature_of_anything_else_is_refused() {
        assert_eq!(check(&key("ssh-ed25519"), b"x", &signature("ssh-ed25519")), Err(SshError::Signature));
        assert_eq!(check(b"", b"x", b""), Err(SshError::Malformed));
        let longer = [signature("ssh-ed25519"), vec![0]].concat();
        assert_eq!(check(&key("ssh-ed25519"), b"x", &longer), Err(SshError::Malformed));
    }

    #[test]
    fn numbers_fill_their_width() {
        assert_eq!(fixed(&[0, 0xff], 3), Some(vec![0, 0, 0xff]));
        assert_eq!(fixed(&[1, 2, 3], 2), None);
    }
}
