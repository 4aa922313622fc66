//! Why a use case did not do what it was asked, in the classes that the user is told.

use super::asker::AskError;
use crate::{audit, container, identity, journal, pki, template, tmpfs, vault};

/// The kinds of trouble. What they mean on the wire is decided in `plugin/`, in one match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The secrets server denies a login or a path.
    AuthRefused {
        /// It is the node's credential that is denied, not the task's: mending it heals the start.
        node: bool,
    },
    /// What came was no answer of the secrets server's kind.
    BackendMalformed,
    /// The secrets server's certificate is not trusted.
    BackendTls,
    /// The secrets server is away, sealed or overloaded.
    BackendUnavailable,
    /// The plugin's configuration is wrong.
    ConfigInvalid,
    /// The engine says no.
    EngineRefused {
        /// Time may heal it, as lack of space or a conflict.
        recoverable: bool,
    },
    /// The engine did not answer in time.
    EngineTimeout,
    /// The engine is away.
    EngineUnavailable,
    /// No identity can be formed or proven.
    IdentityRefused,
    /// The image does not exist or may not be pulled.
    ImageRefused,
    /// The registry is in trouble.
    ImageUnavailable,
    /// A defect of ours.
    Internal,
    /// The network of the allocation is gone; only a new allocation gets another.
    NetworkGone,
    /// The secrets directory is full.
    NoSpace,
    /// The container is not running.
    NotRunning,
    /// A path leaves its root, or is forbidden on the server.
    PathRefused,
    /// The certificate that came is not the one that was asked for.
    PkiMismatch,
    /// The PKI engine says no.
    PkiRefused,
    /// An operator's rule or gate says no.
    PolicyRefused,
    /// The request itself is malformed.
    RpcInvalid,
    /// A path or field is not there.
    SecretMissing,
    /// An answer is over its limit.
    SecretTooLarge,
    /// A handle or record cannot be read.
    StateInvalid,
    /// The state directory cannot be used now.
    StateUnavailable,
    /// The job's config is wrong.
    TaskConfigInvalid,
    /// The id is known already.
    TaskExists,
    /// A running task is not destroyed without force.
    TaskRunning,
    /// The id is not known.
    TaskUnknown,
    /// A template is wrong.
    TemplateInvalid,
    /// A template went over a limit.
    TemplateLimit,
}

/// An error with its class and one line of text that names the object and says what to do.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{class}: {message}")]
pub struct DriverError {
    class: Class,
    message: String,
}

impl DriverError {
    /// Makes an error of `class` with `message`, whose control characters are escaped.
    pub fn new(class: Class, message: impl Into<String>) -> Self {
        let message: String = message.into();
        let plain = message
            .chars()
            .flat_map(|c| if c.is_control() { c.escape_default().collect::<Vec<_>>() } else { vec![c] })
            .collect();
        Self { class, message: plain }
    }

    /// Returns the class.
    pub fn class(&self) -> Class {
        self.class
    }

    /// Returns the text without the class in front.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Says whether trying the same again later may succeed.
    pub fn recoverable(&self) -> bool {
        match self.class {
            Class::AuthRefused { node } => node,
            Class::EngineRefused { recoverable } => recoverable,
            Class::BackendMalformed
            | Class::BackendTls
            | Class::BackendUnavailable
            | Class::EngineTimeout
            | Class::EngineUnavailable
            | Class::ImageUnavailable
            | Class::Internal
            | Class::PkiRefused
            | Class::SecretMissing
            | Class::StateUnavailable => true,
            Class::ConfigInvalid
            | Class::IdentityRefused
            | Class::ImageRefused
            | Class::NetworkGone
            | Class::NoSpace
            | Class::NotRunning
            | Class::PathRefused
            | Class::PkiMismatch
            | Class::PolicyRefused
            | Class::RpcInvalid
            | Class::SecretTooLarge
            | Class::StateInvalid
            | Class::TaskConfigInvalid
            | Class::TaskExists
            | Class::TaskRunning
            | Class::TaskUnknown
            | Class::TemplateInvalid
            | Class::TemplateLimit => false,
        }
    }

    /// Makes an error of what the secrets server said when asked to do `what`.
    pub(super) fn from_vault(what: &str, error: &vault::Error) -> Self {
        Self::new(class_of(error), format!("{what}: {}", error.reason()))
    }
}

