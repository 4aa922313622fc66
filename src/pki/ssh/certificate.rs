//! What an SSH certificate says, and whether that is what was asked.

use std::time::{Duration, SystemTime};

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{SshError, SshSpec, signature, wire::Reader};

/// How far the CA's clock may be ahead of ours.
const SKEW: Duration = Duration::from_secs(300);
const USER: u32 = 1;
const HOST: u32 = 2;
/// What stands in front of bytes to say how many they are.
const LENGTH: usize = 4;
/// What stands behind a key type's name when the key has a certificate.
const SUFFIX: &str = "-cert-v01@openssh.com";

/// What a certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    /// The CA's number for it.
    pub(super) serial: u64,
    kind: u32,
    principals: Vec<String>,
    after: u64,
    before: u64,
}

impl Facts {
    /// Reads a certificate's line, which must be for the key with this public half and whole: the CA's signature holds.
    pub(super) fn read(line: &str, public: &[u8]) -> Result<Self, SshError> {
        let mut words = line.split_ascii_whitespace();
        let (Some(name), Some(body)) = (words.next(), words.next()) else { return Err(SshError::Malformed) };
        let blob = STANDARD.decode(body).map_err(|_| SshError::Malformed)?;
        let mut reader = Reader(&blob);
        let inner = reader.text().filter(|inner| *inner == name && inner.ends_with(SUFFIX));
        inner.ok_or(SshError::Malformed)?;
        // A number used once, so that no two certificates are alike.
        reader.bytes().ok_or(SshError::Malformed)?;
        reader.exactly(public).ok_or(SshError::OtherKey)?;
        let facts = Self::of(&mut reader).ok_or(SshError::Malformed)?;
        let (ca, signed) = seal(reader).ok_or(SshError::Malformed)?;
        signature::check(ca, &blob[..blob.len() - signed.len() - LENGTH], signed)?;
        Ok(facts)
    }

    fn of(reader: &mut Reader<'_>) -> Option<Self> {
        let (serial, kind) = (reader.u64()?, reader.u32()?);
        reader.text()?;
        let mut list = Reader(reader.bytes()?);
        let mut principals = Vec::new();
        while !list.0.is_empty() {
            principals.push(list.text()?.to_owned());
        }
        let (after, before) = (reader.u64()?, reader.u64()?);
        Some(Self { serial, kind, principals, after, before })
    }

    /// Returns its end, if it is what was asked for.
    pub(super) fn check(&self, spec: &SshSpec, now: SystemTime) -> Result<SystemTime, SshError> {
        if self.kind != if spec.host { HOST } else { USER } {
            return Err(SshError::OtherKind);
        }
        let sorted = |names: &[String]| {
            let mut names = names.to_vec();
            names.sort();
            names
        };
        if self.principals.is_empty() || sorted(&self.principals) != sorted(&spec.principals) {
            let (given, wanted) = (self.principals.clone(), spec.principals.clone());
            return Err(SshError::Principals { given, wanted });
        }
        let at = |seconds: u64| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
        let begun = at(self.after).is_some_and(|after| after <= now + SKEW);
        // The largest number means that it never ends.
        let end = at(self.before).filter(|before| self.before != u64::MAX && *before > now);
        end.filter(|_| begun).ok_or(SshError::Validity)
    }
}

