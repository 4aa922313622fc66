//! What protects a store: its password, and salts drawn from what is protected.

use aws_lc_rs::hmac;
use rand::{Rng, distr::Alphanumeric};

use crate::domain::SecretString;

/// Characters of a password; 190 bits, so that the rounds of key derivation need not make up for a weak one.
const LENGTH: usize = 32;

/// Makes a password that needs no quoting in any configuration file.
pub fn store_password() -> SecretString {
    let letters = rand::rng().sample_iter(Alphanumeric).take(LENGTH).map(char::from);
    SecretString::new(letters.collect::<String>())
}

/// Returns `N` bytes that look random, are the same for the same contents and differ for others.
///
/// A salt must be unique, not secret. Drawn so, an unchanged certificate gives an unchanged file, and no change is reported
/// where there is none.
pub(super) fn salt<const N: usize>(password: &SecretString, purpose: &str, contents: &[&[u8]]) -> [u8; N] {
    let mut signer = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, password.expose().as_bytes()));
    signer.update(purpose.as_bytes());
    for part in contents {
        signer.update(&(part.len() as u64).to_be_bytes());
        signer.update(part);
    }
    let tag = signer.sign();
    let mut out = [0; N];
    out.copy_from_slice(&tag.as_ref()[..N]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_differ_and_are_letters_and_digits() {
        let (one, other) = (store_password(), store_password());
        assert!(one != other);
        assert!(one.expose().len() == LENGTH && one.expose().bytes().all(|byte| byte.is_ascii_alphanumeric()));
    }

    #[test]
    fn a_salt_belongs_to_its_contents_and_purpose() {
        let password = SecretString::new("p");
        let salt = |purpose, contents: &[&[u8]]| salt::<20>(&password, purpose, contents);
        assert_eq!(salt("a", &[b"x"]), salt("a", &[b"x"]));
        assert_ne!(salt("a", &[b"x"]), salt("b", &[b"x"]));
        assert_ne!(salt("a", &[b"xy", b"z"]), salt("a", &[b"x", b"yz"]));
    }
}
