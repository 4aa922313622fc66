//! The files that programs want of a certificate.

use super::{
    IssuedCertificate, PkiError, pem,
    store::{self, KeyEntry, Kind},
};
use crate::domain::{CertificateFormat, SecretBytes, SecretString};

/// The file with the password of the stores beside it.
const PASSWORD_FILE: &str = "store.password";

/// How a certificate's files are written.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// The name that programs find the key under in a store.
    pub alias: &'a str,
    /// In which forms.
    pub formats: &'a [CertificateFormat],
    /// The password of the stores.
    pub password: &'a SecretString,
    /// What to trust, in PEM.
    pub trusted: &'a str,
}

impl IssuedCertificate {
    /// Returns the files by their names. The same terms give the same bytes.
    ///
    /// # Errors
    /// A part cannot be read back, which a certificate that was accepted never brings.
    pub fn files(&self, terms: &Terms<'_>) -> Result<Vec<(&'static str, SecretBytes)>, PkiError> {
        let mut files = Vec::new();
        for format in terms.formats {
            match format {
                CertificateFormat::Jks => {
                    let (key, trust) = self.stores(Kind::Jks, terms)?;
                    files.extend([("keystore.jks", key), ("truststore.jks", trust)]);
                }
                CertificateFormat::Pem => files.extend(self.pem_files(terms.trusted)),
                CertificateFormat::Pkcs12 => {
                    let (key, trust) = self.stores(Kind::Pkcs12, terms)?;
                    files.extend([("keystore.p12", key), ("truststore.p12", trust)]);
                }
            }
        }
        if terms.formats.iter().any(|format| *format != CertificateFormat::Pem) {
            files.push((PASSWORD_FILE, terms.password.clone().into()));
        }
        Ok(files)
    }

    fn pem_files(&self, trusted: &str) -> [(&'static str, SecretBytes); 4] {
        [
            ("cert.pem", SecretBytes::new(self.cert_pem.as_str())),
            ("key.pem", self.key_pem.clone()),
            ("ca.pem", SecretBytes::new(trusted)),
            ("bundle.pem", self.bundle_pem.clone()),
        ]
    }

    fn stores(&self, kind: Kind, terms: &Terms<'_>) -> Result<(SecretBytes, SecretBytes), PkiError> {
        let key = pem::decode(self.key_pem.expose()).ok_or(PkiError::Store("its key is no PEM"))?;
        let chain = pem::decode_certificates(&self.cert_pem).ok_or(PkiError::Store("its chain is no PEM"))?;
        let chain: Vec<&[u8]> = chain.iter().map(Vec::as_slice).collect();
        let entry = KeyEntry { alias: terms.alias, key: &key, chain: &chain, since: self.not_before };
        let key_store = store::key_store(kind, &entry, terms.password)?;
        Ok((key_store, store::trust_store(kind, terms.trusted, terms.password)?))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::pki::{Authority, CertificateSpec, request, store_password};

    fn issued(authority: &Authority) -> IssuedCertificate {
        let spec = CertificateSpec { common_name: Some("web.example".to_owned()), ..CertificateSpec::default() };
        let pending = request(&spec).expect("a request");
        let data = authority.sign(pending.csr_pem(), Duration::from_secs(600)).expect("signed");
        pending.accept(&data).expect("what was asked")
    }

    fn files(issued: &IssuedCertificate, formats: &[CertificateFormat], password: &SecretString) -> Vec<String> {
        let terms = Terms { alias: "web", formats, password, trusted: &issued.ca_pem };
        let files = issued.files(&terms).expect("files");
        files.into_iter().map(|(name, bytes)| format!("{name} {}", hex::encode(bytes.expose()))).collect()
    }

    #[test]
    fn each_format_brings_its_files_and_the_stores_their_password() {
        use CertificateFormat::{Jks, Pem, Pkcs12};
        let issued = issued(&Authority::new().expect("an authority"));
        let names = |formats: &[CertificateFormat]| {
            let files = files(&issued, formats, &store_password());
            files.iter().filter_map(|line| line.split(' ').next().map(str::to_owned)).collect::<Vec<_>>()
        };
        assert_eq!(names(&[Pem]), ["cert.pem", "key.pem", "ca.pem", "bundle.pem"]);
        assert_eq!(names(&[Pkcs12]), ["keystore.p12", "truststore.p12", "store.password"]);
        assert_eq!(
            names(&[Jks, Pkcs12]),
            ["keystore.jks", "truststore.jks", "keystore.p12", "truststore.p12", "store.password"]
        );
    }

    #[test]
    fn an_unchanged_certificate_gives_unchanged_bytes() {
        use CertificateFormat::{Jks, Pem, Pkcs12};
        let authority = Authority::new().expect("an authority");
        let (one, other, password) = (issued(&authority), issued(&authority), store_password());
        let all = [Pem, Pkcs12, Jks];
        assert_eq!(files(&one, &all, &password), files(&one, &all, &password));
        assert_ne!(files(&one, &all, &password), files(&other, &all, &password));
        assert_ne!(files(&one, &[Jks], &password), files(&one, &[Jks], &store_password()));
    }
}