impl std::fmt::Display for Class {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AuthRefused { .. } => f.write_str("AuthRefused"),
            Self::EngineRefused { .. } => f.write_str("EngineRefused"),
            other => write!(f, "{other:?}"),
        }
    }
}

fn class_of(error: &vault::Error) -> Class {
    match error.kind() {
        vault::Kind::Denied
        | vault::Kind::TokenDead
        | vault::Kind::Invalid
        | vault::Kind::LeaseGone
        | vault::Kind::NotRenewable => Class::AuthRefused { node: false },
        vault::Kind::Deleted | vault::Kind::NotFound => Class::SecretMissing,
        vault::Kind::Malformed => Class::BackendMalformed,
        vault::Kind::Sealed | vault::Kind::Unavailable => Class::BackendUnavailable,
        vault::Kind::ClientRefused | vault::Kind::Tls => Class::BackendTls,
        vault::Kind::TooLarge => Class::SecretTooLarge,
    }
}

impl From<AskError> for DriverError {
    fn from(error: AskError) -> Self {
        Self::from(&error)
    }
}

impl From<&AskError> for DriverError {
    fn from(error: &AskError) -> Self {
        match error {
            AskError::Driver(inner) => inner.clone(),
            AskError::Pki { .. } => Self::new(Class::PkiMismatch, error.to_string()),
            AskError::Vault { what, source, .. } => {
                let class = match class_of(source) {
                    Class::AuthRefused { .. }
                        if what.starts_with("certificate") && source.kind() == vault::Kind::Invalid =>
                    {
                        Class::PkiRefused
                    }
                    class => class,
                };
                Self::new(class, error.to_string())
            }
        }
    }
}

impl From<container::Error> for DriverError {
    fn from(error: container::Error) -> Self {
        use container::Error as E;
        let class = match &error {
            E::ConfigInvalid { .. } => Class::TaskConfigInvalid,
            E::EngineRefused { passing, .. } => Class::EngineRefused { recoverable: *passing },
            E::EngineTimeout { .. } | E::ExecTimeout { .. } => Class::EngineTimeout,
            E::EngineUnavailable { .. } => Class::EngineUnavailable,
            E::ImageRefused { .. } => Class::ImageRefused,
            E::CredentialUnavailable { .. } | E::ImageUnavailable { .. } => Class::ImageUnavailable,
            E::NotFound(_) => Class::EngineRefused { recoverable: true },
            E::NotRunning(_) => Class::NotRunning,
            E::PathRefused { .. } => Class::PathRefused,
            E::PolicyRefused { .. } => Class::PolicyRefused,
        };
        Self::new(class, error.to_string())
    }
}

impl From<tmpfs::Error> for DriverError {
    fn from(error: tmpfs::Error) -> Self {
        let class = if error.is_no_space() { Class::NoSpace } else { Class::StateUnavailable };
        Self::new(class, error.to_string())
    }
}

impl From<journal::Error> for DriverError {
    fn from(error: journal::Error) -> Self {
        Self::new(Class::StateUnavailable, error.to_string())
    }
}

impl From<audit::Error> for DriverError {
    fn from(error: audit::Error) -> Self {
        let text =
            "nothing is obtained for a task without a line about it; make room or say audit { required = false }";
        Self::new(Class::StateUnavailable, format!("{error}: {text}"))
    }
}

impl From<identity::IdentityError> for DriverError {
    fn from(error: identity::IdentityError) -> Self {
        Self::new(Class::IdentityRefused, error.to_string())
    }
}

impl From<identity::PolicyRefused> for DriverError {
    fn from(error: identity::PolicyRefused) -> Self {
        Self::new(Class::PolicyRefused, error.to_string())
    }
}

impl From<vault::SettingsError> for DriverError {
    fn from(error: vault::SettingsError) -> Self {
        Self::new(Class::ConfigInvalid, error.to_string())
    }
}

impl From<pki::PkiError> for DriverError {
    fn from(error: pki::PkiError) -> Self {
        Self::new(Class::PkiMismatch, error.to_string())
    }
}

impl From<template::TemplateError> for DriverError {
    fn from(error: template::TemplateError) -> Self {
        let class = match &error {
            template::TemplateError::MissingKey { .. } | template::TemplateError::NullValue { .. } => {
                Class::SecretMissing
            }
            template::TemplateError::Refused { .. } => Class::PathRefused,
            template::TemplateError::Limit { .. } => Class::TemplateLimit,
            _ => Class::TemplateInvalid,
        };
        Self::new(class, error.to_string())
    }
}