/// Takes the CA's key and its signature, which end a certificate.
fn seal(mut reader: Reader<'_>) -> Option<(&[u8], &[u8])> {
    // Critical options, extensions, and what is reserved.
    for _ in 0..3 {
        reader.bytes()?;
    }
    let (ca, signed) = (reader.bytes()?, reader.bytes()?);
    reader.0.is_empty().then_some((ca, signed))
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};

    use super::{super::wire::put, *};

    const NAME: &str = "ssh-ed25519-cert-v01@openssh.com";

    fn facts() -> Facts {
        Facts { serial: 1, kind: USER, principals: vec!["app".into(), "ops".into()], after: 1000, before: 2000 }
    }

    fn spec(principals: &[&str]) -> SshSpec {
        SshSpec { principals: principals.iter().map(|name| (*name).to_owned()).collect(), host: false }
    }

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_certificate_must_be_for_exactly_whom_it_was_asked_for() {
        assert_eq!(facts().check(&spec(&["ops", "app"]), at(1500)), Ok(at(2000)));
        for others in [&["app"][..], &["app", "ops", "root"], &[]] {
            assert!(matches!(facts().check(&spec(others), at(1500)), Err(SshError::Principals { .. })), "{others:?}");
        }
        let everybody = Facts { principals: Vec::new(), ..facts() };
        assert!(matches!(everybody.check(&spec(&[]), at(1500)), Err(SshError::Principals { .. })));
    }

    #[test]
    fn a_certificate_must_be_valid_now_and_have_an_end() {
        let two = spec(&["app", "ops"]);
        for now in [0, 2000, 3000] {
            assert_eq!(facts().check(&two, at(now)), Err(SshError::Validity), "{now}");
        }
        assert_eq!(Facts { before: u64::MAX, ..facts() }.check(&two, at(1500)), Err(SshError::Validity));
        assert_eq!(Facts { kind: HOST, ..facts() }.check(&two, at(1500)), Err(SshError::OtherKind));
    }

    /// Returns a certificate for `public`, by a CA that was made for it.
    fn signed(public: &[u8]) -> Vec<u8> {
        let ca = Ed25519KeyPair::generate().expect("a key");
        let mut ca_key = Vec::new();
        for part in [&b"ssh-ed25519"[..], ca.public_key().as_ref()] {
            put(&mut ca_key, part);
        }
        let mut principals = Vec::new();
        put(&mut principals, b"app");
        let mut blob = Vec::new();
        put(&mut blob, NAME.as_bytes());
        put(&mut blob, b"once");
        blob.extend_from_slice(public);
        blob.extend_from_slice(&7_u64.to_be_bytes());
        blob.extend_from_slice(&USER.to_be_bytes());
        put(&mut blob, b"id");
        put(&mut blob, &principals);
        blob.extend([1000_u64, 2000].map(u64::to_be_bytes).concat());
        for part in [&b""[..], b"", b"", &ca_key] {
            put(&mut blob, part);
        }
        let mut signature = Vec::new();
        for part in [&b"ssh-ed25519"[..], ca.sign(&blob).as_ref()] {
            put(&mut signature, part);
        }
        put(&mut blob, &signature);
        blob
    }

    fn read(blob: &[u8], public: &[u8]) -> Result<Facts, SshError> {
        Facts::read(&format!("{NAME} {}", STANDARD.encode(blob)), public)
    }

    #[test]
    fn a_certificate_is_believed_only_as_its_ca_signed_it() {
        let mut public = Vec::new();
        put(&mut public, &[5; 32]);
        let blob = signed(&public);
        let facts = Facts { serial: 7, principals: vec!["app".into()], ..facts() };
        assert_eq!(read(&blob, &public), Ok(facts));
        for at in 0..blob.len() {
            let mut other = blob.clone();
            other[at] ^= 1;
            assert!(read(&other, &public).is_err(), "byte {at} of {}", blob.len());
            assert!(read(&blob[..at], &public).is_err(), "the first {at}");
        }
        assert_eq!(read(&[&blob[..], &[0]].concat(), &public), Err(SshError::Malformed));
    }

    #[test]
    fn what_is_no_certificate_is_not_read() {
        for junk in ["", "x", "ssh-ed25519 AAAA", "ssh-ed25519-cert-v01@openssh.com !!", "a AAAAAWE="] {
            assert_eq!(Facts::read(junk, b"key"), Err(SshError::Malformed), "{junk:?}");
        }
    }
}
